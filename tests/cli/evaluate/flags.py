"""Flags of a small evaluation, and what the command says of bad ones."""

import pytest

from gnn_l2o.cli.evaluate import main

TINY = [
    *("--dataset", "lasso:features=6,samples=4", "--nodes", "4"),
    *("--instances", "1", "--iterations", "30", "--limits", "none"),
]
TUNED = ["--tuning_budget", "4", "--tuning_instances", "1"]
NONE = ["--model", "none"]
ED = ["--algorithms", "prox_ed"]


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run the command and return the one line that says what is wrong."""
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    [line] = err.strip().split("\n")
    assert line.startswith("evaluate.py: error: ")
    return line.removeprefix("evaluate.py: error: ")
