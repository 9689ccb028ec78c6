"""Evaluations on streams whose labels change, and the defaults of the command where neural networks are trained."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.cli.evaluate import main
from gnn_l2o.cli.evaluate_flags import FOR_NETWORKS, build_parser, parse
from gnn_l2o.decentralized import Tracked
from gnn_l2o.evaluation import Instance, Metrics, StreamLoss, Trace, measure
from gnn_l2o.evaluation.metrics import BUILT_IN, METRICS
from gnn_l2o.graph.build import build_network
from gnn_l2o.local_updates import Adam
from gnn_l2o.problems import NeuralNetwork, Stochastic, solve
from gnn_l2o.problems.permuted_labels import PermutedLabels
from tests.problems.small_networks import linear_layer
from tests.small_data import image_folder

EVERY, ITERATIONS = 60, 230  # so many that not every iteration is a checkpoint
STREAM = ["--dataset", "mlp:samples=4,test_samples=5,shrink=7", "--nodes", "4", "--batch_size", "2"]
STREAM += ["--permute_labels", "2", "--instances", "1", "--iterations", "3", "--limits", "none"]


def problem() -> PermutedLabels:
    torch.manual_seed(0)
    network = linear_layer().to(dtype=torch.float64)
    test = torch.randn(6, 3, dtype=torch.float64), torch.arange(6) % 5
    assert isinstance(network, NeuralNetwork)
    object.__setattr__(network, "tests", (test,))
    return PermutedLabels(network, batch_size=4, seed=7, every=EVERY)


def traced(stream: Stochastic, algorithm: Tracked) -> Trace:
    found = solve(stream)
    instance = Instance(stream, build_network("ring", 3), found.x, found.value)
    whole, network, x0 = instance.cast(torch.float64)
    metrics = Metrics(instance.reference(torch.float64), [METRICS[name]() for name in (*BUILT_IN, StreamLoss.name)])
    return measure(algorithm, whole, network, x0, metrics=metrics, iterations=ITERATIONS)


def test_a_stream_is_measured_by_the_loss_of_each_draw_before_its_step() -> None:
    algorithm, stream = Tracked(Adam(step_size=0.05)), problem()
    trace = traced(stream, algorithm)
    driver = Driver(algorithm, problem(), build_network("ring", 3), stream.initial_point())
    losses = []
    for k in range(1, ITERATIONS + 1):
        draw = Stochastic(stream.full, batch_size=4, seed=7).draw(k).drawn
        labels = stream.permutation(k)[draw.targets]
        with torch.no_grad():
            outputs = [stream.full.node_model(x, i)(draw.features[i]) for i, x in enumerate(driver.x)]
            each = [torch.nn.functional.cross_entropy(*pair) for pair in zip(outputs, labels, strict=True)]
            losses.append(float(sum(each)) / 3)
            driver.step()
    expected = [sum(losses[:k]) / k for k in trace.iteration[1:]]
    assert len(expected) < ITERATIONS
    assert trace.measures["stream_loss"][1:] == pytest.approx(expected)
    initial = float(stream.full.objective(stream.initial_point()[:1]))
    assert trace.measures["stream_loss"][0] == pytest.approx(initial)
    assert trace.optimality_gap[1:] == pytest.approx([value / initial for value in expected])


def test_measuring_a_stream_costs_nothing_and_leaves_the_run_alone() -> None:
    algorithm = Tracked(Adam(step_size=0.05))
    trace = traced(problem(), algorithm)
    driver = Driver(algorithm, problem(), build_network("ring", 3), problem().initial_point())
    driver.advance(ITERATIONS)
    assert trace.spent[-1] == driver.cost
    assert all(later > before for before, later in zip(trace.seconds, trace.seconds[1:], strict=False))


def test_what_labels_of_the_first_period_would_measure_is_left_out() -> None:
    stream = problem()
    fixed = Stochastic(stream.full, batch_size=4, seed=7)
    assert {"accuracy", "stream_loss"} & set(traced(stream, Tracked(Adam(step_size=0.05))).measures) == {"stream_loss"}
    assert {"accuracy", "stream_loss"} & set(traced(fixed, Tracked(Adam(step_size=0.05))).measures) == {"accuracy"}


def test_a_part_of_the_nodes_has_the_labels_of_the_whole() -> None:
    stream = problem()
    few = stream._over(stream.full.subsample(torch.zeros(3, 1, dtype=torch.long)))  # all samples are of class 0
    assert torch.equal(few.permutation(2 * EVERY), stream.permutation(2 * EVERY))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--algorithms", "prox_ed"], "--permute_labels 2: prox_ed cannot be tuned on labels that change; expected"),
        (["--permute_labels", "0"], "--permute_labels 0: expected at least 1, got 0"),
        (["--dataset", "lasso"], "--permute_labels 2: permuted labels need targets that are classes"),
    ],
)
def test_streams_that_cannot_be_evaluated_are_refused(
    more: list[str], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GNN_L2O_DATA", image_folder().name)
    with pytest.raises(SystemExit):
        main([*STREAM, "--model", "none", "--algorithms", "meta_adam", *more, "--output", str(tmp_path / "out")])
    assert message in capsys.readouterr().err


def test_labels_change_with_mini_batches_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--algorithms", "meta_adam", "--permute_labels", "3", "--output", str(tmp_path / "out")])
    assert "labels change from mini-batch to mini-batch; expected a batch_size" in capsys.readouterr().err


@pytest.mark.usefixtures("quick_figures")
def test_a_stream_is_evaluated_by_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GNN_L2O_DATA", image_folder().name)
    metrics = ["--metrics", "stream_loss", "--model", "tracked_adam:step_size=0.01", "--algorithms", "meta_adam"]
    assert main([*STREAM, *metrics, "--output", str(tmp_path / "out")]) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["settings"]["permute_labels"] == 2
    assert [len(run["trace"]["stream_loss"]) for run in results["runs"]] == [4, 4]
    assert "permuted after every 2 iterations" in (tmp_path / "out" / "report.md").read_text()


# Defaults


def chosen(*argv: str) -> dict[str, Any]:
    return {name: value for name, value in vars(parse(build_parser(), argv)).items() if name in FOR_NETWORKS}


def test_training_of_neural_networks_has_its_own_defaults() -> None:
    usual = chosen()
    assert all(usual[name] != value for name, value in FOR_NETWORKS.items())
    assert chosen("--dataset", "mlp:shrink=2") == FOR_NETWORKS
    assert chosen("--dataset", "mlp", "lenet", "--dtype", "float64") == {**FOR_NETWORKS, "dtype": "float64"}
    assert chosen("--dataset", "mlp", "--tolerance", "1e-3")["tolerance"] == [1e-3]
    for others in (["lasso"], ["mlp", "lasso"], ["no_such_dataset"]):
        assert chosen("--dataset", *others) == usual
