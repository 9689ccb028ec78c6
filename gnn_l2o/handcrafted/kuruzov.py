"""The step-size-free splitting methods of Kuruzov, Scutari, Gasnikov and Chen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.tunable import Choice, Range, Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem

# Of an independent implementation of DATOS; the paper asks for a delta in (0, 1].
DELTA = 0.9
SHRINK = 0.9
ROUNDING = 8  # units in the last place of f_i within which its values are not told apart


@dataclass(frozen=True, eq=False)
class KuruzovState:
    """State of :class:`Kuruzov`."""

    x: Tensor  # (N, d), the iterate, after the prox
    s: Tensor  # (N, d), minus the subgradients of r that the proxes chose
    d: Tensor  # (N, d), what a node's gradient lacks of the sum; sums to zero over the nodes
    step_size: Tensor  # (N, 1), alpha of the iteration before, equal within a graph
    iteration: int  # k


@dataclass(frozen=True, eq=False)
class Kuruzov(Tunable[KuruzovState]):
    r"""The parameter-free method of Kuruzov, Scutari, Gasnikov 2024 (NeurIPS, Algorithm 1), in its composite form.

    The composite form is DATOS with the global minimum (Chen, Kuruzov, Scutari, Gasnikov 2025, CDC, arXiv:2508.01466;
    arXiv:2602.17545), with :math:`\tilde W = (I + W) / 2`:

    .. math::
        \bar x &= \tilde W x^k, \qquad \bar d = \tilde W (\nabla f(x^k) + s^k + d^k) \\
        \alpha_k &= \min_i \alpha_i, \quad \alpha_i \text{ the first of }
            \gamma_k \alpha_{k-1}, 0.9 \gamma_k \alpha_{k-1}, \dots \text{ for which }
            \hat x_i = \bar x_i - \alpha_i \bar d_i \text{ has} \\
        & f_i(\hat x_i) \le f_i(x_i^k) + \langle \nabla f_i(x_i^k), \hat x_i - x_i^k \rangle
            + \tfrac{\delta}{2 \alpha_i} \|\hat x_i - x_i^k\|^2 \\
        x^{k+1} &= \operatorname{prox}_{\alpha_k r}(\bar x - \alpha_k \bar d + \alpha_k s^k) \\
        s^{k+1} &= s^k + (\bar x - x^{k+1}) / \alpha_k - \bar d \\
        d^{k+1} &= \bar d + (x^k - \bar x) / \alpha_k - \nabla f(x^k) - s^k, && s^0 = d^0 = 0

    With r = 0, s stays 0 and it is the smooth method. The step may grow by :math:`\gamma_k = (k + 1) / k` before it is
    tested again, :math:`\gamma_0 = 1`; without growth one that starts too small stays so.

    The recursion is that of an independent implementation of DATOS, checked against certified solutions. The papers'
    own listings were not at hand: the growth (they allow one) and the constants :math:`\delta = 0.9` and 0.9 are
    choices. It ends at a distance of about the root of the machine precision, where
    values of f_i can no longer be told apart.

    Costs one gradient, one prox, two mixings and the minimum of one number over the network an iteration, which takes
    as many rounds as the graph's diameter (:meth:`.Communication.graph_min`). The values of f_i in the search cost no
    communication and are not counted.

    Attributes:
        step_size: the first alpha that is tried; it hardly matters.
    """

    name = "kuruzov"
    label = "Kuruzov et al."
    dual = "d"
    grid: ClassVar[Mapping[str, Range | Choice]] = {"step_size": Range(0.1, 10.0, unit="1/L")}
    cost = Cost(rounds=2, vectors=2, minima=1, gradients=1, proxes=1)

    step_size: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> KuruzovState:
        zero = torch.zeros_like(x0)
        first = torch.zeros_like(x0[:, :1]) + self.step_size
        return KuruzovState(x=x0, s=zero, d=zero, step_size=first, iteration=0)

    def step(self, problem: Problem, network: Network, state: KuruzovState) -> KuruzovState:
        x, s, k = state.x, state.s, state.iteration
        gradient = problem.gradient(x)
        correction = gradient + s + state.d
        mixed = 0.5 * (x + network.mix(x))
        direction = 0.5 * (correction + network.mix(correction))
        tried = state.step_size * ((k + 1) / k) if k else state.step_size
        alpha = network.graph_min(_search(problem, x, gradient, mixed, direction, tried))
        after = problem.prox(mixed - alpha * (direction - s), alpha)
        return KuruzovState(
            x=after,
            s=s + (mixed - after) / alpha - direction,
            d=direction + (x - mixed) / alpha - gradient - s,
            step_size=alpha,
            iteration=k + 1,
        )


def _search(problem: Problem, x: Tensor, gradient: Tensor, mixed: Tensor, direction: Tensor, alpha: Tensor) -> Tensor:
    """Return for every node the first step, shrinking from alpha, that its loss allows: ``(N, 1)``.

    It ends for every smooth loss, and at once where the numbers are no longer finite, since no comparison with NaN
    holds: a run that diverged beside others in a batch does not hold them up.
    """
    loss = problem.loss(x)
    rounding = ROUNDING * torch.finfo(loss.dtype).eps * loss.abs()
    while True:
        moved = mixed - alpha * direction - x
        model = (gradient * moved).sum(1, keepdim=True) + DELTA / (2 * alpha) * moved.square().sum(1, keepdim=True)
        too_long = problem.loss(x + moved) > loss + model + rounding
        if not too_long.any():
            return alpha
        alpha = torch.where(too_long, SHRINK * alpha, alpha)
