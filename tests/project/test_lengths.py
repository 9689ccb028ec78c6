"""Files stay short, each with one job."""

from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
FOLDERS = ("gnn_l2o", "tests", "topologies", "datasets", "benchmarks", "examples", "docs/_ext")
LINES = 300


def files() -> list[str]:
    found = [*PROJECT.glob("*.py"), *PROJECT.glob("docs/*.py")]
    found += [path for folder in FOLDERS for path in (PROJECT / folder).rglob("*.py")]
    return sorted(path.relative_to(PROJECT).as_posix() for path in found)


def lines(file: str) -> int:
    return len((PROJECT / file).read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("file", files())
def test_no_file_is_long(file: str) -> None:
    assert lines(file) <= LINES, f"{file} has {lines(file)} lines; expected at most {LINES}, with one job"
