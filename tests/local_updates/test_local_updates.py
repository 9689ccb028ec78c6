"""Centralized optimizers as local updates: against torch's own, and against their equations."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import select_copies
from gnn_l2o.local_updates import Adam, AdamW, AMSGrad, Lion, LocalUpdate, RMSProp, SGDm, TorchOptimizer

STEPS = 30
SHAPES = ((3, 2), (4,))
DIM = 10
UPDATES: dict[str, LocalUpdate[Any]] = {
    "sgdm": SGDm(step_size=0.1, weight_decay=0.2),
    "rmsprop": RMSProp(step_size=0.1, weight_decay=0.2),
    "adam": Adam(step_size=0.1),
    "adamw": AdamW(step_size=0.1, weight_decay=0.2),
    "lion": Lion(step_size=0.1, weight_decay=0.2),
    "amsgrad": AMSGrad(step_size=0.1, weight_decay=0.2),
    "torch": TorchOptimizer(torch.optim.NAdam, {"lr": 0.1}),
}
EACH = pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES.keys())


def gradients(nodes: int) -> Callable[[Tensor], Tensor]:
    """The gradient of a different quadratic for every node, coordinate by coordinate."""
    curvature = torch.linspace(0.5, 3.0, nodes * DIM).reshape(nodes, DIM)
    return lambda x: curvature * (x - torch.linspace(-1.0, 2.0, DIM))


def start(nodes: int) -> Tensor:
    return torch.randn(nodes, DIM, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def run(update: LocalUpdate[Any], nodes: int, steps: int = STEPS, shapes: Any = SHAPES) -> Tensor:
    gradient, x = gradients(nodes), start(nodes)
    memory = update.init(x, shapes)
    for _ in range(steps):
        x, memory = update.move(gradient(x), x, memory)
    return x


def torch_loop(kind: Any, arguments: dict[str, Any], x0: Tensor, gradient: Callable[[Tensor], Tensor]) -> Tensor:
    """The plain loop over ``optimizer.step()`` for one node, over arrays of the shapes :data:`SHAPES`."""
    parts = [x0[:6].reshape(3, 2).clone().requires_grad_(), x0[6:].clone().requires_grad_()]
    if kind is torch.optim.Muon:
        parts = [x0.reshape(5, 2).clone().requires_grad_()]
    optimizer = kind(parts, **arguments)
    for _ in range(STEPS):
        slope = gradient(torch.cat([p.detach().flatten() for p in parts]))
        first = 0
        for part in parts:
            part.grad = slope[first : first + part.numel()].reshape(part.shape).clone()
            first += part.numel()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in parts])


# The handcrafted ones


@pytest.mark.parametrize(
    ("update", "kind", "arguments"),
    [
        (SGDm(step_size=0.1, momentum=0.8), torch.optim.SGD, {"lr": 0.02, "momentum": 0.8}),
        (Adam(step_size=0.1), torch.optim.Adam, {"lr": 0.1}),
        (AdamW(step_size=0.1), torch.optim.AdamW, {"lr": 0.1}),
        (AMSGrad(step_size=0.1), torch.optim.Adam, {"lr": 0.1, "amsgrad": True}),
        (
            AdamW(step_size=0.1, beta1=0.5, beta2=0.6, epsilon=0.1, weight_decay=0.3),
            torch.optim.AdamW,
            {"lr": 0.1, "betas": (0.5, 0.6), "eps": 0.1, "weight_decay": 0.3},
        ),
    ],
)
def test_updates_are_those_of_torch(update: LocalUpdate[Any], kind: Any, arguments: dict[str, Any]) -> None:
    gradient = gradients(1)
    expected = torch_loop(kind, arguments, start(1)[0], lambda x: gradient(x[None])[0])
    torch.testing.assert_close(run(update, 1)[0], expected, rtol=1e-12, atol=1e-12)


def test_lion_is_its_two_equations() -> None:
    x, m, gradient = start(3).numpy(), np.zeros((3, DIM)), gradients(3)
    for _ in range(STEPS):
        g = gradient(torch.from_numpy(x)).numpy()
        x = x - 0.1 * np.sign(0.8 * m + 0.2 * g) - 0.1 * 0.3 * x
        m = 0.95 * m + 0.05 * g
    ours = run(Lion(step_size=0.1, beta1=0.8, beta2=0.95, weight_decay=0.3), 3)
    np.testing.assert_allclose(ours, x, rtol=1e-10, atol=1e-10)


def test_rmsprop_is_adamw_without_the_average_of_the_gradients() -> None:
    x, v, gradient = start(3).numpy(), np.zeros((3, DIM)), gradients(3)
    for k in range(STEPS):
        g = gradient(torch.from_numpy(x)).numpy()
        v = 0.9 * v + 0.1 * g**2
        x = x - 0.1 * g / (np.sqrt(v / (1 - 0.9 ** (k + 1))) + 1e-3) - 0.1 * 0.3 * x
    ours = run(RMSProp(step_size=0.1, beta=0.9, epsilon=1e-3, weight_decay=0.3), 3)
    np.testing.assert_allclose(ours, x, rtol=1e-10, atol=1e-10)
    no_average = run(AdamW(step_size=0.1, beta1=0.0, beta2=0.9, epsilon=1e-3, weight_decay=0.3), 3)
    np.testing.assert_allclose(ours, no_average, rtol=1e-12, atol=1e-12)


@EACH
def test_the_rows_of_a_node_depend_on_no_other(update: LocalUpdate[Any]) -> None:
    gradient, x = gradients(3), start(3)
    alone = []
    for i in range(3):
        row, memory = x[i : i + 1], update.init(x[i : i + 1], SHAPES)
        for _ in range(STEPS):
            row, memory = update.move(gradient(row.expand(3, -1))[i : i + 1], row, memory)
        alone.append(row)
    assert torch.equal(run(update, 3), torch.cat(alone))


@EACH
def test_moving_is_adding_delta_and_mutates_nothing(update: LocalUpdate[Any]) -> None:
    x, g = start(2), gradients(2)(start(2))
    memory = update.init(x, SHAPES)
    delta, after = update.delta(g, x, memory)
    moved, _ = update.move(g, x, memory)
    torch.testing.assert_close(moved, x + delta, rtol=0, atol=1e-15)
    again, _ = update.delta(g, x, memory)
    assert torch.equal(delta, again)
    assert torch.equal(x, start(2))
    assert not torch.equal(update.delta(-0.01 * g, x, after)[0], update.delta(-0.01 * g, x, memory)[0])


@EACH
def test_what_preserves_zero_stays_where_all_gradients_are_zero(update: LocalUpdate[Any]) -> None:
    x, memory = start(2), update.init(start(2), SHAPES)
    moved = False
    for _ in range(3):
        delta, memory = update.delta(torch.zeros(2, DIM), x, memory)
        moved = moved or bool(delta.any())
    if update.preserves_zero:
        assert not moved
    else:
        assert moved or isinstance(update, TorchOptimizer)  # of which it is not known


@pytest.mark.parametrize("name", ["sgdm", "rmsprop", "adam", "adamw", "lion"])
def test_nodes_may_have_different_step_sizes(name: str) -> None:
    kind: Any = type(UPDATES[name])
    together = run(kind(step_size=torch.tensor([[0.1], [0.01]])), 2)
    for i, step in enumerate((0.1, 0.01)):
        assert torch.equal(together[i], run(kind(step_size=step), 2)[i])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Adam(step_size=0.0), "Adam needs a finite step_size > 0, got 0.0"),
        (lambda: Lion(step_size=torch.tensor([1.0, math.inf])), "Lion needs a finite step_size > 0"),
        (lambda: SGDm(step_size=1.0, momentum=1.0), "SGDm needs 0 <= momentum < 1, got 1.0"),
        (lambda: AdamW(step_size=1.0, weight_decay=-1.0), "AdamW needs a finite weight_decay >= 0, got -1.0"),
        (lambda: RMSProp(step_size=1.0, epsilon=0.0), "RMSProp needs a finite epsilon > 0, got 0.0"),
    ],
)
def test_wrong_parameters_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


# Those of torch

OPTIMIZERS: list[tuple[Any, dict[str, Any]]] = [
    (torch.optim.AdamW, {"lr": 0.1, "amsgrad": True}),
    (torch.optim.NAdam, {"lr": 0.1}),
    (torch.optim.Adafactor, {"lr": 0.1}),
    (torch.optim.Muon, {"lr": 0.1}),
    (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (torch.optim.Rprop, {"lr": 0.1}),
    (torch.optim.ASGD, {"lr": 0.1}),
]


@pytest.mark.parametrize("nodes", [1, 3])
@pytest.mark.parametrize(("kind", "arguments"), OPTIMIZERS, ids=lambda value: getattr(value, "__name__", ""))
def test_an_optimizer_of_torch_moves_as_in_its_own_loop(kind: Any, arguments: dict[str, Any], nodes: int) -> None:
    gradient = gradients(nodes)
    shapes = ((5, 2),) if kind is torch.optim.Muon else SHAPES
    ours = run(TorchOptimizer(kind, arguments), nodes, shapes=shapes)
    for i in range(nodes):
        expected = torch_loop(kind, arguments, start(nodes)[i], lambda x, i=i: gradient(x.expand(nodes, -1))[i])  # type: ignore[misc]
        assert torch.equal(ours[i], expected)


def test_the_memory_of_an_optimizer_of_torch_can_be_selected() -> None:
    update, gradient, x = TorchOptimizer(torch.optim.AdamW, {"lr": 0.1}), gradients(4), start(4)
    memory = update.init(x, SHAPES)
    for _ in range(5):
        x, memory = update.move(gradient(x), x, memory)
    chosen = torch.tensor([1])
    part, part_memory = x[2:], select_copies(memory, 2, chosen)
    for _ in range(5):
        x, memory = update.move(gradient(x), x, memory)
        part, part_memory = update.move(gradient(part.repeat(2, 1))[2:], part, part_memory)
    assert torch.equal(part, x[2:])


class Counting(torch.optim.Optimizer):
    """Keeps a number for the group and one for each array, as optimizers of other packages do."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {"rate": 1.0})

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        group = self.param_groups[0]
        group["rate"] /= 2
        for parameter in group["params"]:
            state = self.state[parameter]
            state["steps"] = state.get("steps", 0) + 1
            parameter.data -= group["rate"] * state["steps"] * parameter.grad


