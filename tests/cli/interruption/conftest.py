import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.kills import content
from gnn_l2o.cli import train
from tests.cli.interruption.runs import EVALUATION, STAGES, Main

WHOLE: dict[Main, dict[str, bytes]] = {}


@pytest.fixture(autouse=True)
def as_a_command_finds_it(quick_figures: None) -> Iterator[None]:
    torch.set_default_dtype(torch.float32)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def training(tmp_path: Path) -> list[str]:
    """Return the arguments of a training of a moment."""
    (tmp_path / "stages.json").write_text(json.dumps(STAGES))
    return [
        *("--dataset", "lasso:features=6,samples=4", "--nodes", "3", "--problems", "4", "--validation_problems", "1"),
        *("--validation_iterations", "5", "--batch_size", "2", "--hidden_features", "4", "--warmup", "2"),
        *("--stages_config", str(tmp_path / "stages.json")),
    ]


@pytest.fixture
def whole(training: list[str], tmp_path: Path) -> Callable[[Main], dict[str, bytes]]:
    """Return what makes the content of a folder after an undisturbed run of a command."""

    def run(main: Main) -> dict[str, bytes]:
        if main not in WHOLE:
            argv = training if main is train.main else EVALUATION
            assert main([*argv, "--output", str(tmp_path / "whole")]) == 0
            WHOLE[main] = content(tmp_path / "whole")
        return WHOLE[main]

    return run
