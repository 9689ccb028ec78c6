"""Local solves against certificates, scikit-learn, scipy and dense linear algebra."""

import itertools
import math
import warnings

import numpy as np
import pytest
import scipy.optimize
import torch
from sklearn.linear_model import Lasso
from torch import Tensor

from gnn_l2o.problems import L1, Box, ElasticNet, GroupL1, LeastSquares, Logistic, Problem, Regularizer, Zero
from gnn_l2o.problems.linear_model import LinearModel

REGULARIZERS = {
    "zero": Zero(),
    "l1": L1(0.1),
    "elastic net": ElasticNet(0.1, 0.3),
    "box": Box(-0.2, 0.3),
    "non-negative": Box(0.0, math.inf),
    "group l1": GroupL1(0.1, size=2),
}
SIZES = {"few samples": ((3, 5), 8), "many samples": ((9, 12), 4), "one sample": ((1, 1), 4)}
KINDS = {"least squares": LeastSquares, "logistic": Logistic}
WEIGHTS = {
    "number": 0.3,
    "node": torch.tensor([[0.05], [2.0]], dtype=torch.float64),
    "coordinate": None,
}


def sample(
    kind: type[LinearModel], counts: tuple[int, ...], dim: int, regularizer: Regularizer, seed: int = 0
) -> LinearModel:
    random = np.random.default_rng(seed)
    features = [random.standard_normal((m, dim)) for m in counts]
    targets = [random.standard_normal(m) for m in counts]
    return kind.from_nodes(features, [t > 0 for t in targets] if kind is Logistic else targets, regularizer)


def weight_for(problem: Problem, shape: str) -> Tensor | float:
    if shape == "coordinate":
        return 10 ** (3 * torch.rand(problem.num_nodes, problem.dim) - 2)
    return WEIGHTS[shape]  # type: ignore[return-value]


def relative_residual(problem: Problem, center: Tensor, weight: Tensor | float, x: Tensor) -> float:
    gradient, metric = problem.local_gradient(x), weight * (x - center)
    residual = problem.node_regularizer.min_norm_subgradient(x, gradient + metric).norm(dim=1)
    rounding = 1e-15 * (problem.smoothness().squeeze(1) * x.norm(dim=1) + (weight * center).norm(dim=1))
    return float(((residual - rounding) / (gradient.norm(dim=1) + metric.norm(dim=1))).max())


def points(problem: Problem) -> tuple[Tensor, Tensor]:
    return torch.randn(problem.num_nodes, problem.dim), torch.randn(problem.num_nodes, problem.dim)


