"""The objective at the worst node, and evaluations that count to it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gnn_l2o
from gnn_l2o._utils.errors import InputError
from gnn_l2o.evaluation import Plan, ranking
from gnn_l2o.evaluation.metrics import OptimalityGap, WorstNodeGap
from gnn_l2o.evaluation.reference import Reference
from gnn_l2o.problems import LeastSquares, Logistic, NeuralNetwork, Problem, Stochastic, solve
from gnn_l2o.problems.regularizers import L1, Box


def problem(kind: type[Any], sizes: Sequence[int], *, seed: int = 0, regularizer: Any = None) -> Any:
    """Return a problem whose nodes hold these numbers of samples."""
    random = np.random.default_rng(seed)
    features = [random.standard_normal((m, 4)) for m in sizes]
    targets = [(random.random(m) < 0.5).astype(float) for m in sizes]
    return kind.from_nodes(features, targets, L1(0.1) if regularizer is None else regularizer)


def by_loops(of: Problem, x: torch.Tensor) -> torch.Tensor:
    """Return F(x_i) of every node, one evaluation of the objective after another."""
    pairs = zip(x, of.batch, strict=True)
    return torch.stack([of.objective(point.expand(of.num_problems, -1))[k] for point, k in pairs])


@pytest.mark.parametrize("kind", [LeastSquares, Logistic])
def test_the_objective_at_the_nodes_is_that_of_each_point(kind: type[Any]) -> None:
    parts = [problem(kind, sizes, seed=k) for k, sizes in enumerate([(3, 5, 2), (4,), (1, 6)])]
    joined = kind.concatenate(parts)
    for of in (*parts, joined, joined.repeat(3), parts[0].repeat(2)):
        x = torch.randn(of.num_nodes, 4)
        torch.testing.assert_close(of.objective_at_nodes(x), by_loops(of, x))
        torch.testing.assert_close(Problem.objective_at_nodes(of, x), by_loops(of, x))
    noisy = Stochastic(parts[0], batch_size=1, seed=0)
    x = torch.randn(3, 4)
    torch.testing.assert_close(noisy.objective_at_nodes(x), by_loops(parts[0], x))
    assert parts[0].calls.gradients == 0


def test_the_worst_node_is_the_one_with_the_largest_objective() -> None:
    parts = [problem(LeastSquares, sizes, seed=k) for k, sizes in enumerate([(5, 5, 5), (6, 7)])]
    joined = LeastSquares.concatenate(parts)
    found = [solve(part) for part in parts]
    reference = Reference(
        joined, torch.cat([f.x for f in found]), torch.cat([f.value for f in found]), torch.zeros(5, 4)
    )
    x = torch.randn(5, 4)
    expected = torch.stack([by_loops(joined, x)[:3].max(), by_loops(joined, x)[3:].max()])
    gap = WorstNodeGap().values(reference, x)
    torch.testing.assert_close(gap, (expected - reference.value) / reference.gap_scale)
    assert (gap >= OptimalityGap().values(reference, x)).all()  # F is convex
    at_optimum = WorstNodeGap().values(reference, joined.spread(reference.solution))
    assert at_optimum.abs().max() < 1e-12


def test_a_node_outside_the_domain_is_infinitely_bad() -> None:
    boxed = problem(LeastSquares, (5, 5), regularizer=Box(-1.0, 1.0))
    found = solve(boxed)
    reference = Reference(boxed, found.x, found.value, torch.zeros(2, 4))
    x = torch.full((2, 4), 0.5)
    x[1] = -1.2  # the average is inside
    assert WorstNodeGap().values(reference, x).isinf().all() and OptimalityGap().values(reference, x).isfinite().all()


def test_without_a_minimum_there_is_no_worst_node(tmp_path: Path) -> None:
    shards = [(torch.randn(3, 2), torch.randint(2, (3,))) for _ in range(4)]
    network = NeuralNetwork.from_nodes(torch.nn.Linear(2, 2), torch.nn.functional.cross_entropy, shards)
    found = solve(network)
    assert not WorstNodeGap().applies(Reference(network, found.x, found.value, network.initial_point()))
    file = tmp_path / "nets.py"
    file.write_text(
        "import torch\n"
        "from gnn_l2o.problems import NeuralNetwork\n"
        "def sample(network, *, seed: int):\n"
        "    shards = [(torch.zeros(3, 2), torch.zeros(3, dtype=torch.long))] * network.num_nodes\n"
        "    return NeuralNetwork.from_nodes(torch.nn.Linear(2, 2), torch.nn.functional.cross_entropy, shards)\n"
    )
    with pytest.raises(InputError, match="the minimum is unknown; expected measure 'average'") as caught:
        gnn_l2o.evaluate(Plan(datasets=[str(file)], nodes=[4], algorithms=["prox_ed"], measure="worst"))
    assert caught.value.given["measure"] == "worst"
    with pytest.raises(InputError, match="unknown measure 'wurst'; did you mean 'worst'"):
        Plan(measure="wurst")


def test_evaluations_count_to_the_measure_that_is_asked_for() -> None:
    plan: dict[str, Any] = dict(
        datasets=["lasso:features=6,samples=4"], nodes=[5], algorithms=["prox_ed"], metrics=["consensus_error"]
    )
    plan |= dict(limits=[], instances=2, iterations=300, tuning_budget=6, tuning_instances=1)
    worst = gnn_l2o.evaluate(Plan(**plan, measure="worst"))
    (case,) = worst.cases
    for run in worst.runs:
        gaps = run.trace["worst_node_gap"]
        position = next(k for k, gap in enumerate(gaps) if gap <= 1e-4)
        assert run.reached_worst["1e-04"] is not None
        assert worst.needed(case, "prox_ed", 1e-4)[run.instance] == run.trace["rounds"][position]
        assert worst.needed(case, "prox_ed", 1e-4, measure="average")[run.instance] <= run.trace["rounds"][position]
    (row,) = ranking(worst, case).rows
    assert "rounds, average" in row and "of the worst node of 1e-4 / 1e-6" in ranking(worst, case).title
    # Tuning counted to the worst node: of its trials the first that reaches the tolerance there was chosen.
    average = gnn_l2o.evaluate(Plan(**{**plan, "metrics": ["worst_node_gap"]}))
    trials = [[t["rounds"] for t in found.tuning[0]["trials"]] for found in (worst, average)]
    assert trials[0] != trials[1]
