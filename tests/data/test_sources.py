"""The cache of what is computed from files."""

from pathlib import Path

import numpy as np
import pytest

from gnn_l2o.data import sources


def test_a_cache_that_is_broken_is_made_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path))
    made = sources.recall("thing", 1, lambda: {"a": np.arange(3)})
    np.testing.assert_array_equal(sources.recall("thing", 1, dict)["a"], made["a"])
    assert sources.recall("thing", 2, dict) == {}
    for file in (tmp_path / "data").iterdir():
        file.write_bytes(b"PK broken")
    with pytest.warns(UserWarning, match="computed again"):
        assert sources.recall("thing", 1, lambda: {"a": np.arange(4)})["a"].size == 4


def test_a_cache_that_cannot_be_written_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cannot be cached"):
        assert sources.recall("thing", 1, lambda: {"a": np.arange(3)})["a"].size == 3
