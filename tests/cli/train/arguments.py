"""Arguments of the command of training, and what it says of bad ones."""

import pytest

from gnn_l2o.cli.train import build_parser, main
from gnn_l2o.cli.training_configuration import configuration


def without(argv, *flags):
    """Return a command without these flags and their values."""
    return [a for k, a in enumerate(argv) if a not in flags and (k == 0 or argv[k - 1] not in flags)]


def refused(capsys, argv):
    """Run the script on bad input; return its one line."""
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    *progress, line = err.strip().splitlines()
    assert line.startswith("train_gnn.py: error: ") and "Traceback" not in err and not out
    assert not any("usage: " in said or "error: " in said for said in progress)
    return line.removeprefix("train_gnn.py: error: ")


def settings(argv):
    return configuration(build_parser().parse_args(argv))