@pytest.mark.parametrize("shape", WEIGHTS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("r", REGULARIZERS.values(), ids=REGULARIZERS)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_optimality_condition_holds(kind: type[LinearModel], r: Regularizer, size: str, shape: str) -> None:
    problem = sample(kind, *SIZES[size], r)
    center, start = points(problem)
    weight = weight_for(problem, shape)
    x = problem.local_solve(center, weight, start)
    assert relative_residual(problem, center, weight, x) < 2e-12
    assert problem.calls.solves == 1
    assert problem.calls.solve_gradients > 0
    assert problem.calls.gradients == problem.calls.proxes == 0
    again = problem.local_solve(center, weight, x)
    torch.testing.assert_close(again, x, rtol=1e-10, atol=1e-10)


def test_lasso_is_that_of_scikit_learn() -> None:
    problem = sample(LeastSquares, (4, 9), 6, L1(0.2))
    center, start = points(problem)
    weight = 0.1 + torch.rand(2, 6)
    x = problem.local_solve(center, weight, start)
    for i, m in enumerate((4, 9)):
        # ||A x - b||^2 / 2m + ||x - c||^2_W / 2 is the loss of more samples: the rows sqrt(m w_k) e_k
        root = (m * weight[i]).sqrt()
        a = torch.cat([problem.features[i, :m], root.diag()]).numpy()
        b = torch.cat([problem.targets[i, :m], root * center[i]]).numpy()
        lasso = Lasso(alpha=0.2 * m / len(b), fit_intercept=False, tol=1e-14, max_iter=100_000).fit(a, b)
        np.testing.assert_allclose(x[i].numpy(), lasso.coef_, rtol=1e-9, atol=1e-11)


def test_logistic_regression_is_that_of_scipy() -> None:
    problem = sample(Logistic, (5, 9), 4, Box(-0.2, 0.3))
    center, start = points(problem)
    weight = 0.1 + torch.rand(2, 4)
    x = problem.local_solve(center, weight, start)
    for i, m in enumerate((5, 9)):
        a, b = problem.features[i, :m].numpy(), problem.targets[i, :m].numpy()
        c, w = center[i].numpy(), weight[i].numpy()

        def objective(
            v: np.ndarray, a: np.ndarray = a, b: np.ndarray = b, c: np.ndarray = c, w: np.ndarray = w
        ) -> float:
            return float(np.logaddexp(0, (1 - 2 * b) * (a @ v)).mean() + 0.5 * (w * (v - c) ** 2).sum())

        best = scipy.optimize.minimize(objective, np.zeros(4), bounds=[(-0.2, 0.3)] * 4, tol=1e-15)
        np.testing.assert_allclose(x[i].numpy(), best.x, atol=1e-6)
        assert objective(x[i].numpy()) <= best.fun + 1e-15


@pytest.mark.parametrize("size", ["few samples", "many samples"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_smooth_solves_and_newton_systems_are_those_of_dense_matrices(kind: type[LinearModel], size: str) -> None:
    problem = sample(kind, *SIZES[size], Zero())
    right, at = points(problem)
    shift = 0.01 + torch.rand(2, problem.dim)
    solution = problem.newton_solve(at, right, shift)
    for i in range(2):
        curvature = problem.weight[i] * problem.sample_curvature(problem.features[i] @ at[i], problem.targets[i])
        hessian = problem.features[i].t() @ (curvature.unsqueeze(1) * problem.features[i])
        torch.testing.assert_close(
            solution[i], torch.linalg.solve(hessian + shift[i].diag(), right[i]), rtol=1e-11, atol=1e-11
        )
        torch.testing.assert_close(problem.hessian_diagonal(at)[i], hessian.diagonal(), rtol=1e-12, atol=1e-12)
        bound = torch.linalg.eigvalsh(problem.diagonal_bound()[i].diag() - hessian)
        assert bound.min() > -1e-12


@pytest.mark.parametrize("r", REGULARIZERS.values(), ids=REGULARIZERS)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_copies_and_problems_side_by_side_are_solved_as_alone(kind: type[LinearModel], r: Regularizer) -> None:
    alone = [sample(kind, (3, 5), 4, r, seed=1), sample(kind, (7, 2), 4, r, seed=2)]
    many = kind.concatenate(alone).repeat(3)
    center, start = points(many)
    for _ in range(2):  # other weights the second time: what was factored must not be used again
        weight = 10 ** (2 * torch.rand(many.num_nodes, 1) - 1)
        x = many.local_solve(center, weight, start).reshape(3, 2, 2, 4)
        parts = [v.reshape(3, 2, 2, -1) for v in (center, weight, start)]
        for copy, k in itertools.product(range(3), range(2)):
            c, w, s = (part[copy, k] for part in parts)
            torch.testing.assert_close(x[copy, k], alone[k].local_solve(c, w, s), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("ratio", [1e-6, 1e-3, 1e3, 1e6])
@pytest.mark.parametrize("r", [*list(REGULARIZERS)[:5]])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_weights_far_from_the_curvature(kind: type[LinearModel], r: str, ratio: float) -> None:
    for counts, dim in SIZES.values():
        problem = sample(kind, counts, dim, REGULARIZERS[r])
        center, start = points(problem)
        weight = ratio * problem.smoothness()
        x = problem.local_solve(center, weight, start)
        assert relative_residual(problem, center, weight, x) < 1e-11


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("r", [Zero(), L1(0.01)], ids=["zero", "l1"])
def test_degenerate_data(kind: type[LinearModel], r: Regularizer) -> None:
    base = torch.randn(6, 3)
    duplicate = torch.cat([base, base], dim=1)
    empty = torch.cat([base, torch.zeros(6, 3)], dim=1)
    separable = 30 * torch.cat([base.sign(), base], dim=1)
    targets = (base[:, 0] > 0).double()
    problem = kind.from_nodes([duplicate, empty, separable], [targets] * 3, r)
    center, start = points(problem)
    for weight in (1e-3, 1.0):
        assert relative_residual(problem, center, weight, problem.local_solve(center, weight, start)) < 2e-12


@pytest.mark.parametrize("r", REGULARIZERS.values(), ids=REGULARIZERS)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_single_precision(kind: type[LinearModel], r: Regularizer) -> None:
    for counts, dim in SIZES.values():
        problem = sample(kind, counts, dim, r)
        center, start = points(problem)
        x = problem.to(dtype=torch.float32).local_solve(center.float(), 0.3, start.float())
        assert x.dtype == torch.float32
        torch.testing.assert_close(x.double(), problem.local_solve(center, 0.3, start), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("r", REGULARIZERS.values(), ids=REGULARIZERS)
def test_more_accelerated_steps_come_nearer(r: Regularizer) -> None:
    problem = sample(LeastSquares, (9, 12), 4, r)
    center, start = points(problem)
    exact = problem.local_solve(center, 0.1, start)
    problem.calls.solve_gradients = 0
    errors = [float((problem.local_solve(center, 0.1, start, steps=n) - exact).norm()) for n in (1, 4, 16, 300)]
    assert problem.calls.solve_gradients == 321
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[3] < 1e-10


def test_a_run_that_diverged_ends() -> None:
    problem = sample(LeastSquares, (3, 5), 8, L1(0.1))
    center, start = points(problem)
    center[0] = math.nan
    x = problem.local_solve(center, 0.3, start)
    assert x[0].isnan().any()
    alone = problem.local_solve(center.nan_to_num(), 0.3, start)
    torch.testing.assert_close(x[1], alone[1], rtol=1e-9, atol=1e-10)


def test_constant_weights_factor_once(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, factored = sample(LeastSquares, (3, 5), 8, Zero()), []
    cholesky = torch.linalg.cholesky_ex
    monkeypatch.setattr(torch.linalg, "cholesky_ex", lambda matrix: factored.append(matrix.shape) or cholesky(matrix))
    for center in torch.randn(5, 2, 8):
        problem.local_solve(center, 0.5, torch.zeros(2, 8))
    assert factored == [(2, 5, 5)]  # m numbers a side


def test_a_solve_that_misses_its_tolerance_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gnn_l2o.problems.local_solve.accelerated.MAX_STEPS", 3)
    problem = sample(LeastSquares, (9, 12), 4, GroupL1(0.1, size=2))
    with warnings.catch_warnings(), pytest.warns(RuntimeWarning, match="2 nodes missed the tolerance in 3 steps"):
        problem.local_solve(*points(problem)[:1], 1e-3, points(problem)[1])
