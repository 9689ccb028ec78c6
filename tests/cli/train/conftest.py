import json

import pytest
import torch

STAGES = [{"lr": 0.001, "truncation_length": 2, "iterations": 4, "epochs": 1}]


@pytest.fixture(autouse=True)
def single_precision():
    torch.set_default_dtype(torch.float32)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def command(tmp_path):
    """A command that trains for a moment."""
    stages = tmp_path / "stages.json"
    stages.write_text(json.dumps(STAGES))
    return [
        *("--dataset", "lasso:features=6,samples=4", "--topology", "ring", "star", "--nodes", "3", "5"),
        *("--problems", "4", "--validation_problems", "2", "--validation_iterations", "5", "--batch_size", "2"),
        *("--hidden_features", "4", "--warmup", "2", "--stages_config", str(stages), "--threads", "1"),
    ]
