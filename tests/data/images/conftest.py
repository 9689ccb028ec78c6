from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.images.files import forget


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("mnist", "cifar10"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("GNN_L2O_DATA", str(tmp_path))
    return tmp_path
