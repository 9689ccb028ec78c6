"""The certified solver against independent ones, and its certificate against the definition."""

import dataclasses
import importlib

import numpy as np
import pytest
import scipy.optimize
import torch
from sklearn.linear_model import ElasticNet as SklearnElasticNet, Lasso, LogisticRegression
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems import LeastSquares, LinearModel, Logistic, NotCertifiedError, Solution, solve
from gnn_l2o.problems.regularizers import L1, Box, ElasticNet, GroupL1, Regularizer, Zero

solver = importlib.import_module("gnn_l2o.problems.solve")  # the module; the package's attribute is the function

NODES = 5


def least_squares(regularizer: Regularizer, samples: int = 10, dim: int = 60, seed: int = 0) -> LeastSquares:
    generator = np.random.default_rng(seed)
    a = generator.standard_normal((NODES * samples, dim))
    truth = generator.standard_normal(dim) * (generator.random(dim) < 0.25)
    b = a @ truth + 0.1 * generator.standard_normal(NODES * samples)
    return LeastSquares.from_nodes(np.split(a, NODES), np.split(b, NODES), regularizer)


def logistic(regularizer: Regularizer, samples: int = 40, dim: int = 20, noise: float = 0.0, seed: int = 0) -> Logistic:
    generator = np.random.default_rng(seed)
    a = generator.standard_normal((NODES * samples, dim))
    b = a @ generator.standard_normal(dim) + noise * generator.standard_normal(NODES * samples) >= 0
    return Logistic.from_nodes(np.split(a, NODES), np.split(b * 1.0, NODES), regularizer)


def data(problem: LinearModel) -> tuple[np.ndarray, np.ndarray]:
    """All samples of all nodes, which hold equally many, so that the mean over the nodes is that over the samples."""
    return problem.features.flatten(0, 1).numpy(), problem.targets.flatten().numpy()


def certified(problem: LinearModel) -> Solution:
    solution = solve(problem)
    assert solution.x.shape == (problem.num_problems, problem.dim)
    assert solution.value.shape == solution.certificate.shape == (problem.num_problems,)
    assert solution.certificate.max() < 1e-12
    return solution


def agrees(problem: LinearModel, other: np.ndarray, atol: float) -> None:
    """Assert that another solver finds the same minimizer, and no lower value."""
    solution = certified(problem)
    np.testing.assert_allclose(solution.x[0], other, rtol=0, atol=atol)
    assert solution.value <= problem.objective(torch.from_numpy(other).unsqueeze(0)) + 1e-15


# Agreement with scikit-learn and scipy


@pytest.mark.parametrize("weight", [0.1, 0.01])
def test_lasso_agrees_with_scikit_learn(weight: float) -> None:
    problem = least_squares(L1(weight))
    model = Lasso(alpha=weight, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(*data(problem))
    agrees(problem, model.coef_, atol=1e-8)


def test_elastic_net_agrees_with_scikit_learn() -> None:
    problem = least_squares(ElasticNet(0.1, 0.3))
    model = SklearnElasticNet(alpha=0.4, l1_ratio=0.25, fit_intercept=False, tol=1e-12, max_iter=100_000)
    agrees(problem, model.fit(*data(problem)).coef_, atol=1e-8)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")  # scikit-learn is renaming `penalty`
def test_sparse_logistic_regression_agrees_with_scikit_learn() -> None:
    problem = logistic(L1(0.02))
    l1 = {"penalty": "l1", "l1_ratio": 1, "solver": "liblinear"}
    model = LogisticRegression(C=1 / (0.02 * 200), fit_intercept=False, tol=1e-12, max_iter=10_000, **l1)
    agrees(problem, model.fit(*data(problem)).coef_[0], atol=1e-6)


def test_logistic_regression_with_a_square_penalty_agrees_with_scikit_learn() -> None:
    problem = logistic(ElasticNet(0.0, 0.02))
    model = LogisticRegression(C=1 / (0.02 * 200), fit_intercept=False, solver="newton-cholesky", tol=1e-12)
    agrees(problem, model.fit(*data(problem)).coef_[0], atol=1e-8)


def test_linear_regression_agrees_with_scipy() -> None:
    problem = least_squares(Zero(), dim=20)
    agrees(problem, scipy.linalg.lstsq(*data(problem))[0], atol=1e-12)


def test_non_negative_least_squares_agrees_with_scipy() -> None:
    problem = least_squares(Box(0.0, float("inf")), dim=30)
    agrees(problem, scipy.optimize.nnls(*data(problem))[0], atol=1e-10)


def test_least_squares_in_a_box_agrees_with_scipy() -> None:
    problem = least_squares(Box(-0.3, 0.1), dim=30)
    other = scipy.optimize.lsq_linear(*data(problem), bounds=(-0.3, 0.1), method="bvls", tol=1e-14).x
    agrees(problem, other, atol=1e-10)


# Optimality, without another solver


def distance_to_zero(problem: LinearModel, x: np.ndarray) -> float:
    """dist(0, subdifferential of F at x), from the definition, for one problem with l1 or group l1."""
    a, b = data(problem)
    prediction = a @ x
    slope = 1 / (1 + np.exp(-prediction)) - b if isinstance(problem, Logistic) else prediction - b
    gradient = a.T @ slope / b.size
    size = problem.regularizer.size if isinstance(problem.regularizer, GroupL1) else 1
    x, gradient, weight = x.reshape(-1, size), gradient.reshape(-1, size), problem.regularizer.weight
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    at_zero = np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True) - weight, 0)
    elsewhere = np.linalg.norm(gradient + weight * x / np.where(norm > 0, norm, 1), axis=1, keepdims=True)
    return float(np.linalg.norm(np.where(norm > 0, elsewhere, at_zero)))


