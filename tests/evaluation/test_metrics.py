"""Metrics: their formulas, what diverged, the precision, and those of users."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.evaluation import Instance, Metric, Metrics, Reference
from gnn_l2o.evaluation.metrics import Accuracy, OptimalityGap
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import LeastSquares, NeuralNetwork, solve
from gnn_l2o.problems.regularizers import L1, Box
from tests.evaluation.small_instances import instance, measured


def test_optimality_gap_and_consensus_are_what_their_formulas_say() -> None:
    on, x = instance(), torch.randn(5, 4)
    a, b = on.problem.features.numpy(), on.problem.targets.numpy()

    def objective(point: np.ndarray) -> float:
        fits = [((a_i @ point - b_i) ** 2).sum() / (2 * len(b_i)) for a_i, b_i in zip(a, b, strict=True)]
        return float(np.mean(fits) + 0.1 * np.abs(point).sum())

    mean, best = x.numpy().mean(axis=0), on.solution.numpy()[0]
    gap = (objective(mean) - objective(best)) / (objective(np.zeros(4)) - objective(best))
    consensus = np.linalg.norm(x.numpy() - mean) / (np.sqrt(5) * np.linalg.norm(best))
    found = measured(on, x)
    assert found.gap.item() == pytest.approx(gap, rel=1e-12)
    assert found.consensus.item() == pytest.approx(consensus, rel=1e-12)
    assert not found.diverged.item()


def test_problems_side_by_side_are_measured_one_by_one() -> None:
    parts = [instance(1, nodes=4), instance(2, nodes=6)]
    x = torch.randn(10, 4)
    together = measured(Instance.concatenate(parts), x)
    for k, (part, rows) in enumerate(zip(parts, (x[:4], x[4:]), strict=True)):
        alone = measured(part, rows)
        assert together.gap[k] == pytest.approx(alone.gap.item(), rel=1e-12)
        assert together.consensus[k] == pytest.approx(alone.consensus.item(), rel=1e-12)


def test_a_start_that_is_optimal_or_infeasible_is_no_reference_scale() -> None:
    at_zero = instance(regularizer=L1(100.0))  # x* = 0 = x0
    assert at_zero.solution.abs().max() == 0
    x = torch.ones(5, 4)
    found = measured(at_zero, x)
    excess = at_zero.problem.objective(torch.ones(1, 4)) - at_zero.value
    assert found.gap.item() == pytest.approx((excess / at_zero.value.abs().clamp(min=1)).item())
    apart = torch.randn(5, 4)
    absolute = (apart - apart.mean(dim=0)).norm() / 5**0.5
    assert measured(at_zero, apart).consensus.item() == pytest.approx(absolute.item())

    outside = instance(regularizer=Box(1.0, 2.0))
    feasible = measured(outside, torch.full((5, 4), 1.5)).gap
    assert torch.isfinite(feasible).all() and (feasible > 0).all()


def test_divergence_is_told_from_leaving_the_domain() -> None:
    outside = measured(instance(regularizer=Box(-1.0, 1.0)), torch.full((5, 4), 1.1))
    assert torch.isinf(outside.gap).all() and not outside.diverged.any()
    for bad in (float("nan"), float("inf"), 1e6, 1e200):
        assert measured(instance(), torch.full((5, 4), bad)).diverged.all(), bad
    problem = LeastSquares.from_nodes([[[2.0, 2.0]]], [[1.0]], L1(0.1))
    alone = Instance(problem, Network.from_edges([], 1), torch.zeros(1, 2), torch.zeros(1))
    overflow = measured(alone, torch.tensor([[1e308, -1e308]]))  # inf - inf
    assert overflow.gap.isnan().all() and overflow.diverged.all()


def test_single_precision_is_measured_in_double() -> None:
    on, x = instance(), torch.randn(5, 4).float()
    single, double = measured(on, x, torch.float32).gap, measured(on, x.double()).gap
    assert single.dtype == torch.float64
    torch.testing.assert_close(single, double)


def test_what_has_no_optimum_is_measured_in_the_precision_of_the_run() -> None:
    shards = [(torch.randn(3, 2), torch.randint(2, (3,))) for _ in range(4)]
    problem = NeuralNetwork.from_nodes(torch.nn.Linear(2, 2), torch.nn.functional.cross_entropy, shards)
    found = solve(problem)
    on, x = Instance(problem, Network.from_edges([(0, 1), (1, 2), (2, 3)], 4), found.x, found.value), torch.randn(4, 6)
    single, double = (measured(on, x, dtype).gap for dtype in (torch.float32, torch.float64))
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=0)


class Support(Metric):
    """A user's metric."""

    name = "support"
    label = "nonzero coordinates"

    def values(self, reference: Reference, x: Tensor) -> Tensor:
        return (reference.problem.average(x) != 0).sum(dim=1)


class Scalar(Support):
    def values(self, reference: Reference, x: Tensor) -> Tensor:
        return super().values(reference, x)[0]


def test_metrics_of_users_are_measured_and_must_have_a_value_for_each_problem() -> None:
    on, x = instance(), torch.zeros(5, 4)
    x[0, 0], x[1, 2], x[2, 3], x[3, 3] = 1.0, 1.0, 1.0, -1.0
    found = Metrics(on.reference(torch.float64), [OptimalityGap(), Support()])(x)
    assert list(found) == ["optimality_gap", "support"] and found["support"].tolist() == [2]
    with pytest.raises(InputError, match=r"metric 'support' needs a value for each problem, shape \(1,\); got \(\)"):
        Metrics(on.reference(torch.float64), [Scalar()])(x)


def test_the_accuracy_is_measured_where_there_are_test_samples() -> None:
    shards = [(torch.randn(3, 2), torch.randint(2, (3,))) for _ in range(4)]
    make: Any = NeuralNetwork.from_nodes
    tested, untested = (
        make(torch.nn.Linear(2, 2), torch.nn.functional.cross_entropy, shards, test=test) for test in (shards[0], None)
    )
    for problem, names in ((tested, ["accuracy"]), (untested, [])):
        found = solve(problem)
        reference = Reference(problem, found.x, found.value, problem.initial_point())
        assert list(Metrics(reference, [Accuracy()])(torch.randn(4, 6))) == names
