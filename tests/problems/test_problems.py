"""Losses, their derivatives and the ways to join them, against loops written from the equations."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems import LeastSquares, LinearModel, Logistic, Problem
from gnn_l2o.problems.regularizers import L1, ElasticNet, Regularizer, Zero

KINDS: list[type[LinearModel]] = [LeastSquares, Logistic]
DIM = 5
UNEVEN = (4, 1, 7)
MANY = (9, 8, 9)  # more samples than coordinates


@pytest.fixture(params=[(kind, counts) for kind in KINDS for counts in (UNEVEN, MANY)], ids=str)
def problem(request: pytest.FixtureRequest) -> LinearModel:
    return make(*request.param)


def node_data(kind: type[LinearModel], counts: Sequence[int], seed: int = 0) -> tuple[list[np.ndarray], ...]:
    generator = np.random.default_rng(seed)
    features = [generator.standard_normal((m, DIM)) for m in counts]
    targets = [generator.standard_normal(m) for m in counts]
    return features, [(t > 0) * 1.0 for t in targets] if kind is Logistic else targets


def make(kind: type[LinearModel], counts: Sequence[int], seed: int = 0, regularizer: Regularizer | None = None):
    return kind.from_nodes(*node_data(kind, counts, seed), regularizer or L1(0.3))


def loop(problem: LinearModel, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The losses and gradients of all nodes, sample by sample, from He et al. 2024, E.2."""
    losses, gradients = [], []
    for i in range(x.size(0)):
        m = int(problem.count[i])
        loss, gradient = 0.0, np.zeros(x.size(1))
        for a, b in zip(problem.features[i, :m].numpy(), problem.targets[i, :m].numpy(), strict=True):
            t = float(a @ x[i].detach().numpy())
            if isinstance(problem, Logistic):
                loss += b * math.log(1 + math.exp(-t)) + (1 - b) * math.log(1 + math.exp(t))
                gradient += (1 / (1 + math.exp(-t)) - b) * a
            else:
                loss += 0.5 * (t - b) ** 2
                gradient += (t - b) * a
        losses.append(loss / m)
        gradients.append(gradient / m)
    return np.array(losses)[:, None], np.array(gradients)


def same_problem(joined: LinearModel, separate: Sequence[LinearModel]) -> None:
    """Assert that a batch is the problems it was joined from, side by side."""
    nodes = [p.num_nodes for p in separate]
    x, center = torch.randn(sum(nodes), DIM), torch.randn(len(separate), DIM)
    assert (joined.num_nodes, joined.num_problems, joined.dim) == (sum(nodes), len(separate), DIM)
    for name in ("loss", "gradient"):
        parts = [getattr(p, name)(part) for p, part in zip(separate, x.split(nodes), strict=True)]
        torch.testing.assert_close(getattr(joined, name)(x), torch.cat(parts))
    for name in ("objective", "optimality"):
        parts = [getattr(p, name)(part) for p, part in zip(separate, center.split(1), strict=True)]
        torch.testing.assert_close(getattr(joined, name)(center), torch.cat(parts))
    for step in (0.7, torch.rand(sum(nodes), DIM)):
        steps = step.split(nodes) if isinstance(step, Tensor) else [step] * len(nodes)
        parts = [p.prox(part, s) for p, part, s in zip(separate, x.split(nodes), steps, strict=True)]
        torch.testing.assert_close(joined.prox(x, step), torch.cat(parts))
    torch.testing.assert_close(joined.smoothness(), torch.cat([p.smoothness() for p in separate]))
    torch.testing.assert_close(joined.average(x), torch.cat([part.mean(0, keepdim=True) for part in x.split(nodes)]))
    free = torch.tensor([0, 3])
    for k, p in enumerate(separate):
        torch.testing.assert_close(joined.hessian(center[k], k, free), p.hessian(center[k], 0, free))


# Values and derivatives


def test_loss_and_gradient_agree_with_the_sums_written_out(problem: LinearModel) -> None:
    x = torch.randn(3, DIM)
    loss, gradient = loop(problem, x)
    np.testing.assert_allclose(problem.loss(x), loss, rtol=1e-12)
    np.testing.assert_allclose(problem.gradient(x), gradient, rtol=1e-12, atol=1e-14)


def test_gradient_is_the_derivative_of_the_loss(problem: LinearModel) -> None:
    x = torch.randn(3, DIM, requires_grad=True)
    torch.testing.assert_close(problem.gradient(x), torch.autograd.grad(problem.loss(x).sum(), x)[0])


