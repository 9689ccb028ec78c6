"""Every regularizer's prox, least subgradient and smooth part against searches that know only its value."""

import dataclasses
import itertools
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import scipy.optimize
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.build import build_network
from gnn_l2o.handcrafted import ProxED
from gnn_l2o.learned import load_model
from gnn_l2o.problems import L1, Box, ElasticNet, GroupL1, LeastSquares, Regularizer, Zero, solve

ROWS, DIM = 4, 6


@dataclasses.dataclass(frozen=True, eq=False)
class Huber(Regularizer):
    """A regularizer of a user's own: |x| - 1/2 beyond 1, x^2/2 within, times a weight; smooth everywhere."""

    weight: float | Tensor

    def value(self, x: Tensor) -> Tensor:
        return (self.weight * torch.where(x.abs() > 1, x.abs() - 0.5, 0.5 * x.square())).sum(dim=1)

    def prox(self, v: Tensor, step: Tensor | float) -> Tensor:
        scale = step * self.weight
        return torch.where(v.abs() > 1 + scale, v - scale * v.sign(), v / (1 + scale))

    def min_norm_subgradient(self, x: Tensor, gradient: Tensor) -> Tensor:
        return gradient + self.weight * x.clamp(-1, 1)

    def free(self, x: Tensor) -> Tensor:
        return torch.ones_like(x, dtype=torch.bool)


REGULARIZERS = {
    "zero": Zero(),
    "l1": L1(0.7),
    "l1 by row": L1(torch.tensor([[0.0], [0.3], [0.7], [2.0]], dtype=torch.float64)),
    "elastic net": ElasticNet(0.5, 0.8),
    "box": Box(-0.4, 0.6),
    "non-negative": Box(0.0, math.inf),
    "group l1": GroupL1(0.9, size=3),
    "group l1 by row": GroupL1(torch.tensor([[0.0], [0.3], [0.9], [2.0]], dtype=torch.float64), size=2),
    "one's own": Huber(0.8),
}
SEPARABLE = [name for name in REGULARIZERS if "group" not in name]

every_regularizer = pytest.mark.parametrize("r", REGULARIZERS.values(), ids=REGULARIZERS)


def point(r: Regularizer) -> Tensor:
    """A point of the domain with coordinates on every kink: zeros, a group of zeros, both faces of the box."""
    x = torch.randn(ROWS, DIM)
    x[0, :3] = 0
    x[1, :2] = 0
    if isinstance(r, Box):
        x = x.clamp(r.lower, r.upper)
        assert bool((x == r.lower).any())
    return x


@pytest.mark.parametrize("name", SEPARABLE)
def test_prox_minimizes_coordinate_by_coordinate(name: str) -> None:
    r, v, p = REGULARIZERS[name], torch.randn(ROWS, DIM), 0.2 + torch.rand(ROWS, DIM)
    found = r.prox(v, p)
    for row in range(ROWS):
        scalar = r.at(torch.tensor([row]))
        for k in range(DIM):

            def objective(
                t: float, at: Regularizer = scalar, center: Tensor = v[row, k], step: Tensor = p[row, k]
            ) -> float:
                value = at.value(torch.tensor([[t]])).item()
                return value + (t - center.item()) ** 2 / (2 * step.item())

            assert found[row, k].item() == pytest.approx(search(objective), abs=1e-6)


def search(objective: Callable[[float], float]) -> float:
    """The minimizer of a strongly convex function of one variable: a grid, refined."""
    center, width = 0.0, 5.0
    while width > 1e-8:
        grid = np.linspace(center - width, center + width, 41)
        center, width = grid[np.argmin([objective(t) for t in grid])], width / 10
    return float(center)


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.9, 5.0])
def test_the_prox_of_groups_in_a_metric_that_varies_inside_them(weight: float) -> None:
    # By its dual: x = v - p u, where u minimizes sum_k p_k u_k^2 / 2 - u_k v_k over ||u|| <= lambda in every group.
    v, p = torch.randn(3, 4), 0.2 + 3 * torch.rand(3, 4)
    found = GroupL1(weight, size=2).prox(v, p)
    for row in range(3):
        for group in (slice(0, 2), slice(2, 4)):
            center, step = v[row, group].numpy(), p[row, group].numpy()
            result = scipy.optimize.minimize(
                lambda u, step=step, center=center: np.sum(step * u**2) / 2 - u @ center,
                np.zeros(2),
                jac=lambda u, step=step, center=center: step * u - center,
                constraints={"type": "ineq", "fun": lambda u: weight**2 - u @ u, "jac": lambda u: -2 * u},
                method="SLSQP",
                options={"ftol": 1e-14, "maxiter": 500},
            )
            np.testing.assert_allclose(found[row, group], center - step * result.x, rtol=0, atol=1e-5)


