"""Bad input to the command of evaluation ends in one line, exit code 2 and nothing written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.cli.evaluate.flags import NONE, TINY, fails


@pytest.fixture
def in_file(tmp_path: Path) -> Callable[[str], str]:
    """Return what makes a dataset file with this body of ``sample``."""

    def make(body: str) -> str:
        path = tmp_path / "data.py"
        path.write_text(
            "import numpy as np\n"
            "from gnn_l2o.problems import LeastSquares\n"
            "from gnn_l2o.problems.regularizers import L1, GroupL1\n"
            "def sample(network, *, seed: int):\n"
            "    nodes = network.num_nodes\n"
            f"    {body}\n"
        )
        return str(path)

    return make


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--topology", "rng"], "--topology rng: unknown topology 'rng'; did you mean 'ring'?"),
        (["--dataset", "laso"], "--dataset laso: unknown dataset 'laso'; did you mean 'lasso'?"),
        (["--model", "milodo_gmn"], "--model milodo_gmn: unknown model 'milodo_gmn'"),
        (["--algorithms", "prox_e"], "--algorithms prox_e: unknown method 'prox_e'; did you mean"),
        (["--algorithms", "none", "prox_ed"], "--algorithms none: unknown method 'none'"),
        (["--mixing", "metropolys"], "--mixing metropolys: unknown mixing 'metropolys'; did you mean 'metropolis'?"),
        (["--dtype", "float16"], "argument --dtype: invalid choice: 'float16'"),
        (["--dataset", "lasso:feature=3"], "--dataset lasso:feature=3: unknown parameter of dataset lasso: 'feature'"),
        (["--dataset", "lasso:features=many"], "--dataset lasso:features=many: dataset lasso: features: expected int"),
        (["--topology", "erdos_renyi:p=2"], "--topology erdos_renyi:p=2 --nodes 4: p is a probability"),
        (["--topology", "ring:p=2"], "--topology ring:p=2: unknown parameter of topology ring"),
        (["--topology", "ring", "--nodes", "2"], "--topology ring --nodes 2: a ring needs at least 3 nodes, got 2"),
        (["--topology", "erdos_renyi:p=0"], "--topology erdos_renyi:p=0 --nodes 4: "),
        (["--nodes", "ten"], "argument --nodes: invalid int value: 'ten'"),
        (["--instances", "0"], "--instances 0: expected at least 1 and at most 1000, got 0"),
        (["--iterations", "0"], "--iterations 0: expected at least 1 and at most 1000000000, got 0"),
        (["--tuning_budget", "0"], "--tuning_budget 0: expected at least 1 and at most 100000, got 0"),
        (["--seed", "-1"], "--seed -1: expected at least 0, got -1"),
        (["--measure", "median"], "argument --measure: invalid choice: 'median'"),
        (["--tolerance", "0.5"], "argument --tolerance: invalid choice: 0.5"),
        (["--algorithms", "none"], "nothing to evaluate; expected a model or a method"),
        (["--faults", "drp=0.1"], "--faults drp=0.1: unknown fault 'drp'; did you mean 'drop'?"),
        (["--batch_size", "0"], "--batch_size 0: expected at least 1, got 0"),
        (["--references", "prox_e"], "--references prox_e: unknown method 'prox_e'; did you mean 'prox_ed'?"),
        (["--metrics", "gap"], "--metrics gap: unknown metric 'gap'"),
        (["--full"], "--full: needs a preset"),
        (["--quick"], "--quick: needs a preset"),
        (["--resume", "--overwrite"], "--resume: cannot be combined with overwrite"),
        (["--unknown"], "unrecognized arguments: --unknown"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    line = fails([*TINY, *NONE, "--output", str(out), *arguments], capsys)
    assert line.startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_a_network_in_parts_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adjacency = np.zeros((4, 4))
    adjacency[0, 1] = adjacency[1, 0] = adjacency[2, 3] = adjacency[3, 2] = 1
    np.save(tmp_path / "graph.npy", adjacency)
    topology = f"from_file:path={tmp_path / 'graph.npy'}"
    line = fails([*TINY, *NONE, "--topology", topology, "--output", str(tmp_path / "out")], capsys)
    assert line.startswith(f"--topology {topology} --nodes 4: ") and "parts" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "return LeastSquares.from_nodes([np.full((2, 3), np.nan)] * nodes, [np.ones(2)] * nodes, L1(0.1))",
            "features of node 0 hold nan",
        ),
        (
            "return LeastSquares.from_nodes([np.full((2, 3), 1e200)] * nodes, [np.ones(2) * 1e200] * nodes, L1(0.1))",
            "the losses are not finite at the initial point",
        ),
        (
            "return LeastSquares.from_nodes([np.ones((2, 3))] * 7, [np.ones(2)] * 7, L1(0.1))",
            "made losses for 7 nodes; the network has 4",
        ),
        (
            "return LeastSquares.from_nodes([np.ones((2, 3))] * nodes, [np.ones(3)] * nodes, L1(0.1))",
            "targets of node 0 must be (2), got (3)",
        ),
        (
            "return LeastSquares.from_nodes([np.ones((2, 3))] * nodes, [np.ones(2)] * nodes, GroupL1(0.1, 2))",
            "group_l1 with size=2 needs a multiple of it as dimension, got 3",
        ),
    ],
    ids=["not a number", "overflow", "other nodes", "other samples", "other groups"],
)
def test_bad_data_is_refused(
    body: str, message: str, in_file: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = in_file(body)
    line = fails([*TINY, *NONE, "--dataset", dataset, "--output", str(tmp_path / "out")], capsys)
    assert line.startswith(f"--dataset {dataset}: {message}")
    assert not (tmp_path / "out").exists()


def test_bad_weights_are_refused(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*TINY, "--model", str(model), "--output", str(tmp_path / "out")]
    weights, recipe = model / "weights.safetensors", model / "recipe.toml"
    good = weights.read_bytes()

    weights.write_bytes(good[: len(good) // 2])
    corrupt = fails(arguments, capsys)
    weights.write_bytes(good)
    recipe.write_text("[architecture]\nhidden_features = 5\n")
    differing = fails(arguments, capsys)
    recipe.write_text("[architecture]\nhidden_features = 4\n")
    torch.save({"weight": torch.zeros(3)}, weights)
    foreign = fails(arguments, capsys)
    weights.unlink()
    missing = fails(arguments, capsys)
    for line in (corrupt, differing, foreign, missing):
        assert line.startswith(f"--model {model}: ")
    assert "hidden_features" in differing
    assert not (tmp_path / "out").exists()


def test_two_models_of_one_name_are_refused(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = fails([*TINY, "--model", str(model), str(model)], capsys)
    assert line == f"--model {model}: two algorithms are called 'mine'; expected different names"
