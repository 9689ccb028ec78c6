"""MiLoDo's rule with local solves, whatever emits its penalties and however its nodes communicate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.local_state import LocalState, Previous
from gnn_l2o.nn.penalty_source import PenaltySource

LocalSolve = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(c, w, start) to the prox of f_i + r at c in the metric of w, all ``(N, d)``."""

Curvature = Callable[[Tensor], Tensor]
"""z to the mean eigenvalue of the Hessian of f_i there, ``(N, 1)``."""


def local_step(
    state: LocalState,
    solve: LocalSolve,
    source: PenaltySource,
    exchange: Exchange,
    *,
    curvature: Curvature | None = None,
) -> LocalState:
    r"""Return the state after one iteration of MiLoDo's rule with the gradient of (22) taken at z, and relaxed.

    .. math::
        z_i &= \operatorname{prox}_{f_i + r, \mathrm{Diag}(p_i)}(\hat x_i - p_i \odot y_i), \qquad
               p_i = 1 / \textstyle\sum_j \rho_{ij}                                                   && (22) \\
        y_i^+ &= y_i + \alpha \textstyle\sum_j \rho_{ij} \odot (z_i - z_j), \qquad
               \rho_{ij} = \rho_{ji} > 0                                                            && (23) \\
        a_{ij}^+ &= a_{ij} + 2 \alpha \bigl(\tfrac12 (z_i + z_j) - a_{ij}\bigr), \qquad 0 < \alpha < 1 \\
        \hat x_i^+ &= p_i \textstyle\sum_j \rho_{ij} \odot a_{ij}^+

    With fixed penalties the last two lines are (24), :math:`x_i = z_i - \sum_j p_{ij2} (z_i - z_j)` with
    :math:`p_{ij2} = \frac12 p_i \rho_{ij}`, and its relaxation
    :math:`\hat x_i^+ = \hat x_i + 2 \alpha (x_i - \hat x_i)`; further :math:`p_{ij1} = \alpha \rho_{ij}`. a belongs to
    an edge, whose ends both know it, so that new penalties weigh it anew. This is over-relaxed consensus ADMM,
    Douglas-Rachford splitting in the metric of rho: with fixed penalties it converges from anywhere, for all convex
    f_i, whatever the penalties (Eckstein, Bertsekas 1992). The iterates are the z.

    An edge whose exchange fails keeps a and rho and adds nothing to y. Where exchanges fail at random, for both ends of
    an edge, this is the same splitting with random blocks of coordinates, one for each edge, and converges almost
    surely (Bianchi, Hachem, Iutzeler 2016, arXiv:1407.0898).

    Args:
        state: before the step.
        solve: the local solve.
        source: emits the penalties.
        exchange: carries z to the neighbours.
        curvature: has the source emit new penalties for the next step, to which it tells the mean curvature of f_i
            at z; without, those of this step stay.
    """
    alpha, weight = state.relaxation, state.weight
    z = solve(state.center - state.y / weight, weight, state.x)
    subgradient = weight * (state.center - z) - state.y
    numbers, memory = None, state.memory
    if curvature is not None:
        numbers, memory = source.message(state, z, subgradient, weight, curvature(z.detach()))
    ends, *message = exchange.neighbours(z, numbers=numbers)
    apart = exchange.collect(state.penalty * ends.difference)
    middle = ends.update(state.middle, state.middle + 2 * exchange.at_edges(alpha) * (ends.mean - state.middle))
    penalty = state.penalty
    if curvature is not None:
        penalty, memory = source.penalties(message[0], state.iteration + 1, memory, exchange)
        weight = _weight(penalty, exchange, state.alone, source.weight_alone(memory))
    own = state.center + 2 * alpha * (z - state.center)
    return replace(
        state,
        x=z,
        y=state.y + alpha * apart,
        center=_center(penalty, weight, middle, exchange, state.alone, own),
        middle=middle,
        apart=apart,
        previous=Previous(state.x, state.apart),
        subgradient=subgradient,
        penalty=penalty,
        weight=weight,
        memory=memory,
        iteration=state.iteration + 1,
    )


def initial_local_state(
    source: PenaltySource, x: Tensor, facts: GraphFacts, curvature: Tensor, exchange: Exchange
) -> LocalState:
    """Return the state before the first step; neighbours tell each other what the source needs.

    Args:
        source: emits the penalties.
        x: the initial point, ``(N, d)``.
        facts: set-up knowledge.
        curvature: the diagonal of the Hessian of f_i at x, ``(N, d)``, or its mean, ``(N, 1)``.
        exchange: of the graph.
    """
    penalty, relaxation, memory = source.start(facts, curvature, exchange)
    alone = exchange.reduce(torch.ones_like(facts.weight), "sum", empty=0.0) == 0
    weight = _weight(penalty, exchange, alone, source.weight_alone(memory))
    (ends,) = exchange.neighbours(numbers=x, setup=True)
    zero = torch.zeros_like(x)
    return LocalState(
        x=x,
        y=zero,
        center=_center(penalty, weight, ends.mean, exchange, alone, x),
        middle=ends.mean,
        apart=zero,
        previous=Previous(x, zero),
        subgradient=zero,
        penalty=penalty,
        weight=weight,
        alone=alone,
        relaxation=relaxation,
        memory=memory,
        facts=facts,
        iteration=0,
    )


def _weight(penalty: Tensor, exchange: Exchange, alone: Tensor, own: Tensor) -> Tensor:
    """Return w of every node: the sum of its penalties.

    A node without neighbours has a penalty with itself, ``own``, so that its steps are those of the proximal point
    method.
    """
    return torch.where(alone, own, exchange.reduce(penalty, "sum", empty=0.0))


def _center(penalty: Tensor, weight: Tensor, middle: Tensor, exchange: Exchange, alone: Tensor, own: Tensor) -> Tensor:
    """Return x^ of every node: the mean of its edges' a with the penalties as weights, ``own`` without edges."""
    return torch.where(alone, own, exchange.reduce(penalty * middle, "sum", empty=0.0) / weight)