@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(least_squares(L1(0.001)), id="lasso, tiny weight"),
        pytest.param(least_squares(GroupL1(0.1, 5)), id="group lasso"),
        pytest.param(least_squares(GroupL1(0.01, 3)), id="group lasso, small weight"),
        pytest.param(logistic(L1(1e-4)), id="separable labels, tiny weight"),
        pytest.param(logistic(GroupL1(0.05, 4)), id="logistic, groups"),
    ],
)
def test_the_certificate_is_the_distance_to_the_subdifferential(problem: LinearModel) -> None:
    x = certified(problem).x[0].numpy()
    assert 0 < np.count_nonzero(x)
    a, b = data(problem)
    scale = np.linalg.norm(a.T @ (0.5 - b if isinstance(problem, Logistic) else -b)) / b.size
    assert distance_to_zero(problem, x) < 2e-12 * scale
    assert distance_to_zero(problem, x + 1e-9) > 2e-12 * scale  # it can tell


@pytest.mark.parametrize(
    "regularizer",
    [Zero(), L1(0.1), ElasticNet(0.1, 0.1), Box(-0.2, 0.2), Box(0.1, 0.3), Box(0.0, float("inf")), GroupL1(0.1, 5)],
    ids=repr,
)
@pytest.mark.parametrize("kind", [least_squares, logistic])
def test_no_other_point_is_lower(kind: type, regularizer: Regularizer) -> None:
    problem = kind(regularizer, noise=1.0) if kind is logistic else kind(regularizer)
    solution = certified(problem)
    around = regularizer.prox(solution.x + torch.logspace(-8, 1, 50).unsqueeze(1) * torch.randn(50, problem.dim), 0.0)
    values = torch.cat([problem.objective(x.unsqueeze(0)) for x in around])
    assert (values >= solution.value - 1e-13 * solution.value.abs()).all()
    assert solution.value < values.max()
    proximal_gradient = descend(problem, 3000)
    assert solution.value <= problem.objective(proximal_gradient) + 1e-13 * solution.value.abs()


def descend(problem: LinearModel, iterations: int) -> Tensor:
    """Plain proximal gradient steps on F."""
    step = float(1 / problem.smoothness().max())
    x = torch.zeros(1, problem.dim)
    for _ in range(iterations):
        x = problem.regularizer.prox(x - step * problem.average(problem.gradient(problem.spread(x))), step)
    return x


def test_a_system_with_fewer_samples_than_coordinates_is_solved_exactly() -> None:
    assert certified(least_squares(Zero())).value < 1e-20
    assert certified(least_squares(L1(0.0))).value < 1e-20


def test_zero_is_found_where_it_is_the_solution() -> None:
    solution = certified(least_squares(L1(100.0)))
    assert solution.x.count_nonzero() == 0


def test_useless_and_double_features_do_no_harm() -> None:
    for problem in (least_squares(L1(0.1)), least_squares(Zero(), dim=20), logistic(L1(0.01))):
        features = problem.features.clone()
        features[:, :, 1], features[:, :, 2] = features[:, :, 0], 0.0
        certified(dataclasses.replace(problem, features=features))


def badly_scaled(problem: LinearModel) -> LinearModel:
    return dataclasses.replace(problem, features=problem.features * torch.logspace(-4, 4, problem.dim))


