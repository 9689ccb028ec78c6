"""Census Income (Adult): real data from files, or downloaded by scikit-learn."""

import csv
import dataclasses
import functools
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o._utils.optional import optional
from gnn_l2o.data.files import read_limited
from gnn_l2o.data.sources import download, local
from gnn_l2o.data.splits import node_sizes, penalty, require_at_least, split, standardized
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Logistic

Part = Literal["train", "test"]
Row = list[str]


class Pool(NamedTuple):
    """Rows to draw from: columns ``(M, 14)`` or ``(M, 123)``, labels ``(M,)`` and where they are from, in words."""

    data: np.ndarray
    labels: np.ndarray
    source: str


COLUMNS = 14  # before the label
MAX_BYTES = 2**26  # of a part, unpacked; the published ones have 4 million
STAND_IN_TRAIN = 400  # of the 569 rows of the data that stand_in=true uses
FILE = "adult_{part}.csv.gz"
WAYS = (
    "give path=FILE, or set GNN_L2O_DATA to a folder with adult/adult_train.csv.gz, or connect to openml.org, "
    "or stand_in=true runs on data on breast cancer"
)

# OpenML holds the rows of both parts, those of the test part first; the rows that earn more tell whether it still does.
TEST_ROWS = 16_281
HIGH_INCOMES: dict[Part, int] = {"train": 7_841, "test": 3_846}

# The meaning of the one-hot columns: above how many of the cuts a number is, or which of the words it is, in the order
# of UCI's adult.names. These are the columns of a9a in the LIBSVM collection (Platt 1998 made them first).
INDICATORS: tuple[tuple[int, ...] | tuple[str, ...], ...] = (
    (25, 32, 40, 49),  # age
    (
        *("Private", "Self-emp-not-inc", "Self-emp-inc", "Federal-gov", "Local-gov", "State-gov", "Without-pay"),
        "Never-worked",
    ),
    (106637, 158656, 196337, 259865),  # the weight of the row in the census
    (
        *("Bachelors", "Some-college", "11th", "HS-grad", "Prof-school", "Assoc-acdm", "Assoc-voc", "9th", "7th-8th"),
        *("12th", "Masters", "1st-4th", "10th", "Doctorate", "5th-6th", "Preschool"),
    ),
    (8, 9, 10, 12),  # education as a number
    (
        *("Married-civ-spouse", "Divorced", "Never-married", "Separated", "Widowed", "Married-spouse-absent"),
        "Married-AF-spouse",
    ),
    (
        *("Tech-support", "Craft-repair", "Other-service", "Sales", "Exec-managerial", "Prof-specialty"),
        *("Handlers-cleaners", "Machine-op-inspct", "Adm-clerical", "Farming-fishing", "Transport-moving"),
        *("Priv-house-serv", "Protective-serv", "Armed-Forces"),
    ),
    ("Wife", "Own-child", "Husband", "Not-in-family", "Other-relative", "Unmarried"),
    ("White", "Asian-Pac-Islander", "Amer-Indian-Eskimo", "Other", "Black"),
    ("Female", "Male"),
    (0,),  # capital gain
    (0,),  # capital loss
    (34, 39, 40, 47),  # hours a week
    (
        *("United-States", "Cambodia", "England", "Puerto-Rico", "Canada", "Germany", "Outlying-US(Guam-USVI-etc)"),
        *("India", "Japan", "Greece", "South", "China", "Cuba", "Iran", "Honduras", "Philippines", "Italy", "Poland"),
        *("Jamaica", "Vietnam", "Mexico", "Portugal", "Ireland", "France", "Dominican-Republic", "Laos", "Ecuador"),
        *("Taiwan", "Haiti", "Columbia", "Hungary", "Guatemala", "Nicaragua", "Scotland", "Thailand", "Yugoslavia"),
        *("El-Salvador", "Trinadad&Tobago", "Peru", "Hong", "Holand-Netherlands"),
    ),
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
    onehot: bool = False,
    raw: bool = False,
    part: Part = "train",
    path: str | None = None,
    stand_in: bool = False,
) -> Logistic:
    r"""Census Income (real, 14 or 123 features): logistic regression of who earns more than 50,000 dollars a year.

    f_i is the mean cross-entropy, without an intercept;
    :math:`r(x) = \lambda_1 \|x\|_1 + \frac{\lambda_2}{2} \|x\|^2`. He et al. 2024, E.4, have
    Logistic(10, 14, 100, 0.1); with columns scaled as here, :math:`\lambda_1 = 0.1` leaves two of the 14 coordinates.
    Source: "Adult", Becker, Kohavi 1996, UCI Machine Learning Repository.

    The 14 columns are standardized by mean and deviation of the training part, those of words after being numbered in
    alphabetical order. The 123 are 0 or 1, as in a9a of the LIBSVM collection: every number is in one of a few
    intervals and every word is one of a list, or missing, and then all columns of that word are 0.

    Args:
        network: whose nodes hold the data.
        seed: of the draws; different seeds draw different samples.
        samples: of a node on average.
        l1_weight: lambda_1.
        l2_weight: lambda_2.
        alpha: split by labels, see :func:`gnn_l2o.data.splits.split`.
        imbalance: of the nodes' sample counts, see :func:`gnn_l2o.data.splits.node_sizes`.
        onehot: whether to have the 123 columns.
        raw: leave the 14 columns as numbers, the places of words included, instead of standardizing them: their means
            lie between 0.7 and 190,000, and the condition number of the Hessian at the solution is 1e11 instead of 80.
            Nothing is scaled or added, so that the l1 norm alone bounds the solution; with both weights 0 there is
            none where a plane separates the incomes, as with few rows.
        part: ``"train"``, 32,561 rows, or ``"test"``, 16,281 others.
        path: of a CSV file with a header, 14 columns and the label, perhaps gzipped, which is then the training part;
            or of a folder with ``adult_train.csv.gz`` and ``adult_test.csv.gz``. By default
            ``$GNN_L2O_DATA/adult`` if it holds them; otherwise scikit-learn downloads the data from openml.org, once.
        stand_in: run on the 569 rows of ``breast_cancer`` instead, where the census cannot be had: on 14 of its
            columns, or for every one of its 30 columns on four of 0 and 1, between its quartiles. Nodes hold fewer
            samples where there are too few, which the problem's source says.
    """
    require_at_least(1, samples=samples)
    generator = np.random.default_rng(seed)
    if stand_in and path is not None:
        raise InputError(f"expected either path={path} or stand_in=true, got both")
    if onehot and raw:
        raise InputError("columns are either raw numbers (raw=true) or 0 and 1 (onehot=true), got both")
    data, labels, source = _stand_in(part, onehot, raw) if stand_in else _pool(_find(path), part, onehot, raw)
    if stand_in and network.num_nodes <= labels.size < network.num_nodes * samples:
        samples = labels.size // network.num_nodes
        source += f", {samples} rows a node, for there are no more"
    sizes = node_sizes(network.num_nodes * samples, network.num_nodes, imbalance, generator)
    parts = split(labels, sizes, generator, alpha)
    problem = Logistic.from_nodes([data[p] for p in parts], [labels[p] for p in parts], penalty(l1_weight, l2_weight))
    return dataclasses.replace(problem, source=source)


