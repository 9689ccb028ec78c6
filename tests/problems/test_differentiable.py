"""Losses that a function defines, against those of linear models, dense linear algebra and scipy."""

import numpy as np
import pytest
import scipy.optimize
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems import L1, Box, Differentiable, ElasticNet, GroupL1, LeastSquares, Logistic, Zero, differentiable
from gnn_l2o.problems.linear_model import LinearModel
from gnn_l2o.problems.local_solve import proximal_newton

COUNTS, DIM = (5, 3, 5, 9), 4
REGULARIZERS = {
    "zero": Zero(),
    "l1": L1(0.05),
    "weighted l1": L1(torch.tensor([[0.1, 0.0, 0.02, 0.0]], dtype=torch.float64)),
    "elastic net": ElasticNet(0.05, 0.3),
    "box": Box(-0.2, 0.3),
    "group l1": GroupL1(0.1, size=2),
}
KINDS = ("least squares", "logistic")


def squares(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return 0.5 * (a @ x - b).square().mean()


def entropy(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(a @ x, b)


def quartic(x: Tensor, a: Tensor) -> Tensor:
    return (a @ x - 1).pow(4).mean()


def both(kind: str, regularizer=Zero()) -> tuple[Differentiable, LinearModel]:  # noqa: B008  # it is frozen
    random = np.random.default_rng(0)
    features = [random.standard_normal((m, DIM)) for m in COUNTS]
    targets = [random.standard_normal(m) for m in COUNTS]
    if kind == "logistic":
        targets = [(t > 0).astype(float) for t in targets]
    function = entropy if kind == "logistic" else squares
    model = Logistic if kind == "logistic" else LeastSquares
    data = zip(features, targets, strict=True)
    own = Differentiable.from_nodes(function, data, regularizer=regularizer)
    return own, model.from_nodes(features, targets, regularizer)


def residual(problem: Differentiable, center: Tensor, weight: Tensor, x: Tensor) -> float:
    gradient, metric = problem.local_gradient(x), weight * (x - center)
    slope = problem.node_regularizer.min_norm_subgradient(x, gradient + metric)
    return float((slope.norm(dim=1) / (gradient.norm(dim=1) + metric.norm(dim=1))).max())


@pytest.mark.parametrize("kind", KINDS)
def test_a_function_of_a_linear_model_is_that_model(kind: str) -> None:
    own, model = both(kind)
    x = torch.randn(len(COUNTS), DIM)
    assert [len(group.rows) for group in own.groups] == [2, 1, 1]
    torch.testing.assert_close(own.loss(x), model.loss(x))
    torch.testing.assert_close(own.local_gradient(x), model.local_gradient(x))
    torch.testing.assert_close(own.smoothness(), model.smoothness())  # of the logistic loss too: at 0 it is largest
    torch.testing.assert_close(own.hessian_diagonal(x), model.hessian_diagonal(x))
    torch.testing.assert_close(own.curvature_at(x), model.curvature_at(x))
    right, shift = torch.randn(len(COUNTS), DIM), torch.rand(len(COUNTS), DIM) + 0.1
    torch.testing.assert_close(own.newton_solve(x, right, shift), model.newton_solve(x, right, shift))
    metric = torch.tensor([0.0, 1.0, 2.0, 0.0]).expand(len(COUNTS), -1)
    torch.testing.assert_close(own.hessian_solve(x, right, metric), model.hessian_solve(x, right, metric))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("r", REGULARIZERS.values(), ids=REGULARIZERS)
def test_local_solves_are_those_of_the_linear_model(kind: str, r) -> None:
    own, model = both(kind, r)
    for scale in (1.0, 1.0, 100.0):  # the second and third with the model that the first has left
        center, weight = scale * torch.randn(len(COUNTS), DIM), torch.rand(len(COUNTS), DIM) + 0.01
        start = own.prox(torch.randn(len(COUNTS), DIM), 1.0)
        x = own.local_solve(center, weight, start)
        assert residual(own, center, weight, x) < 1e-9
        torch.testing.assert_close(x, model.local_solve(center, weight, start), rtol=1e-7, atol=1e-9)


def test_a_solve_of_a_quadratic_reuses_its_hessian() -> None:
    own, _ = both("least squares", L1(0.1))
    center, weight = torch.randn(2, len(COUNTS), DIM), torch.ones(len(COUNTS), 1)
    own.local_solve(center[0], weight, center[0])
    first = own.calls.solve_gradients
    own.local_solve(center[1], weight, center[0])
    assert first >= 2 + DIM and own.calls.solve_gradients - first < DIM


def test_local_solves_go_back_where_a_newton_step_goes_too_far() -> None:
    def f(x: Tensor, a: Tensor) -> Tensor:
        return (1 + (a @ x).square()).sqrt().sum()  # whose pure Newton steps diverge from far away

    own = Differentiable.from_nodes(f, [torch.eye(2)])
    center, weight, start = torch.zeros(1, 2), torch.full((1, 1), 1e-3), torch.full((1, 2), 5.0)
    torch.testing.assert_close(own.local_solve(center, weight, start), center, rtol=0, atol=1e-9)


def test_local_solves_of_curved_and_of_nonconvex_losses_are_those_of_scipy() -> None:
    def wave(x: Tensor, a: Tensor) -> Tensor:
        return (a @ x).cos().mean()

    for f, weight in ((quartic, 0.1), (wave, 5.0)):
        a = torch.randn(6, 2)
        own = Differentiable.from_nodes(f, [a])
        center = torch.randn(1, 2)
        x = own.local_solve(center, weight, 3 * torch.ones(1, 2))

        def whole(v: np.ndarray, f=f, a=a, center=center, weight=weight) -> float:
            x = torch.from_numpy(v)
            return float(f(x, a) + 0.5 * weight * (x - center[0]).square().sum())

        found = scipy.optimize.minimize(whole, center[0].numpy(), tol=1e-12, method="Nelder-Mead").x
        np.testing.assert_allclose(x[0].numpy(), found, atol=1e-6)


def test_negative_curvature_below_the_weight_costs_a_solve_no_steps() -> None:
    def saddle(x: Tensor, a: Tensor) -> Tensor:
        return 0.5 * (a * x.square()).sum()

    curvature, weight = torch.tensor([[-0.95, 1.0]]), torch.tensor([[1.0, 0.1]])
    own = Differentiable.from_nodes(saddle, list(curvature), regularizer=L1(0.1))
    center = torch.tensor([[0.5, 30.0]])
    x = own.local_solve(center, weight, torch.zeros(1, 2))
    torch.testing.assert_close(x, (weight * center - 0.1) / (curvature + weight))
    assert own.calls.solve_gradients <= 2 * (1 + own.dim)


def test_solves_of_a_run_that_diverges_are_no_numbers() -> None:
    own, _ = both("least squares")
    nowhere = torch.full((len(COUNTS), DIM), torch.nan)
    assert own.local_solve(nowhere, 1.0, nowhere).isnan().all()


def test_local_solves_are_differentiable() -> None:
    own, _ = both("logistic", L1(0.05))
    center, move = torch.randn(2, len(COUNTS), DIM)
    start, seed = torch.randn(2, len(COUNTS), DIM)
    solution = own.local_solve(center.requires_grad_(), 1.0, start)
    (slope,) = torch.autograd.grad(solution, center, seed)
    with torch.no_grad():
        ends = [own.local_solve(center + h * move, 1.0, start) for h in (1e-5, -1e-5)]
    expected = (seed * (ends[0] - ends[1])).sum() / 2e-5
    torch.testing.assert_close((slope * move).sum(), expected, rtol=1e-5, atol=1e-7)


def test_where_hessians_are_too_large_products_take_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    own, model = both("least squares", L1(0.05))
    exact = own.smoothness()
    monkeypatch.setattr(differentiable, "DENSE", 0)
    monkeypatch.setattr(Differentiable, "hessians", None)
    own, _ = both("least squares", L1(0.05))
    torch.testing.assert_close(own.smoothness(), exact, rtol=0.05, atol=0)
    assert (own.smoothness() <= exact + 1e-12).all()
    x = center = torch.randn(len(COUNTS), DIM)
    torch.testing.assert_close(own.hessian_diagonal(x), model.hessian_diagonal(x), rtol=0, atol=0.5)
    torch.testing.assert_close(own.curvature_at(x), model.curvature_at(x), rtol=0, atol=1.0)
    expected = model.local_solve(center, 1.0, x)
    torch.testing.assert_close(own.local_solve(center, 1.0, x), expected, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(own.newton_solve(x, center, 1.0), model.newton_solve(x, center, 1.0))


def test_smoothness_is_the_larger_one_of_two_points() -> None:
    own = Differentiable.from_nodes(lambda x, a: (x - a).exp().sum() - 3 * x.sum(), [[0.0], [1.0]], x0=np.zeros(1))
    # At 0 the curvature is exp(-a); a gradient step from there leads to (3 - exp(-a)) / exp(-a).
    expected = [np.exp((3 - np.exp(-a)) / np.exp(-a) - a) for a in (0.0, 1.0)]
    np.testing.assert_allclose(own.smoothness().flatten().numpy(), expected)


def test_losses_without_curvature_have_a_smoothness_too() -> None:
    linear = Differentiable.from_nodes(lambda x, a: a @ x, [np.array([3.0, 4.0])] * 2)
    torch.testing.assert_close(linear.smoothness(), torch.full((2, 1), 5.0))
    constant = Differentiable.from_nodes(lambda x, a: (0 * a) @ x, [np.array([3.0, 4.0])] * 2)
    torch.testing.assert_close(constant.smoothness(), torch.ones(2, 1))


def test_x_may_be_a_dictionary_of_arrays() -> None:
    x0 = {"w": np.ones((2, 3)), "c": 1}
    data = [np.ones(2), np.zeros(2)]
    own = Differentiable.from_nodes(lambda x, a: (a @ x["w"]).sum() + 10 * x["c"], data, x0=x0)
    assert own.dim == 7 and own.shapes == ((2, 3), ())
    torch.testing.assert_close(own.loss(own.initial_point()), torch.tensor([[16.0], [10.0]]))
    torch.testing.assert_close(own.local_gradient(own.initial_point())[1], torch.tensor([0.0] * 6 + [10.0]))
    parts = own.layout.unflatten(torch.arange(14.0).reshape(2, 7))
    assert isinstance(parts, dict) and parts["w"].shape == (2, 2, 3) and parts["c"].tolist() == [6.0, 13.0]


@pytest.mark.parametrize("kind", KINDS)
def test_problems_side_by_side_are_the_separate_ones(kind: str) -> None:
    own, _ = both(kind, L1(0.1))
    for joined in (Differentiable.concatenate([own, own]), own.repeat(2)):
        assert joined.num_problems == 2 and joined.num_nodes == 2 * own.num_nodes
        x = torch.randn(joined.num_nodes, DIM)
        separate = [own.local_gradient(rows) for rows in x.chunk(2)]
        torch.testing.assert_close(joined.local_gradient(x), torch.cat(separate))
        torch.testing.assert_close(joined.prox(x, 1.0), own.repeat(2).prox(x, 1.0))
    with pytest.raises(InputError, match="different functions"):
        Differentiable.concatenate([own, Differentiable.from_nodes(quartic, [np.ones((2, DIM))])])


def test_to_changes_the_type_of_real_numbers_only() -> None:
    own = Differentiable.from_nodes(lambda x, a, k: a @ x + k.sum(), [(np.ones(2), np.array([1, 2]))])
    single = own.to(dtype=torch.float32)
    assert [a.dtype for a in single.data[0]] == [torch.float32, torch.int64]
    assert single.local_gradient(single.initial_point()).dtype == torch.float32


def test_a_line_search_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proximal_newton, "MAX_STEPS", 1)
    own = Differentiable.from_nodes(quartic, [torch.randn(6, 2)])
    with pytest.warns(RuntimeWarning, match="proximal Newton: 1 nodes missed the tolerance in 1 steps"):
        own.local_solve(torch.zeros(1, 2), 1e-3, 9 * torch.ones(1, 2))