@pytest.mark.parametrize(
    ("problem", "rounds"),
    [
        pytest.param(least_squares(L1(1e-4)), 4, id="tiny weight"),
        pytest.param(least_squares(GroupL1(0.01, 3)), 2, id="curved regularizer"),
        pytest.param(badly_scaled(least_squares(L1(0.1))), 4, id="badly scaled lasso"),
        pytest.param(badly_scaled(least_squares(Box(-0.1, 0.1))), 4, id="badly scaled box"),
        pytest.param(badly_scaled(least_squares(Zero(), dim=20)), 1, id="badly scaled linear regression"),
        pytest.param(badly_scaled(logistic(Zero(), noise=3.0)), 1, id="badly scaled logistic regression"),
    ],
)
def test_hard_problems_take_few_rounds(problem: LinearModel, rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Proximal gradient alone needs many more, or never ends.
    monkeypatch.setattr(solver, "_ROUNDS", rounds)
    certified(problem)


def test_a_quadratic_is_solved_by_newtons_method_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_ROUNDS", 1)
    monkeypatch.setattr(solver, "_FIRST_ROUND", 1)
    monkeypatch.setattr(solver, "_NEWTON_STEPS", 2)  # the second takes back what _RIDGE did to the first
    certified(least_squares(Zero(), dim=20))


def test_well_conditioned_problems_need_no_newton_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_NEWTON_SIZE", 0)  # as for problems too large for a Hessian
    certified(least_squares(L1(0.1), samples=60, dim=20))


# Batches


def test_a_batch_is_solved_like_its_problems() -> None:
    problems = [least_squares(L1(weight), seed=k) for k, weight in enumerate((0.1, 0.3, 100.0, 0.02))]
    solution = certified(LeastSquares.concatenate(problems))
    for k, problem in enumerate(problems):
        alone = certified(problem)
        torch.testing.assert_close(solution.x[k], alone.x[0], rtol=0, atol=1e-9)
        torch.testing.assert_close(solution.value[k], alone.value[0], rtol=1e-14, atol=0)


def test_nodes_count_alike_however_many_samples_they_hold() -> None:
    problem = least_squares(ElasticNet(0.0, 0.1), dim=8)
    a = [problem.features[i, : 2 * i + 1].numpy() for i in range(NODES)]
    b = [problem.targets[i, : 2 * i + 1].numpy() for i in range(NODES)]
    hessian = 0.1 * np.eye(8) + sum(f.T @ f / len(t) for f, t in zip(a, b, strict=True)) / NODES
    linear = sum(f.T @ t / len(t) for f, t in zip(a, b, strict=True)) / NODES
    uneven = LeastSquares.from_nodes(a, b, ElasticNet(0.0, 0.1))
    np.testing.assert_allclose(certified(uneven).x[0], np.linalg.solve(hessian, linear), rtol=1e-10)


def test_a_problem_in_single_precision_is_solved_in_double() -> None:
    problem = least_squares(L1(0.1)).to(dtype=torch.float32)
    solution = certified(problem)
    assert solution.x.dtype == solution.value.dtype == torch.float64
    torch.testing.assert_close(solution.x, certified(problem.to(dtype=torch.float64)).x)


def test_solutions_do_not_depend_on_random_state() -> None:
    problem = least_squares(L1(0.1))
    first = solve(problem)
    state = torch.get_rng_state()
    assert torch.equal(solve(problem).x, first.x)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("regularizer", [L1(0.1), GroupL1(0.1, 5), Box(-0.1, 0.3)], ids=repr)
def test_the_certificate_does_not_depend_on_the_default_type(regularizer: Regularizer) -> None:
    torch.set_default_dtype(torch.float32)
    problem = least_squares(regularizer)
    x = certified(problem).x
    step = regularizer.prox(x - 0.1 * problem.average(problem.gradient(problem.spread(x))), 0.1)
    torch.testing.assert_close(step, x, rtol=0, atol=1e-11)


# What cannot be solved


def test_separable_labels_without_a_regularizer_have_no_minimizer() -> None:
    for samples, dim in ((40, 20), (5, 60)):
        with pytest.raises(InputError, match=r"problem 0 has no minimizer: F decreases for ever .*separable") as error:
            solve(logistic(Zero(), samples=samples, dim=dim))
        assert "\n" not in str(error.value)


def test_labels_that_are_not_separable_have_one() -> None:
    certified(logistic(Zero(), noise=3.0))


def test_a_solution_that_is_not_certified_is_never_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_ROUNDS", 1)
    monkeypatch.setattr(solver, "_FIRST_ROUND", 3)
    monkeypatch.setattr(solver, "_NEWTON_STEPS", 0)
    with pytest.raises(
        NotCertifiedError, match=r"problem 0 was solved to a certificate of \d\.\de-\d+; expected 1e-12"
    ):
        solve(least_squares(L1(0.1)))