@every_regularizer
def test_steps_may_be_a_number_a_row_or_a_matrix(r: Regularizer) -> None:
    v, rows = torch.randn(ROWS, DIM), 0.2 + torch.rand(ROWS, 1)
    torch.testing.assert_close(r.prox(v, rows), r.prox(v, rows.expand(ROWS, DIM)), rtol=0, atol=1e-14)
    torch.testing.assert_close(r.prox(v, 0.3), r.prox(v, torch.full((ROWS, DIM), 0.3)), rtol=0, atol=1e-14)


@every_regularizer
def test_the_least_subgradient_vanishes_at_the_prox(r: Regularizer) -> None:
    v, p = torch.randn(ROWS, DIM), 0.2 + 2 * torch.rand(ROWS, DIM)
    x = r.prox(v, p)
    residual = r.min_norm_subgradient(x, (x - v) / p)
    torch.testing.assert_close(residual, torch.zeros(ROWS, DIM), rtol=0, atol=1e-12)
    elsewhere = r.prox(v + 0.1, p)
    assert r.min_norm_subgradient(elsewhere, (elsewhere - v) / p).abs().max() > 1e-3


@every_regularizer
def test_the_least_subgradient_is_the_steepest_descent(r: Regularizer) -> None:
    # The directional derivative of F = <g, x> + r(x) is at least -||s||, s the least subgradient, and -||s|| along -s.
    x, g, h = point(r), torch.randn(ROWS, DIM), 1e-6
    s = r.min_norm_subgradient(x, g)

    def slope(direction: Tensor) -> Tensor:
        return (g * direction).sum(dim=1) + (r.value(x + h * direction) - r.value(x)) / h

    norm = s.norm(dim=1)
    torch.testing.assert_close(slope(-s / norm.unsqueeze(1)), -norm, rtol=0, atol=1e-4)
    for _ in range(200):
        direction = torch.randn(ROWS, DIM)
        assert (slope(direction / direction.norm(dim=1, keepdim=True)) >= -norm - 1e-4).all()


@every_regularizer
def test_it_is_smooth_exactly_in_the_free_coordinates(r: Regularizer) -> None:
    x, h = point(r), 1e-6
    weighted = r.at(torch.tensor([2, 3, 2, 3]))  # rows whose weight is not zero
    for k in range(DIM):
        step = h * torch.eye(DIM)[k]
        right = (weighted.value(x + step) - weighted.value(x)) / h
        left = (weighted.value(x) - weighted.value(x - step)) / h
        smooth = (right - left).abs() < 1e-3
        assert torch.equal(smooth, weighted.free(x)[:, k])


@every_regularizer
def test_gradients_pass_through_the_prox(r: Regularizer) -> None:
    v, p = torch.randn(ROWS, DIM, requires_grad=True), (0.2 + torch.rand(ROWS, DIM)).requires_grad_()
    assert torch.autograd.gradcheck(r.prox, (v, p))


@every_regularizer
def test_single_precision_stays_single(r: Regularizer) -> None:
    single, v = r.to(dtype=torch.float32), torch.randn(ROWS, DIM)
    found = single.prox(v.float(), torch.full((ROWS, 1), 0.3, dtype=torch.float32))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), r.prox(v, 0.3), rtol=0, atol=1e-5)
    assert single.value(v.float()).dtype == torch.float32


