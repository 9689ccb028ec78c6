"""Census Income (Adult): real data from a file, or downloaded by scikit-learn."""

import csv
import functools
import gzip
import os
from pathlib import Path

import numpy as np
from sklearn.datasets import fetch_openml

from gnn_l2o.errors import InputError
from gnn_l2o.network import Network
from gnn_l2o.problems import Logistic
from gnn_l2o.samples import node_sizes, penalty, require_at_least, split, standardized

COLUMNS = 14  # before the label
WAYS = (
    "give path=FILE, set GNN_L2O_DATA to a folder with adult/adult_train.csv.gz, or unset it and connect to openml.org"
)


def sample(
    network: Network,
    *,
    seed: int,
    samples: int = 100,
    l1_weight: float = 0.01,
    l2_weight: float = 0.0,
    alpha: float | None = None,
    imbalance: float = 0.0,
    path: str | None = None,
) -> Logistic:
    r"""Census Income (real, 14 features): logistic regression of who earns more than 50,000 dollars a year.

    f_i is the mean cross-entropy, without an intercept, over standardized columns, those of words numbered in
    alphabetical order; :math:`r(x) = \lambda_1 \|x\|_1 + \frac{\lambda_2}{2} \|x\|^2`. He et al. 2024, E.4, have
    Logistic(10, 14, 100, 0.1); with columns so scaled, :math:`\lambda_1 = 0.1` leaves two of the 14 coordinates.
    Source: "Adult", Becker, Kohavi 1996, UCI Machine Learning Repository.

    Args:
        network: whose nodes hold the data.
        seed: of the draws; different seeds draw different samples.
        samples: of a node on average.
        l1_weight: lambda_1.
        l2_weight: lambda_2.
        alpha: split by labels, see :func:`gnn_l2o.samples.split`.
        imbalance: of the nodes' sample counts, see :func:`gnn_l2o.samples.node_sizes`.
        path: of a CSV file with a header, 14 columns and the label, perhaps gzipped. By default
            ``$GNN_L2O_DATA/adult/adult_train.csv.gz`` if that variable is set; otherwise scikit-learn downloads the
            data from openml.org, once.
    """
    require_at_least(1, samples=samples)
    generator = np.random.default_rng(seed)
    data, labels = _load(_file(path))
    sizes = node_sizes(network.num_nodes * samples, network.num_nodes, imbalance, generator)
    parts = split(labels, sizes, generator, alpha)
    return Logistic.from_nodes([data[p] for p in parts], [labels[p] for p in parts], penalty(l1_weight, l2_weight))


def _file(path: str | None) -> Path | None:
    folder = os.environ.get("GNN_L2O_DATA")
    if path is not None:
        return Path(path)
    return Path(folder) / "adult" / "adult_train.csv.gz" if folder else None


@functools.lru_cache(maxsize=1)
def _load(file: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the standardized columns, ``(M, 14)``, and the labels, ``(M,)``."""
    rows = _download() if file is None else _read(file)
    data = np.stack([_numbers([row[k] for row in rows]) for k in range(COLUMNS)], axis=1)
    return standardized(data), np.array([float(row[COLUMNS].startswith(">50K")) for row in rows])


def _read(file: Path) -> list[list[str]]:
    try:
        opened = gzip.open(file, "rt", newline="") if file.suffix == ".gz" else file.open(newline="")
        with opened as stream:
            rows = [[cell.strip() for cell in row] for row in csv.reader(stream) if row][1:]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the census data ({error}); {WAYS}") from None
    wrong = next((row for row in rows if len(row) != COLUMNS + 1 or not row[-1].startswith(("<=50K", ">50K"))), None)
    if wrong or not rows:
        got = f"the row {','.join(wrong)[:80]!r}" if wrong else "no rows"
        raise InputError(f"{file} is not the census data: expected {COLUMNS} columns and '<=50K' or '>50K', got {got}")
    return rows


def _download() -> list[list[str]]:
    try:
        bunch = fetch_openml("adult", version=2, as_frame=False, parser="liac-arff")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot download the census data ({error}); {WAYS}") from None
    columns = []
    for name, column in zip(bunch.feature_names, bunch.data.T, strict=True):
        words = bunch.categories.get(name)
        missing = np.isnan(column)
        code = np.where(missing, 0, column).astype(int)
        columns.append(np.where(missing, "?", np.array(words)[code] if words else column.astype(str)))
    return [list(row) for row in zip(*columns, bunch.target, strict=True)]


def _numbers(column: list[str]) -> np.ndarray:
    try:
        return np.array(column, dtype=np.float64)
    except ValueError:
        return np.unique(column, return_inverse=True)[1].astype(np.float64)
