"""The census: its columns, where its files are found, and what stands in for it."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.utils import Bunch

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems import Logistic
from tests.data.samples import ring, sample
from tests.data.small_census import COUNTRIES, INCOME, ROWS, write_census


def test_census_has_the_columns_of_the_paper() -> None:
    problem = sample("census:samples=3000", 10)
    assert problem.features.shape == (10, 3000, 14)
    assert problem.features.flatten(0, 1).mean(0).abs().max() < 0.02
    torch.testing.assert_close(problem.features.flatten(0, 1).std(0), torch.ones(14), rtol=0.1, atol=0)
    assert abs(problem.targets.mean() - 0.2408) < 0.01


def is_small_census(problem: Logistic) -> None:
    features, targets = problem.features.squeeze(0).numpy(), problem.targets.squeeze(0)
    high = int(targets.argmax())  # the row that earns more, wherever it was drawn
    low = sorted({0, 1, 2} - {high}, key=lambda k: -features[k, 0])
    order = [low[0], high, low[1]]  # of age 39, 50, 38
    assert targets[order].tolist() == [0, 1, 0]
    np.testing.assert_allclose(features[order, 0], scipy.stats.zscore([39, 50, 38]))
    np.testing.assert_allclose(features[order, 1], scipy.stats.zscore([2, 1, 0]))  # ? < Self-emp < State-gov
    np.testing.assert_allclose(features[order, 11], 0)  # a column that is constant
    np.testing.assert_allclose(features[order, 13], scipy.stats.zscore([1, 0, 2]))  # ? < Cuba < Peru


@pytest.mark.parametrize("name", ["census.csv", "census.csv.gz"])
def test_census_reads_the_file_it_is_given(tmp_path: Path, name: str) -> None:
    is_small_census(sample(f"census:samples=3,path={write_census(tmp_path / name)}", nodes=1))


def test_census_reads_the_folder_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "adult").mkdir()
    write_census(tmp_path / "adult" / "adult_train.csv.gz")
    monkeypatch.setenv("GNN_L2O_DATA", str(tmp_path))
    is_small_census(sample("census:samples=3", nodes=1))


def census_with_download(monkeypatch: pytest.MonkeyPatch, download: Callable[..., Bunch]) -> plugins.Plugin:
    monkeypatch.delenv("GNN_L2O_DATA", raising=False)
    monkeypatch.setattr("sklearn.datasets.fetch_openml", download)
    plugin = plugins.load("dataset", "census:samples=3")
    monkeypatch.setitem(plugin.function.__globals__, "TEST_ROWS", 2)
    monkeypatch.setitem(plugin.function.__globals__, "HIGH_INCOMES", {"train": 1, "test": 2})
    return plugin


def openml_census(name: str, *, version: int, as_frame: bool, parser: str) -> Bunch:
    """Two rows of a test part, both of high income, then the three of the training part."""
    assert (name, version, as_frame, parser) == ("adult", 2, False, "liac-arff")
    names = [f"column {k}" for k in range(14)]
    rows = [[*r, c] for r, c in zip(ROWS, COUNTRIES, strict=True)]
    columns = [list(column) for column in zip(*rows[1:], *rows, strict=True)]
    # As scikit-learn gives it without pandas: words numbered in the order of the file's header, missing ones nan.
    words = {n: sorted(set(c) - {"?"}, reverse=True) for n, c in zip(names, columns, strict=True) if not c[0].isdigit()}
    data = [
        [(words[n].index(v) if n in words else float(v)) if v != "?" else math.nan for v in c]
        for n, c in zip(names, columns, strict=True)
    ]
    target = np.array([">50K", ">50K", *INCOME], dtype=object)
    return Bunch(data=np.array(data).T, feature_names=names, categories=words, target=target)


def test_census_is_downloaded_where_there_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    is_small_census(census_with_download(monkeypatch, openml_census)(ring(1), seed=0))


def test_the_downloaded_test_part_stands_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = census_with_download(monkeypatch, openml_census).function(ring(1), seed=0, samples=2, part="test")
    assert problem.targets.tolist() == [[1, 1]]
    ages = (np.array([38, 50]) - np.mean([39, 50, 38])) / np.std([39, 50, 38])  # by the training part's mean
    np.testing.assert_allclose(np.sort(problem.features[0, :, 0]), ages)


def test_a_download_in_another_order_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = census_with_download(monkeypatch, openml_census)
    monkeypatch.setitem(plugin.function.__globals__, "TEST_ROWS", 4)
    with pytest.raises(InputError, match=r"has changed: expected high incomes .*'train': 1.* got .*'test': 3"):
        plugin(ring(1), seed=0)


@pytest.fixture
def census_offline(monkeypatch: pytest.MonkeyPatch) -> plugins.Plugin:
    def download(*args: object, **kwargs: object) -> Bunch:
        raise OSError("no route to openml.org")

    return census_with_download(monkeypatch, download)


def test_breast_cancer_stands_in_for_the_census_if_asked_for(census_offline: plugins.Plugin) -> None:
    ways = r"no route to openml.org.*path=FILE.*GNN_L2O_DATA.*openml.org, or stand_in=true runs on data on breast"
    with pytest.raises(InputError, match=ways) as error:
        census_offline.function(ring(10), seed=0)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"either path=mine\.csv or stand_in=true, got both"):
        census_offline.function(ring(10), seed=0, stand_in=True, path="mine.csv")
    problem = census_offline.function(ring(10), seed=0, stand_in=True)
    assert problem.source.endswith("instead of Census Income, train part, 40 rows a node, for there are no more")
    assert problem.features.shape == (10, 40, 14)
    data, labels = load_breast_cancer(return_X_y=True)
    expected = (data[:400] - data[:400].mean(axis=0)) / data[:400].std(axis=0)
    rows = problem.features.flatten(0, 1).numpy()
    order, same = np.argsort(rows.sum(axis=1)), np.argsort(expected[:, :14].sum(axis=1))
    np.testing.assert_allclose(rows[order], expected[same, :14])
    assert problem.targets.sum() == labels[:400].sum()


def test_indicators_of_what_stands_in_lie_between_quartiles(census_offline: plugins.Plugin) -> None:
    train = census_offline.function(ring(10), seed=0, onehot=True, stand_in=True)
    test = census_offline.function(ring(10), seed=0, onehot=True, part="test", stand_in=True)
    assert (train.features.shape, test.features.shape) == ((10, 40, 120), (10, 16, 120))
    indicators = train.features.flatten(0, 1).unflatten(1, (30, 4))
    assert (indicators.sum(dim=2) == 1).all()
    np.testing.assert_allclose(indicators.mean(dim=0), 0.25, atol=0.01)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the census data.*path=FILE"),
        (b"\x1f\x8b not gzip", "cannot read the census data.*path=FILE"),
        (b"a,b\n1,2\n", "expected 14 columns and '<=50K' or '>50K', got the row '1,2'"),
        (b"a,b\n", "expected 14 columns and '<=50K' or '>50K', got no rows"),
        (",".join("abcdefghijklmno").encode() * 2, "got no rows"),
        (b"header\n" + ",".join("abcdefghijklmno").encode(), "got the row 'a,b,c"),
    ],
)
def test_a_file_that_is_not_the_census_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "data.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        sample(f"census:path={path}")
    assert "\n" not in str(error.value)


def test_the_test_part_is_scaled_like_the_training_part() -> None:
    problem = sample("census:part=test,samples=1600", 10)
    mean, deviation = problem.features.flatten(0, 1).mean(0), problem.features.flatten(0, 1).std(0)
    assert 1e-3 < mean.abs().max() < 0.05
    torch.testing.assert_close(deviation, torch.ones(14), rtol=0.05, atol=0)


def test_a_folder_holds_both_parts_and_a_file_one(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write_census(tmp_path / f"adult_{part}.csv.gz")
    is_small_census(sample(f"census:samples=3,path={tmp_path}", nodes=1))
    is_small_census(sample(f"census:samples=3,part=test,path={tmp_path}", nodes=1))
    file = tmp_path / "adult_train.csv.gz"
    with pytest.raises(InputError, match=r"is the training part; expected a folder with adult_test.csv.gz"):
        sample(f"census:part=test,path={file}")