def test_values_written_out() -> None:
    x = torch.tensor([[1.0, -2.0, 0.0, 3.0]])
    assert Zero().value(x).item() == 0
    assert L1(0.5).value(x).item() == pytest.approx(3)
    assert ElasticNet(0.5, 2.0).value(x).item() == pytest.approx(3 + 14)
    assert GroupL1(2.0, size=2).value(x).item() == pytest.approx(2 * (math.sqrt(5) + 3))
    assert Box(-2.0, 3.0).value(x).item() == 0
    assert Box(-1.0, 3.0).value(x).item() == math.inf


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (L1(0.1), L1(2)),
        (ElasticNet(0.1, 0.5), ElasticNet(0.1, 0.7)),
        (GroupL1(0.1, size=3), GroupL1(0.4, size=3)),
        (Box(-1.0, 0.5), Box(0.0, math.inf)),
    ],
    ids=lambda r: type(r).__name__,
)
def test_joined_regularizers_act_on_their_own_rows(first: Regularizer, second: Regularizer) -> None:
    v = torch.randn(5, DIM)
    joined = Regularizer.concatenate([first, second], rows=[1, 2])
    by_node = joined.at(torch.tensor([0, 0, 1, 2, 2]))
    expected = torch.cat([first.prox(v[:2], 0.4), second.prox(v[2:], 0.4)])
    torch.testing.assert_close(by_node.prox(v, 0.4), expected, rtol=0, atol=1e-14)
    twice = by_node.repeat(2)
    torch.testing.assert_close(twice.prox(torch.cat([v, v]), 0.4), torch.cat([expected, expected]), rtol=0, atol=1e-14)
    again = Regularizer.concatenate([joined, first], rows=[3, 1])
    torch.testing.assert_close(again.at(torch.tensor([3, 1, 1, 1, 1])).prox(v, 0.4)[:1], first.prox(v[:1], 0.4))


def test_equal_numbers_stay_numbers() -> None:
    joined = Regularizer.concatenate([L1(0.1), L1(0.1)], rows=[1, 1])
    assert joined.at(torch.tensor([0, 0, 1])) is joined
    assert dataclasses.asdict(joined) == {"weight": 0.1}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: L1(-1.0), "L1 needs a finite weight >= 0, got -1.0"),
        (lambda: ElasticNet(1.0, -2.0), "ElasticNet needs a finite l2 >= 0, got -2.0"),
        (lambda: L1(np.nan), "L1 needs a finite weight >= 0, got nan"),
        (lambda: Box(1.0, 0.0), "a box has lower <= upper, got lower=1.0, upper=0.0"),
        (lambda: Box(0.0, np.nan), "a box has lower <= upper, got lower=0.0, upper=nan"),
        (lambda: GroupL1(1.0, size=0), "group_l1 needs size >= 1, got 0"),
        (
            lambda: GroupL1(1.0, size=4).prox(torch.ones(1, 6), 1.0),
            "group_l1 with size=4 needs a multiple of it as dimension, got 6",
        ),
        (
            lambda: Regularizer.concatenate([L1(1.0), Zero()], rows=[1, 1]),
            "problems with the regularizers L1 and Zero cannot be joined in one batch",
        ),
        (
            lambda: Regularizer.concatenate([GroupL1(1.0, size=2), GroupL1(1.0, size=3)], rows=[1, 1]),
            "problems with the regularizers GroupL1(size=2) and GroupL1(size=3) cannot be joined in one batch",
        ),
    ],
    ids=["l1", "elastic net", "l1 nan", "box", "box nan", "size", "dimension", "kinds", "sizes"],
)
def test_bad_parameters_are_refused_in_one_line(build: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        build()


@pytest.mark.parametrize("learned", [False, True])
def test_methods_and_the_solver_take_a_regularizer_of_ones_own(learned: bool) -> None:
    data = [(torch.randn(6, 3), 3 * torch.randn(6)) for _ in range(4)]
    alone = [
        LeastSquares.from_nodes([a for a, _ in data], [b for _, b in data], Huber(weight)) for weight in (0.5, 2.0)
    ]
    problem = LeastSquares.concatenate(alone)
    solution = solve(problem)
    for k, one in enumerate(alone):
        torch.testing.assert_close(solution.x[k], solve(one).x[0], rtol=1e-9, atol=1e-9)
    network = build_network("ring", 4)
    method = load_model("milodo_gnn") if learned else ProxED(float(0.5 / alone[0].smoothness().max()))
    x0 = torch.zeros(4, 3)
    for k, one in enumerate(alone):
        states = itertools.islice(run(method.to(dtype=x0.dtype) if learned else method, one, network, x0), 801)
        *_, last = states
        torch.testing.assert_close(last.x, solution.x[k].expand(4, 3), rtol=0, atol=1e-4)
