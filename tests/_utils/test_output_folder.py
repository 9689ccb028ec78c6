"""A folder is claimed by one process, and what others left in it is no obstacle."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from gnn_l2o._utils import files
from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.output_folder import claimed
from tests.cli.interruption.runs import Killed


def test_a_folder_is_claimed_by_one_process_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with claimed(folder):
        for _ in range(2):  # the first attempt leaves the owner's name there
            with pytest.raises(InputError, match=f"^process {os.getpid()} on .* writes into it; wait") as caught:
                with claimed(folder):
                    pass
            assert caught.value.given == {"output": folder}
        (folder / "results").touch()
    with claimed(folder):
        pass
    assert [path.name for path in folder.iterdir()] == ["results"]


def test_a_folder_into_which_nothing_was_written_is_not_left_behind(tmp_path: Path) -> None:
    with pytest.raises(Killed), claimed(tmp_path / "a" / "b"):
        raise Killed
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_deleted_and_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("process 1 on some machine")
    left = [tmp_path / f"{files.TEMPORARY}results.json", tmp_path / "figures" / f"{files.TEMPORARY}ring.png"]
    (tmp_path / "figures").mkdir()
    for path in left:
        path.touch()
    with claimed(tmp_path, "figures"):
        assert not any(path.exists() for path in left)


def test_a_folder_that_another_process_claimed_meanwhile_is_left_to_it(tmp_path: Path) -> None:
    folder, other = tmp_path / "out", ExitStack()
    with pytest.raises(InputError, match="deleted, moved or replaced"), claimed(folder):
        folder.rename(tmp_path / "elsewhere")
        other.enter_context(claimed(folder))
    with other:
        assert (folder / ".lock").exists()