def test_gradient_is_differentiable(problem: LinearModel) -> None:
    x = torch.randn(3, DIM, requires_grad=True)
    assert torch.autograd.gradcheck(problem.gradient, x)


def test_objective_is_the_mean_loss_plus_the_regularizer(problem: LinearModel) -> None:
    x = torch.randn(1, DIM)
    expected = loop(problem, x.expand(3, -1))[0].mean() + 0.3 * float(x.abs().sum())
    np.testing.assert_allclose(problem.objective(x), [expected], rtol=1e-12)


def test_hessian_is_that_of_the_average_loss(problem: LinearModel) -> None:
    x, free = torch.randn(DIM), torch.tensor([0, 2, 3])
    dense = torch.func.hessian(lambda u: problem.loss(problem.spread(u.unsqueeze(0))).mean())(x)
    torch.testing.assert_close(problem.hessian(x, 0, free), dense[free][:, free])


def test_smoothness_is_the_largest_eigenvalue_of_the_hessian_at_its_largest(problem: LinearModel) -> None:
    bound = 0.25 if isinstance(problem, Logistic) else 1.0
    expected = [
        bound * np.linalg.svd(problem.features[i, :m].numpy(), compute_uv=False)[0] ** 2 / m
        for i, m in enumerate(problem.count.flatten().tolist())
    ]
    np.testing.assert_allclose(problem.smoothness().flatten(), expected, rtol=1e-12)


def test_logistic_loss_is_exact_far_from_the_boundary() -> None:
    problem = Logistic.from_nodes([[[1.0]], [[1.0]]], [[1], [0]], Zero())
    x = torch.tensor([[800.0], [800.0]])
    assert problem.loss(x).flatten().tolist() == [0.0, 800.0]
    assert problem.loss(-x).flatten().tolist() == [800.0, 0.0]
    assert problem.gradient(-x).flatten().tolist() == [-1.0, 0.0]
    np.testing.assert_allclose(problem.loss(torch.full((2, 1), 30.0)).flatten()[0], math.exp(-30), rtol=1e-12)


# Nodes with different numbers of samples


def test_padding_contributes_nothing(problem: LinearModel) -> None:
    junk = torch.arange(problem.features.size(1)) >= problem.count  # (N, m)
    junk_features = torch.where(junk.unsqueeze(2), 7.0, problem.features)
    junked = dataclasses.replace(problem, features=junk_features, targets=torch.where(junk, 1.0, problem.targets))
    assert junk.any()
    same_problem(junked, [problem])


# Joining and moving problems


@pytest.mark.parametrize("kind", KINDS)
def test_concatenated_problems_are_the_separate_ones(kind: type[LinearModel]) -> None:
    separate = [make(kind, UNEVEN, seed=1), make(kind, (3, 3), seed=2, regularizer=L1(0.9)), make(kind, MANY, seed=3)]
    same_problem(kind.concatenate(separate), separate)


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_problems_are_the_same_one_and_share_its_data(kind: type[LinearModel]) -> None:
    separate = [make(kind, UNEVEN, seed=1, regularizer=L1(0.1)), make(kind, (3, 3), seed=2)]
    once = kind.concatenate(separate)
    repeated = once.repeat(3)
    same_problem(repeated, separate * 3)
    assert repeated.features.data_ptr() == once.features.data_ptr()
    same_problem(repeated.repeat(2), separate * 6)
    same_problem(kind.concatenate([repeated, separate[0]]), [*separate * 3, separate[0]])


def test_gradient_of_repeated_problems_is_differentiable() -> None:
    problem = make(LeastSquares, UNEVEN).repeat(2)
    assert torch.autograd.gradcheck(problem.gradient, torch.randn(6, DIM, requires_grad=True))


def test_to_changes_the_type_of_all_real_numbers(problem: LinearModel) -> None:
    regularizer = ElasticNet(torch.full((1, 1), 0.2), 0.1)
    single = dataclasses.replace(problem, regularizer=regularizer).to(dtype=torch.float32)
    x = torch.randn(3, DIM)
    for value in (single.gradient(x.float()), single.loss(x.float()), single.prox(x.float(), 0.5), single.smoothness()):
        assert value.dtype == torch.float32
    torch.testing.assert_close(single.gradient(x.float()).double(), problem.gradient(x), rtol=1e-4, atol=1e-5)
    assert single.to(dtype=torch.float64).gradient(x).dtype == torch.float64


