"""The census with an indicator for each group, against a9a."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from gnn_l2o._utils.errors import InputError
from tests.data.samples import load, sample
from tests.data.small_census import write_census

# The lines of a9a and a9a.t in the LIBSVM collection that belong to the first rows of both parts.
A9A = """
-1 3 11 14 19 39 42 55 64 67 73 75 76 80 83
-1 5 7 14 19 39 40 51 63 67 73 74 76 78 83
-1 3 6 17 22 36 41 53 64 67 73 74 76 80 83
-1 5 6 17 21 35 40 53 63 71 73 74 76 80 83
-1 2 6 18 19 39 40 52 61 71 72 74 76 80 95
-1 3 6 18 29 39 40 51 61 67 72 74 76 80 83
-1 4 6 16 26 35 45 49 64 71 72 74 76 78 101
1 5 7 17 22 36 40 51 63 67 73 74 76 81 83
1 2 6 14 29 39 42 52 64 67 72 75 76 82 83
1 4 6 16 19 39 40 51 63 67 73 75 76 80 83
"""
A9A_TEST = """
-1 1 6 17 21 35 42 54 62 71 73 74 76 80 83
-1 3 6 14 22 36 40 56 63 67 73 74 76 82 83
1 2 10 18 24 38 40 59 63 67 73 74 76 80 83
1 4 6 16 20 37 40 54 63 71 73 75 76 80 83
"""
GROUPS = (5, 8, 5, 16, 5, 7, 14, 6, 5, 2, 2, 2, 5, 41)  # indicators of each of the 14 columns


def one_hot(part: str) -> tuple[np.ndarray, np.ndarray]:
    if "GNN_L2O_DATA" not in os.environ:
        pytest.skip("GNN_L2O_DATA does not say where the census data is")
    inside = load("census").function.__globals__
    return inside["_load"](inside["_find"](None), part, True)


@pytest.mark.parametrize(("part", "lines"), [("train", A9A), ("test", A9A_TEST)])
def test_one_hot_census_is_a9a_line_by_line(part: str, lines: str) -> None:
    data, labels = one_hot(part)
    for line, row, label in zip(lines.split("\n")[1:-1], data, labels, strict=False):
        assert line.split() == [str(int(2 * label - 1)), *map(str, np.flatnonzero(row) + 1)]


def test_one_hot_census_is_a9a_in_its_totals() -> None:
    data, labels = one_hot("train")
    assert data.shape == (32_561, 123)
    assert set(np.unique(data)) == {0, 1}
    assert data.sum() == 451_592  # what the LIBSVM collection states of a9a
    assert labels.sum() == 7_841
    assert data.any(axis=0).all()
    test, test_labels = one_hot("test")
    assert test.shape == (16_281, 123)
    assert test_labels.sum() == 3_846
    assert np.flatnonzero(~test.any(axis=0)).tolist() == [122]  # nobody from the Netherlands: a9a.t has 122 columns


def test_one_hot_census_column_by_column() -> None:
    data, _ = one_hot("train")
    file = Path(os.environ["GNN_L2O_DATA"]) / "adult" / "adult_train.csv.gz"
    rows = [line.split(",") for line in gzip.decompress(file.read_bytes()).decode().splitlines()[1:]]
    missing = {1: 1836, 6: 1843, 13: 583}
    first = 0
    for k, width in enumerate(GROUPS):
        group, column = data[:, first : first + width], np.array([row[k].strip() for row in rows])
        first += width
        np.testing.assert_array_equal(group.sum(axis=1), column != "?")
        assert (column == "?").sum() == missing.get(k, 0)
        for c in range(width):  # rows with the same indicator have the same word, or numbers of one interval
            here, elsewhere = column[group[:, c] == 1], column[group[:, c] == 0]
            if not column[0].isdigit():
                assert len(set(here)) == 1
                assert not set(here) & set(elsewhere)
            elif c:
                assert here.astype(int).min() > column[group[:, c - 1] == 1].astype(int).max()
    counts = {word: int((data[:, c]).sum()) for word, c in (("Private", 5), ("White", 66), ("Male", 72), ("US", 82))}
    assert counts == {"Private": 22_696, "White": 27_816, "Male": 21_790, "US": 29_170}


def test_one_hot_census_is_a_parameter() -> None:
    problem = sample("census:onehot=true,samples=50,part=test", 4)
    assert problem.features.shape == (4, 50, 123)
    assert set(problem.features.unique().tolist()) == {0, 1}


def test_words_that_are_not_of_the_census_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not as published: unknown word 'Self-emp'; did you mean 'Self-emp-inc'"):
        sample(f"census:onehot=true,samples=3,path={write_census(tmp_path / 'census.csv')}", nodes=1)
