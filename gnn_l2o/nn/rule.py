"""The update rule of MiLoDo, whatever emits its coefficients and however its nodes communicate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.nn.coefficient_source import CoefficientSource
from gnn_l2o.nn.coefficients import Coefficients
from gnn_l2o.nn.safeguard import EARLY_ITERATIONS, REFERENCE_ITERATIONS, fall_back
from gnn_l2o.nn.state import MiLoDoState

CHECK_EVERY = 10
"""In which iterations a frozen preconditioner is checked, and changes are compared with the bound of the safeguard. A
run that becomes unstable grows along the direction in which its step size is too large, so that more frequent checks
are not needed."""

Prox = Callable[[Tensor, Tensor], Tensor]
Gradient = Callable[[Tensor], Tensor]


def milodo_step(
    state: MiLoDoState,
    gradient: Tensor,
    prox: Prox,
    source: CoefficientSource,
    exchange: Exchange,
    *,
    recompute: bool = True,
    restart: bool = False,
    step_factor: float = 1.0,
    local_gradients: Sequence[Gradient] = (),
) -> MiLoDoState:
    r"""Return the state after one iteration of MiLoDo (He et al. 2024, Eqs. (22)-(24)).

    .. math::
        z_i &= \operatorname{prox}_{r, \mathrm{Diag}(p_i)}(\hat x_i - p_i \odot (\nabla f_i(\hat x_i) + y_i)) && (22) \\
        y_i^+ &= y_i + \sum_j p_{ij1} \odot (z_i - z_j), \quad p_{ij1} = p_{ji1} > 0                        && (23) \\
        x_i^+ &= z_i - \sum_j p_{ij2} \odot (z_i - z_j)                                                    && (24) \\
        \hat x_i^+ &= x_i^+ + a_i \odot (x_i^+ - x_i)

    The paper's rule has no last line: there :math:`\hat x = x`. Whatever the coefficients, every fixed point with dual
    variables that sum to zero is a consensus on a minimizer (Theorem 2); there the extrapolation moves nothing.

    With K local steps, (22) is repeated K times from :math:`v = \hat x_i` before z is exchanged, with p_i / K:

    .. math::
        v \leftarrow \operatorname{prox}_{r, \mathrm{Diag}(p_i / K)}
            \bigl(v - \tfrac{1}{K} p_i \odot (\nabla f_i(v) + y_i)\bigr)

    A fixed point of this step is one of (22), so that the fixed points are those of K = 1. The K steps together are as
    long as one, so that the dual step sizes that suit p_i stay. Longer steps need fewer rounds at first, but on neural
    networks some diverged later.

    Args:
        state: before the step.
        gradient: grad f_i at ``state.extrapolated``, ``(N, d)``.
        prox: (v, p) to prox_{r, Diag(p)}(v).
        source: emits the coefficients.
        exchange: carries z to the neighbours.
        recompute: whether the source emits new coefficients; otherwise those of the last step stay frozen.
        restart: leave out the extrapolation of a coordinate that moved against its last extrapolation,
            :math:`(\hat x_i - x_i^+)(x_i^+ - x_i) > 0` (O'Donoghue, Candes 2015, gradient scheme, by coordinates).
        step_factor: what frozen p_i are multiplied by in this step, as a Chebyshev step-size schedule says.
        local_gradients: grad f_i as functions, ``(N, d)`` to ``(N, d)``, one for each local step after the first.
    """
    state = _safeguarded(state, exchange)
    if recompute or state.coefficients is None:
        return _recomputed_step(state, gradient, prox, source, exchange, local_gradients, restart=restart)
    return _frozen_step(
        state,
        state.coefficients,
        gradient,
        prox,
        source,
        exchange,
        local_gradients,
        restart=restart,
        step_factor=step_factor,
    )


def _safeguarded(state: MiLoDoState, exchange: Exchange) -> MiLoDoState:
    """Let nodes fall back whose changes have not decayed."""
    k = state.iteration
    due = k >= REFERENCE_ITERATIONS and (k < EARLY_ITERATIONS or k % CHECK_EVERY == 0)
    if state.safeguard is None or state.coefficients is None or not due:
        return state
    safeguard = state.safeguard.checked()
    if not safeguard.any_fallen:
        return state
    coefficients = fall_back(safeguard, state.coefficients, state.facts.smoothness, exchange)
    return replace(state, safeguard=safeguard, coefficients=coefficients)


def _recomputed_step(
    state: MiLoDoState,
    gradient: Tensor,
    prox: Prox,
    source: CoefficientSource,
    exchange: Exchange,
    local_gradients: Sequence[Gradient],
    *,
    restart: bool,
) -> MiLoDoState:
    """Take a step with new coefficients."""
    preconditioner, memory = source.preconditioner(state, gradient, exchange)
    if state.safeguard is not None and state.coefficients is not None:
        preconditioner = state.safeguard.kept(state.coefficients.preconditioner, preconditioner)
    z = _descended(state, preconditioner, gradient, prox, source, memory, local_gradients)
    vectors, numbers = source.message(preconditioner, memory)
    ends, *message = exchange.neighbours(z, *vectors, numbers=numbers)
    dual, mixing, memory = source.edge_weights(state, ends, tuple(message), memory, exchange)
    if state.coefficients is not None:  # an edge whose exchange failed keeps its last ones
        dual = ends.update(state.coefficients.dual_step_size, dual)
        mixing = ends.update(state.coefficients.mixing_weight, mixing)
    coefficients = Coefficients(preconditioner, dual, mixing)
    momentum = source.momentum(state.bounds, coefficients, memory, exchange)
    if state.safeguard is not None:
        momentum = state.safeguard.momentum(momentum)
    coefficients = replace(coefficients, momentum=momentum)
    difference = ends.difference
    flows = exchange.collect(mixing * difference), exchange.collect(dual * difference)
    state = replace(state, difference=difference, coefficients=coefficients, operator=None, memory=memory)
    return _moved(state, coefficients, gradient, z, flows, restart=restart)


def _frozen_step(
    state: MiLoDoState,
    coefficients: Coefficients,
    gradient: Tensor,
    prox: Prox,
    source: CoefficientSource,
    exchange: Exchange,
    local_gradients: Sequence[Gradient],
    *,
    restart: bool,
    step_factor: float,
) -> MiLoDoState:
    """Take a step with the coefficients of the last one."""
    if state.iteration % CHECK_EVERY == 0:
        checked = source.frozen_preconditioner(state, coefficients.preconditioner, gradient)
        if state.safeguard is not None:
            checked = state.safeguard.kept(coefficients.preconditioner, checked)
        coefficients = replace(coefficients, preconditioner=checked)
        state = replace(state, coefficients=coefficients)
    p, dual, mixing = coefficients.preconditioner, coefficients.dual_step_size, coefficients.mixing_weight
    step_size = p if step_factor == 1 else step_factor * p
    if state.safeguard is not None:
        step_size = state.safeguard.kept(p, step_size)
    z = _descended(state, step_size, gradient, prox, source, state.memory, local_gradients)
    # Where all is differentiated, sums over edges are quicker than the derivative of a sparse matrix.
    if state.operator is None and dual.size(1) == mixing.size(1) == 1 and not torch.is_grad_enabled():
        state = replace(state, operator=exchange.operator(mixing, dual))
    if state.operator is not None:
        mixed, disagreement = exchange.flows(state.operator, z)
    else:
        difference = exchange.neighbours(z)[0].difference
        mixed, disagreement = exchange.collect(mixing * difference), exchange.collect(dual * difference)
        state = replace(state, difference=difference)
    return _moved(state, coefficients, gradient, z, (mixed, disagreement), restart=restart)


def _descended(
    state: MiLoDoState,
    step_size: Tensor,
    gradient: Tensor,
    prox: Prox,
    source: CoefficientSource,
    memory: Any,
    local_gradients: Sequence[Gradient],
) -> Tensor:
    """Return z of (22), after all local steps."""
    step_size = step_size / (1 + len(local_gradients))  # division by one changes no bit
    z = prox(state.extrapolated - step_size * source.precondition(memory, gradient + state.y), step_size)
    for local_gradient in local_gradients:
        z = prox(z - step_size * source.precondition(memory, local_gradient(z) + state.y), step_size)
    return z


def _moved(
    state: MiLoDoState,
    coefficients: Coefficients,
    gradient: Tensor,
    z: Tensor,
    flows: tuple[Tensor, Tensor],
    *,
    restart: bool,
) -> MiLoDoState:
    """Return the state after the iterates have moved, ``flows`` being the sums of (24) and (23)."""
    mixed, disagreement = flows
    safeguard = state.safeguard
    if safeguard is not None:
        mixed = safeguard.kept(coefficients.preconditioner * disagreement, mixed)
        safeguard = safeguard.observe(z - state.z, disagreement, state.facts.smoothness, state.iteration)
    x = z - mixed
    extrapolated = x
    if coefficients.momentum is not None:
        move = x - state.x
        if restart:
            move = torch.where((state.extrapolated - x) * move > 0, 0, move)
        extrapolated = x + coefficients.momentum * move
    return replace(
        state,
        x=x,
        extrapolated=extrapolated,
        y=state.y + disagreement,
        z=z,
        previous=state.extrapolated,
        previous_gradient=gradient,
        iteration=state.iteration + 1,
        safeguard=safeguard,
    )