def _find(path: str | None) -> Path | None:
    """Return the file or folder that holds the data; ``None``: nothing does, it must be downloaded."""
    if path is not None:
        return Path(path)
    file = local(f"adult/{FILE.format(part='train')}")
    return None if file is None else file.parent


@functools.lru_cache(maxsize=2)
def _pool(place: Path | None, part: Part, onehot: bool, raw: bool) -> Pool:
    where = "openml.org" if place is None else "$GNN_L2O_DATA/adult" if place == _find(None) else str(place)
    return Pool(*_load(place, part, onehot, raw), f"Census Income from {where}, {part} part")


def _stand_in(part: Part, onehot: bool, raw: bool) -> Pool:
    """Return what comes with scikit-learn in the form of the census."""
    with optional("data"):
        from sklearn.datasets import load_breast_cancer
    columns, labels = load_breast_cancer(return_X_y=True)
    rows = slice(STAND_IN_TRAIN) if part == "train" else slice(STAND_IN_TRAIN, None)
    train = columns[:STAND_IN_TRAIN]
    if onehot:
        cuts = np.quantile(train, (0.25, 0.5, 0.75), axis=0)
        data = np.hstack([np.eye(4)[np.searchsorted(c, x)] for c, x in zip(cuts.T, columns.T, strict=True)])
    else:
        data = (columns if raw else standardized(columns, train))[:, :COLUMNS]
    source = f"scikit-learn's breast cancer data instead of Census Income, {part} part"
    return Pool(data[rows], labels[rows].astype(np.float64), source)


