"""Files stay short, each with one job."""

from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
FOLDERS = ("gnn_l2o", "tests", "topologies", "datasets", "benchmarks", "examples", "docs/_ext")
LINES = 300
NOT_YET_SPLIT = {
    "tests/learned/test_l2o_scale.py",
    "tests/learned/test_learned_local_updates.py",
    "tests/learned/test_unrolled.py",
    "tests/training/test_training.py",
}


def files() -> list[str]:
    found = [*PROJECT.glob("*.py"), *PROJECT.glob("docs/*.py")]
    found += [path for folder in FOLDERS for path in (PROJECT / folder).rglob("*.py")]
    return sorted(path.relative_to(PROJECT).as_posix() for path in found)


def lines(file: str) -> int:
    return len((PROJECT / file).read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("file", [file for file in files() if file not in NOT_YET_SPLIT])
def test_no_file_is_long(file: str) -> None:
    assert lines(file) <= LINES, f"{file} has {lines(file)} lines; expected at most {LINES}, with one job"


@pytest.mark.parametrize("file", sorted(NOT_YET_SPLIT))
def test_what_is_not_yet_split_is_still_long(file: str) -> None:
    assert (PROJECT / file).exists(), f"{file} is gone; take it from the list"
    assert lines(file) > LINES, f"{file} has {lines(file)} lines; take it from the list"
