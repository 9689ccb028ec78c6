"""Random command lines and damaged files end well or in one line; and the judge of these calls can tell."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fuzz import COMMANDS, Outcome, call, calls, surroundings
from benchmarks.fuzz_files import DAMAGES, FILES, Damage


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with surroundings(tmp_path):
        yield tmp_path


@pytest.mark.usefixtures("quick_figures")
@pytest.mark.parametrize(("lines", "files"), [(120, 0), (0, len(FILES))], ids=["lines", "files"])
def test_every_call_ends_well_or_in_one_line(lines: int, files: int, folder: Path) -> None:
    outcomes = [
        (command, arguments, call(command, arguments, output))
        for command, arguments, output in calls(lines, files, 0, folder)
    ]
    faults = [f"{command} {arguments}: {o.fault}" for command, arguments, o in outcomes if o.fault]
    assert not faults, "\n\n".join(faults)
    ended = [outcome.code for _, _, outcome in outcomes]
    assert ended.count(2) > len(ended) / 2 and 0 in ended  # the lines are wrong, but not all for one reason
    assert len({outcome.line[:60] for _, _, outcome in outcomes}) > len(ended) / 4


def error(command: str) -> None:
    sys.stderr.write(f"{command}: error: wrong\n")
    raise SystemExit(2)


def with_a_warning_behind(output: Path) -> None:
    with pytest.raises(SystemExit):
        error("evaluate.py")
    sys.stderr.write("more\n")
    raise SystemExit(2)


def with_a_table(output: Path) -> None:
    sys.stdout.write("a table\n")
    error("evaluate.py")


def beside_the_output(output: Path) -> int:
    (output.parent / "left").touch()
    return 0


def temporary_in_the_output(output: Path) -> int:
    output.mkdir()
    (output / ".results.x.json").touch()
    return 0


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        (lambda output: 1 / 0, "ZeroDivisionError"),
        (lambda output: 3, "exit code 3"),
        (lambda output: sys.exit(2), "exit code 2 with the errors ''"),
        (lambda output: error("train_gnn.py"), "exit code 2 with the errors"),
        (with_a_warning_behind, "exit code 2 with the errors"),
        (with_a_table, "on stdout"),
        (beside_the_output, "left behind"),
        (temporary_in_the_output, "left behind"),
    ],
)
def test_calls_that_end_badly_are_noticed(
    command: Callable[[Path], int], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COMMANDS, "evaluate.py", lambda arguments: command(Path(arguments[-1])))
    assert fault in call("evaluate.py", [], tmp_path / "out").fault


def test_calls_that_end_well_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "evaluate.py", lambda arguments: error("evaluate.py"))
    assert call("evaluate.py", [], tmp_path / "out") == Outcome(2, "", "evaluate.py: error: wrong")
    monkeypatch.setitem(COMMANDS, "evaluate.py", lambda arguments: Path(arguments[-1]).mkdir() or 0)
    assert call("evaluate.py", [], tmp_path / "out") == Outcome(0, "")


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_damage_changes_a_file(damage: Damage) -> None:
    random = np.random.default_rng(0)
    for content in (b'{"a": 1.5}', bytes(range(256))):
        assert damage(content, random) != content