def _load(place: Path | None, part: Part, onehot: bool, raw: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns, ``(M, 14)`` or ``(M, 123)``, and the labels, ``(M,)``."""
    rows = _rows(place, part)
    labels = np.array([float(_is_high(row)) for row in rows])
    if onehot:
        return np.hstack([_indicate(_column(rows, k), INDICATORS[k]) for k in range(COLUMNS)]), labels
    train = rows if part == "train" else _rows(place, "train")
    numbers = _numbers(rows, train)
    return (numbers if raw else standardized(numbers, _numbers(train, train))), labels


def _rows(place: Path | None, part: Part) -> list[Row]:
    if place is None:
        return _downloaded()[part]
    if place.is_dir():
        return _read(place / FILE.format(part=part))
    if part == "test":
        raise InputError(f"{place} is the training part; expected a folder with {FILE.format(part='test')} as well")
    return _read(place)


def _read(file: Path) -> list[Row]:
    try:
        lines = io.StringIO(read_limited(file, MAX_BYTES).decode("utf-8"), newline="")
        rows = [[entry.strip() for entry in row] for row in csv.reader(lines) if row][1:]
    except (ValueError, csv.Error) as error:
        raise InputError(f"cannot read the census data ({error}); {WAYS}") from None
    wrong = next((row for row in rows if len(row) != COLUMNS + 1 or not row[-1].startswith(("<=50K", ">50K"))), None)
    if wrong or not rows:
        got = f"the row {','.join(wrong)[:80]!r}" if wrong else "no rows"
        raise InputError(f"{file} is not the census data: expected {COLUMNS} columns and '<=50K' or '>50K', got {got}")
    return rows


@functools.lru_cache(maxsize=1)
def _downloaded() -> dict[Part, list[Row]]:
    bunch = download("adult", 2, ways=WAYS)
    columns = []
    for name, column in zip(bunch.feature_names, bunch.data.T, strict=True):
        words = bunch.categories.get(name)
        missing = np.isnan(column)
        code = np.where(missing, 0, column).astype(int)
        columns.append(np.where(missing, "?", np.array(words)[code] if words else column.astype(str)))
    rows = [list(row) for row in zip(*columns, bunch.target, strict=True)]
    parts: dict[Part, list[Row]] = {"test": rows[:TEST_ROWS], "train": rows[TEST_ROWS:]}
    found = {part: sum(map(_is_high, parts[part])) for part in HIGH_INCOMES}
    if found != HIGH_INCOMES:
        raise InputError(
            f"the census data of openml.org has changed: expected high incomes {HIGH_INCOMES}, got {found}; {WAYS}"
        )
    return parts


def _is_high(row: Row) -> bool:
    return row[COLUMNS].startswith(">50K")


def _column(rows: Sequence[Row], k: int) -> list[str]:
    return [row[k] for row in rows]


def _numbers(rows: Sequence[Row], train: Sequence[Row]) -> np.ndarray:
    """Return all columns as numbers, ``(M, 14)``: words by their places among those of the training part."""
    return np.stack([_number(_column(rows, k), _column(train, k)) for k in range(COLUMNS)], axis=1)


def _number(column: list[str], train: list[str]) -> np.ndarray:
    try:
        return np.array(column, dtype=np.float64)
    except ValueError:
        return _places(column, sorted(set(train))).astype(np.float64)


def _indicate(column: list[str], meaning: tuple[int, ...] | tuple[str, ...]) -> np.ndarray:
    """Return the indicators of a column, ``(M, number of cuts + 1)`` or ``(M, number of words)``."""
    if isinstance(meaning[0], int):
        return np.eye(len(meaning) + 1)[np.searchsorted(meaning, np.array(column, dtype=np.float64))]
    words = [*map(str, meaning), "?"]
    return np.eye(len(words))[_places(column, words), :-1]  # a missing word has no indicator


def _places(column: list[str], words: list[str]) -> np.ndarray:
    place = {word: k for k, word in enumerate(words)}
    stranger = next((word for word in column if word not in place), None)
    if stranger is not None:
        raise InputError(f"the census data is not as published: {unknown('word', stranger, words)}")
    return np.array([place[word] for word in column])