def test_numbers_that_an_optimizer_keeps_are_part_of_the_memory() -> None:
    update, x = TorchOptimizer(Counting), torch.zeros(1, 2)
    memory = update.init(x, ((2,),))
    for expected in (0.5, 0.25 * 2, 0.125 * 3):
        delta, memory = update.delta(torch.ones(1, 2), x, memory)
        assert delta.tolist() == [[-expected, -expected]]


class Listing(Counting):
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.state[self.param_groups[0]["params"][0]]["old"] = []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TorchOptimizer(torch.optim.LBFGS), "LBFGS evaluates the loss several times"),
        (lambda: TorchOptimizer(torch.nn.Linear), "expected a class derived from torch.optim.Optimizer"),  # type: ignore[arg-type]
        (lambda: run(TorchOptimizer(torch.optim.Adam, {"rate": 1.0}), 1), "Adam refuses the arguments"),
        (lambda: run(TorchOptimizer(torch.optim.Muon), 1), r"Muon refuses .* arrays of the shapes \(3, 2\), \(4,\)"),
        (lambda: run(TorchOptimizer(Counting), 1, shapes=((3,),)), "x has 10 coordinates"),
        (lambda: run(TorchOptimizer(Listing), 1), "Listing keeps list 'old' for an array"),
    ],
)
def test_what_cannot_run_at_a_node_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