def test_double_precision_does_not_depend_on_the_default_type(problem: LinearModel) -> None:
    x = torch.randn(3, DIM)
    gradient, loss = problem.gradient(x), problem.loss(x)
    torch.set_default_dtype(torch.float32)
    again = make(type(problem), problem.count.flatten().tolist())
    assert torch.equal(again.gradient(x), gradient)
    assert torch.equal(again.loss(x), loss)


# Bad data


@pytest.mark.parametrize(
    ("features", "targets", "message"),
    [
        ([], [], "got 0 and 0 arrays"),
        ([[[1.0]]], [[1.0], [1.0]], "got 1 and 2 arrays"),
        ([[1.0]], [[1.0]], r"features of node 0 must be \(samples, coordinates\), got \(1\)"),
        ([[[1.0, 2.0]], [[1.0]]], [[1.0], [1.0]], r"features of node 1 must be \(samples, 2\), got \(1, 1\)"),
        ([[[1.0]], np.zeros((0, 1))], [[1.0], []], r"features of node 1 must be \(samples, 1\), got \(0, 1\)"),
        ([[[1.0]]], [[1.0, 2.0]], r"targets of node 0 must be \(1\), got \(2\)"),
        ([[[1.0]], [[math.nan]]], [[1.0], [1.0]], "features of node 1 hold nan; expected finite numbers"),
        ([[[1.0]], [[1.0]]], [[1.0], [math.inf]], "targets of node 1 hold inf; expected finite numbers"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_bad_data_is_refused(kind: type[LinearModel], features: list, targets: list, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        kind.from_nodes(features, targets, L1(0.1))
    assert "\n" not in str(error.value)


def test_labels_are_zero_or_one() -> None:
    with pytest.raises(InputError, match="labels must be 0 or 1, got -1 at node 1"):
        Logistic.from_nodes([[[1.0]], [[1.0]]], [[1], [-1]], Zero())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": torch.zeros(3, 7)}, r"features must be \(nodes, samples, coordinates\), got \(3, 7\)"),
        ({"targets": torch.zeros(3, 6)}, r"targets must be \(3, 7\), got \(3, 6\)"),
        ({"count": torch.ones(2, 1)}, r"count must be \(3, 1\), got \(2, 1\)"),
        ({"count": torch.tensor([[4], [0], [7]])}, r"must hold 1 to 7 samples, got count=\[4, 0, 7\]"),
        ({"count": torch.tensor([[4], [1], [8]])}, r"must hold 1 to 7 samples, got count=\[4, 1, 8\]"),
        ({"batch": torch.zeros(6, dtype=torch.long)}, r"batch must be \(3\), got \(6\)"),
    ],
)
def test_tensors_that_do_not_go_together_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataclasses.replace(make(LeastSquares, UNEVEN), **changes)


def test_problems_that_do_not_go_together_are_refused() -> None:
    one = LeastSquares.from_nodes([[[1.0]]], [[1.0]], L1(0.1))
    with pytest.raises(InputError, match="kinds LeastSquares and Logistic cannot be joined in one batch"):
        LeastSquares.concatenate([make(LeastSquares, UNEVEN), make(Logistic, UNEVEN)])
    with pytest.raises(InputError, match="problems with 1 and 5 coordinates cannot be joined in one batch"):
        LeastSquares.concatenate([make(LeastSquares, UNEVEN), one])
    with pytest.raises(InputError, match="regularizers ElasticNet and L1 cannot be joined in one batch"):
        LeastSquares.concatenate([make(LeastSquares, UNEVEN), make(LeastSquares, UNEVEN, regularizer=ElasticNet(1, 1))])


@pytest.mark.parametrize("copies", [1, 2])
def test_mean_curvature_is_the_mean_eigenvalue_of_the_hessian(copies: int) -> None:
    random = np.random.default_rng(0)
    features = [random.standard_normal((m, 4)) for m in (3, 5, 2)]
    problem = LeastSquares.from_nodes(features, [np.zeros(len(a)) for a in features], Zero()).repeat(copies)
    expected = [[np.trace(a.T @ a / len(a)) / 4] for a in features] * copies
    torch.testing.assert_close(problem.mean_curvature(), torch.tensor(expected))


def test_mean_curvature_is_estimated_where_it_is_not_known() -> None:
    diagonal = np.diag([1.0, 2.0, 3.0])  # from one vector of signs the estimate of a diagonal matrix is exact
    problem = LeastSquares.from_nodes([diagonal, 2 * diagonal], [np.ones(3), np.zeros(3)], Zero())
    estimate = Problem.mean_curvature(problem)
    torch.testing.assert_close(estimate, problem.mean_curvature(), rtol=1e-6, atol=0)
    assert problem.calls.gradients == 0
