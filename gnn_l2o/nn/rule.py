"""The update rule of MiLoDo, whatever emits its gains and however its nodes talk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

ROOM = 2.0
"""How much larger than it is the dual gain is taken when room for momentum is sought; with 1.25 training met graphs
with unequal degrees, eight nodes and few samples on which a run was lost."""
WATCH_EVERY = 10
"""In which held iterations the source of the gains may shorten the steps: a run that becomes unstable grows along the
direction that is too steep for them, so that it need not be looked for more often."""


@dataclass(frozen=True)
class Coefficients:
    """The p's and a's of the rule; R rows of edges, see :class:`Exchange`.

    Attributes:
        step: p_i > 0, ``(N, d)`` or ``(N, 1)``.
        dual: p_ij1 = p_ji1 > 0, ``(R, d)`` or ``(R, 1)``.
        primal: p_ij2, ``(R, d)`` or ``(R, 1)``.
        momentum: a_i in [0, 1), ``(N, d)`` or ``(N, 1)``; ``None`` for the paper's rule, which has none.
    """

    step: Tensor
    dual: Tensor
    primal: Tensor
    momentum: Tensor | None = None


@dataclass(frozen=True)
class GraphFacts:
    """What a node knows of itself and its edges before it starts; all of it may be used by what emits the gains.

    It also knows the units in which gains are stable, which depend on the largest momentum A that will occur.

    Attributes:
        smoothness: L_i, ``(N, 1)``.
        mean_curvature: the mean eigenvalue of a node's Hessian at the start, or an estimate, ``(N, 1)``.
        nodes: how many nodes the node's graph has, ``(N, 1)``.
        pull: the share of a node's first step that the prox takes back, ``(N, 1)``, from 0 without a regularizer to 1.
        self_weight: w_ii, ``(N, 1)``.
        spectral_gap: spectral gap of the node's graph, ``(N, 1)``.
        min_eigenvalue: smallest eigenvalue of its mixing matrix, a lower bound of it, or 0 if it is positive, ``(N, 1)``.
        graph: the number of the node's graph, ``(N,)``; from 0.
        ends: the nodes i and j of every row of edges, ``(2, R)``; z_i - z_j is the difference that belongs to the row.
        weight: w_ij, ``(R, 1)``.
        shapes: of the arrays that x is made of, as :attr:`.Problem.shapes`; ``()``: x is one vector.
        momentum_bound: A in [0, 1); 0 for the paper's rule.
        max_step_factor: the greatest factor on held steps, see :func:`milodo_step`.
        directed: whether an edge has a row for each direction, in which its node i receives; otherwise it has one.
    """

    smoothness: Tensor
    mean_curvature: Tensor
    nodes: Tensor
    pull: Tensor
    self_weight: Tensor
    spectral_gap: Tensor
    min_eigenvalue: Tensor
    graph: Tensor
    ends: Tensor
    weight: Tensor
    shapes: tuple[tuple[int, ...], ...] = ()
    momentum_bound: float = 0.0
    max_step_factor: float = 1.0
    directed: bool = False

    @property
    def max_step_size(self) -> Tensor:
        r"""The step beyond which a node is unstable by itself, ``(N, 1)``.

        .. math:: c_i = \frac{1}{L_i} \Bigl(1 + \frac{1}{(1 + 2 A) \, (1 - q + q w_{ii})}\Bigr)

        Suppose only node i has a curvature, :math:`\lambda \le L_i`, and averages by :math:`(1 - q) I + q W`, q being
        :attr:`max_mixing_weight`, so that it keeps :math:`\omega = 1 - q + q w_{ii}` of its own. Without momentum a step
        multiplies its error by :math:`\rho = \omega (1 - p_i \lambda)`; with momentum a the errors obey
        :math:`\epsilon^{+} = \rho ((1 + a) \epsilon - a \epsilon^{-})`, which is stable while
        :math:`-1 / (1 + 2 a) < \rho < 1`. A lone node without momentum has the bound :math:`2 / L` of gradient descent;
        the more a node averages, the longer its steps may be. Where the curvatures of neighbours are alike the bound is
        too high, which a preconditioner has to find out (:attr:`curvature_limit`).
        """
        return self._longest_step(self._kept)

    def max_step_size_with(self, primal: Tensor) -> Tensor:
        r"""Return :attr:`max_step_size` for another averaging than the largest: the less, the shorter; ``(N, 1)``.

        :math:`\omega_i = 1 - \sum_j p_{ij2}`, in the coordinate where that is most.

        Args:
            primal: p_ij2, ``(R, 1)`` or ``(R, d)``.
        """
        given = self._at_nodes(primal, "sum", 0.0).amin(dim=1, keepdim=True)
        return self._longest_step(torch.maximum(1 - given, self._kept))

    def _longest_step(self, kept: Tensor) -> Tensor:
        return (1 + self._swing / kept) / self.smoothness

    @property
    def regularity(self) -> Tensor:
        r"""The least of :math:`\min(\omega_i, \omega_j) / \max(\omega_i, \omega_j)` over a node's edges, ``(N, 1)``.

        :math:`\omega` is what a node keeps of its own, as in :attr:`max_step_size`, which takes the neighbours as fixed.
        Next to nodes that average much more or less it is sharp; where all average alike they give way.
        """
        i, j = (self._kept.index_select(0, end) for end in self.ends)
        return self._at_nodes(torch.minimum(i, j) / torch.maximum(i, j), "amin", 1.0)

    @property
    def curvature_limit(self) -> float:
        r""":math:`2 (1 + A) / (1 + 2 A)`: what a step times the curvature met must stay below where all are alike."""
        return 1 + self._swing

    @property
    def max_mixing_weight(self) -> Tensor:
        r"""The share q of w_ij up to which p_ij2 keeps a graph that nearly swaps its sides stable, ``(R, 1)``.

        .. math:: q = \min\Bigl(1, \frac{0.9}{1 - \lambda_N} \Bigl(1 + \frac{1}{1 + 2 A}\Bigr)\Bigr)

        With :math:`p_{ij2} = q w_{ij}` a mode of I - W with eigenvalue :math:`\mu` is multiplied by
        :math:`\rho = 1 - q \mu`, for which the bound of :attr:`max_step_size` holds; 0.9 leaves room for a dual gain.
        Cycles of steps get the q of A = 1/2.
        """
        return self._averaging.index_select(0, self.ends[0])

    def max_dual_step_size(self, step: Tensor, primal: Tensor) -> Tensor:
        r"""Return the p_ij1 up to which steps p are stable, without momentum, where the loss is flat: ``(R, 1 or d)``.

        .. math:: P_{ij} = \frac{w_{ij}}{\max(p_i, p_j)} \frac{2 (1 + \rho)}{1 - \lambda_N}, \qquad
            \rho = \min\Bigl(0, 1 - \frac{p_{ij2}}{w_{ij}} (1 - \lambda_N)\Bigr).

        Where f has no curvature and the gains are those of W, :math:`p_{ij2} = u w_{ij}` and
        :math:`p_i p_{ij1} = e w_{ij}`, a mode of I - W with eigenvalue :math:`\mu` sees the matrix
        :math:`[[1 - u \mu, u \mu - 1], [e \mu, 1 - e \mu]]` act on :math:`(x, p y)`. By Jury's criterion it is stable
        while :math:`e \mu < 4 - 2 u \mu`, which with these bounds holds for every :math:`\mu \le 1 - \lambda_N`; with
        a curvature :math:`\lambda` while :math:`e \mu < 2 + 2 (1 - u \mu) (1 - p \lambda)`, so too while neither factor
        is negative. Exact diffusion has e = 1/2. What momentum these gains leave room for is :meth:`max_momentum`.

        Args:
            step: p_i, ``(N, 1)`` or ``(N, d)``: that of the node in each coordinate, or its longest.
            primal: p_ij2, ``(R, 1)`` or ``(R, d)``.
        """
        spread = (1 - self.min_eigenvalue).index_select(0, self.ends[0])
        return self._dual(step) * 2 * (1 + (1 - primal / self.weight * spread).clamp(max=0)) / spread

    def _dual(self, step: Tensor) -> Tensor:
        """Return w_ij / max(p_i, p_j), the p_ij1 with e = 1 in the longest of the steps that will be taken."""
        return self.weight / (self.max_step_factor * torch.maximum(*(step.index_select(0, end) for end in self.ends)))

    def min_dual_step_size(self, step: Tensor) -> Tensor:
        r"""Return a fifth of the p_ij1 that leaves room for the largest momentum, ``(R, 1 or d)``.

        .. math::
            \frac{w_{ij}}{5 \max(p_i, p_j)}
            \min\Bigl(1, \frac{q (1 - A \rho_+)}{A \rho_+}, \frac{2 (1 - (1 + 2 A) \rho)}{1 - \lambda_N}\Bigr),
            \qquad \rho_+ = 1 - q \, \mathrm{gap}, \quad \rho = \max(0, q (1 - \lambda_N) - 1)

        from the bounds of :meth:`max_momentum`. The sparser the graph, the more patient its duals must be; training
        may make them more so than the bounds ask for.

        Args:
            step: as for :meth:`max_dual_step_size`.
        """
        momentum, spread = self.momentum_bound, 1 - self.min_eigenvalue
        factor = momentum * (1 - self._averaging * self.spectral_gap)
        slow = self._averaging * (1 - factor) / factor.clamp(min=1e-6)
        swing = (self._averaging * spread - 1).clamp(min=0)
        fast = 2 * (1 - (1 + 2 * momentum) * swing) / spread
        return 0.2 * torch.minimum(slow, fast).clamp(max=1).index_select(0, self.ends[0]) * self._dual(step)

    @property
    def _swing(self) -> float:
        """How far below zero the factor of an oscillation may lie, 1 / (1 + 2 A)."""
        return 1 / (1 + 2 * self.momentum_bound)

    @property
    def _kept(self) -> Tensor:
        """What every node keeps of its own when it averages as much as it may, ``(N, 1)``."""
        return 1 - self._averaging * (1 - self.self_weight)

    @property
    def _averaging(self) -> Tensor:
        """The q of :attr:`max_mixing_weight` at every node, ``(N, 1)``."""
        swing = self._swing if self.max_step_factor == 1 else 0.5
        return (0.9 * (1 + swing) / (1 - self.min_eigenvalue)).clamp(max=1)

    def max_momentum(self, gains: Coefficients) -> Tensor:
        r"""Return the momentum up to which the other gains are stable where the loss is flat, as ``gains.step``.

        With :math:`p_{ij2} = q w_{ij}`, :math:`p_i p_{ij1} = e w_{ij}` and :math:`\rho = 1 - q \mu`, a mode of I - W
        with eigenvalue :math:`\mu` has the characteristic polynomial

        .. math:: z^3 - (\rho (1 + a) + 1 - e \mu) z^2 + \rho (1 + 2 a) z - \rho a

        which by Jury's criterion is stable, for the :math:`\mu` from the spectral gap to :math:`1 - \lambda_N`, while

        .. math::
            a < \frac{q}{(q + e) \rho_+}, \quad \rho_+ = 1 - q \, \mathrm{gap}, \qquad \text{and, if }
            \rho_- = 1 - q (1 - \lambda_N) < 0, \qquad
            a < \frac{1}{2} \Bigl(\frac{1 - e (1 - \lambda_N) / 2}{-\rho_-} - 1\Bigr).

        Every node finds e and q on its own edges, taking the worst, and e twice as large as it is, since where nodes
        and their losses differ less is stable. So no node has to know its neighbours' momentum: edges decide first,
        momentum yields.

        Args:
            gains: p_i, p_ij1 and p_ij2.
        """
        share, least_share, most_share = self._shares(gains)
        e = ROOM * gains.step * share
        spread = 1 - self.min_eigenvalue
        low = least_share / ((least_share + e) * (1 - least_share * self.spectral_gap).clamp(min=1e-6))
        swing = (most_share * spread - 1).clamp(min=1e-6)
        high = 0.5 * ((1 - e * spread / 2) / swing - 1)
        return torch.minimum(low, high).clamp(min=0)

    def _shares(self, gains: Coefficients) -> tuple[Tensor, Tensor, Tensor]:
        """Return each node's greatest p_ij1 / w_ij, least and greatest p_ij2 / w_ij."""
        dual, primal = gains.dual / self.weight, gains.primal / self.weight
        return (
            self._at_nodes(dual, "amax", 0.0),
            self._at_nodes(primal, "amin", 1.0),
            self._at_nodes(primal, "amax", 0.0),
        )

    def min_over_graph(self, value: Tensor) -> Tensor:
        """Return the least value in a node's graph, ``(N, 1)`` to ``(N, 1)``: every node knows it."""
        least = value.new_full((int(self.graph.max()) + 1, 1), torch.inf)
        least = least.scatter_reduce(0, self.graph.unsqueeze(1), value, "amin")
        return least.index_select(0, self.graph)

    def _at_nodes(self, value: Tensor, reduce: str, alone: float) -> Tensor:
        """Reduce the values of its edges at every node: ``(R, d)`` to ``(N, d)``; ``alone`` for nodes without edges."""
        rows, value = (self.ends[0], value) if self.directed else (self.ends.flatten(), torch.cat([value, value]))
        like = value.new_full((self.smoothness.size(0), value.size(1)), alone)
        return like.scatter_reduce(0, rows.unsqueeze(1).expand_as(value), value, reduce, include_self=False)


@dataclass(frozen=True)
class MiLoDoState:
    """State of the rule: iterates, the gains last emitted and the memory of what emits them.

    Attributes:
        x: ``(N, d)``, the iterates.
        extrapolated: ``(N, d)``, the point the next step starts from and takes its gradient at: x, or x extrapolated.
        y: ``(N, d)``, the duals; over every graph they sum to zero.
        z: ``(N, d)``, the last output of the prox.
        previous: ``(N, d)``, the point at which the last gradient was taken.
        previous_gradient: ``(N, d)``, the last gradient taken.
        difference: ``(R, d)``, the last differences z_i - z_j that were looked at one by one.
        gains: the last ones, ``None`` before the first step.
        operator: what applies the held gains of whole edges (:meth:`Exchange.operator`), once there is one.
        memory: whatever the source of the gains keeps.
        context: what does not change during a run.
        iteration: steps taken so far.
    """

    x: Tensor
    extrapolated: Tensor
    y: Tensor
    z: Tensor
    previous: Tensor
    previous_gradient: Tensor
    difference: Tensor
    gains: Coefficients | None
    operator: Tensor | None
    memory: Any
    context: GraphFacts
    iteration: int

    @classmethod
    def first(cls, x: Tensor, gradient: Tensor, memory: Any, context: GraphFacts) -> MiLoDoState:
        """Return the state before the first step, at ``x``, ``(N, d)``, with y = 0."""
        return cls(
            x=x,
            extrapolated=x,
            y=torch.zeros_like(x),
            z=x,
            previous=x,
            previous_gradient=gradient,
            difference=x.new_zeros(context.weight.size(0), x.size(1)),
            gains=None,
            operator=None,
            memory=memory,
            context=context,
            iteration=0,
        )


class Exchange(Protocol):
    """How neighbours talk. Edges stand in R rows: once an undirected edge, or once in each direction."""

    def differences(self, z: Tensor) -> Tensor:
        """Send z over every edge and return z_i - z_j: ``(N, d)`` to ``(R, d)``."""

    def collect(self, message: Tensor) -> Tensor:
        """Sum the messages of its edges at every node i: ``(R, d)`` to ``(N, d)``."""

    def swap(self, value: Tensor) -> Tensor:
        """Send every row to the other end of its edge: ``(R, d)`` to ``(R, d)``."""

    def operator(self, *weights: Tensor) -> Tensor | None:
        r"""Return what makes :math:`\sum_j p_{ij} (z_i - z_j)` of z, for p's ``(R, 1)``; ``None`` if nothing does."""

    def flows(self, operator: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        """Send z over every edge and apply an operator: ``(N, d)`` for each of its p's."""


class CoefficientSource(Protocol):
    """What emits the p's: networks, constants, anything. It keeps nothing between calls but its ``memory``."""

    def init_memory(self, x: Tensor, gradient: Tensor, context: GraphFacts) -> Any:
        """Return the memory before the first step."""

    def node_preconditioner(self, state: MiLoDoState, gradient: Tensor) -> tuple[Tensor, Any]:
        """Return p_i, and the memory for :meth:`edge_weights` (He et al. 2024, Eq. (25))."""

    def frozen_preconditioner(self, state: MiLoDoState, held: Tensor, gradient: Tensor) -> Tensor:
        """Return a held p_i, or less if it proves too long; asked in every :data:`WATCH_EVERY`-th iteration."""

    def edge_weights(
        self, state: MiLoDoState, step: Tensor, z: Tensor, difference: Tensor, memory: Any, exchange: Exchange
    ) -> tuple[Tensor, Tensor, Any]:
        """Return p_ij1, p_ij2 and the memory for the next step (Eqs. (26)-(28)); ``step`` is p_i."""

    def momentum(self, context: GraphFacts, gains: Coefficients, memory: Any) -> Tensor | None:
        """Return a_i once the other gains are known, ``(N, d)`` or ``(N, 1)``; ``None`` for the paper's rule."""


def milodo_step(
    state: MiLoDoState,
    gradient: Tensor,
    prox: Callable[[Tensor, Tensor], Tensor],
    source: CoefficientSource,
    exchange: Exchange,
    *,
    refresh: bool = True,
    precondition: Callable[[Any, Tensor], Tensor] | None = None,
    restart: bool = False,
    stretch: float = 1.0,
) -> MiLoDoState:
    r"""Return the state after one iteration of MiLoDo (He et al. 2024, Eqs. (22)-(24)).

    .. math::
        z_i &= \operatorname{prox}_{r, \mathrm{Diag}(p_i)}(\hat x_i - p_i \odot (\nabla f_i(\hat x_i) + y_i)) && (22) \\
        y_i^+ &= y_i + \sum_j p_{ij1} \odot (z_i - z_j), \quad p_{ij1} = p_{ji1} > 0                        && (23) \\
        x_i^+ &= z_i - \sum_j p_{ij2} \odot (z_i - z_j)                                                    && (24) \\
        \hat x_i^+ &= x_i^+ + a_i \odot (x_i^+ - x_i)

    The paper's rule has no last line: there :math:`\hat x = x`. Whatever the gains, every fixed point with duals that
    sum to zero is a consensus on a minimizer (Theorem 2); there the extrapolation moves nothing.

    Args:
        state: before the step.
        gradient: grad f_i at ``state.extrapolated``, ``(N, d)``.
        prox: (v, p) to prox_{r, Diag(p)}(v).
        source: emits the gains.
        exchange: carries z to the neighbours.
        refresh: ask the source for new gains, or hold those of the last step.
        precondition: (memory, v) to :math:`M_i v`, for :math:`P_i = \mathrm{Diag}(p_i) M_i` that are no diagonal
            matrices, as in the paper's Theorem 1, where (22) comes from. M_i is symmetric positive definite with a
            greatest eigenvalue of 1 and commutes with Diag(p_i). Only with ``refresh``, and only where r is zero.
        restart: leave out the extrapolation of a coordinate that moved against its last extrapolation,
            :math:`(\hat x_i - x_i^+)(x_i^+ - x_i) > 0` (O'Donoghue, Candes 2015, gradient scheme, by coordinates).
        stretch: what held p_i are multiplied by in this step: whatever it is, the step is one of the rule.
    """
    if refresh or state.gains is None:
        return _refreshed(state, gradient, prox, source, exchange, precondition=precondition, restart=restart)
    gains = state.gains
    if state.iteration % WATCH_EVERY == 0:
        gains = replace(gains, step=source.frozen_preconditioner(state, gains.step, gradient))
        state = replace(state, gains=gains)
    assert precondition is None  # sources of matrices are asked in every iteration
    return _held(state, gains, gradient, prox, exchange, restart=restart, stretch=stretch)


def _refreshed(
    state: MiLoDoState,
    gradient: Tensor,
    prox: Callable[[Tensor, Tensor], Tensor],
    source: CoefficientSource,
    exchange: Exchange,
    *,
    precondition: Callable[[Any, Tensor], Tensor] | None,
    restart: bool,
) -> MiLoDoState:
    """Take a step with new gains."""
    step, memory = source.node_preconditioner(state, gradient)
    direction = gradient + state.y if precondition is None else precondition(memory, gradient + state.y)
    z = prox(state.extrapolated - step * direction, step)
    difference = exchange.differences(z)
    dual, primal, memory = source.edge_weights(state, step, z, difference, memory, exchange)
    gains = Coefficients(step, dual, primal)
    gains = replace(gains, momentum=source.momentum(state.context, gains, memory))
    flows = exchange.collect(primal * difference), exchange.collect(dual * difference)
    state = replace(state, difference=difference, gains=gains, operator=None, memory=memory)
    return _moved(state, gains, gradient, z, flows, restart=restart)


def _held(
    state: MiLoDoState,
    gains: Coefficients,
    gradient: Tensor,
    prox: Callable[[Tensor, Tensor], Tensor],
    exchange: Exchange,
    *,
    restart: bool,
    stretch: float,
) -> MiLoDoState:
    """Take a step with held gains."""
    step = gains.step if stretch == 1 else stretch * gains.step
    z = prox(state.extrapolated - step * (gradient + state.y), step)
    # Where all is differentiated, sums over edges are quicker than the derivative of a sparse matrix.
    if state.operator is None and gains.dual.size(1) == gains.primal.size(1) == 1 and not torch.is_grad_enabled():
        state = replace(state, operator=exchange.operator(gains.primal, gains.dual))
    if state.operator is not None:
        primal, dual = exchange.flows(state.operator, z)
    else:
        difference = exchange.differences(z)
        primal, dual = exchange.collect(gains.primal * difference), exchange.collect(gains.dual * difference)
        state = replace(state, difference=difference)
    return _moved(state, gains, gradient, z, (primal, dual), restart=restart)


def _moved(
    state: MiLoDoState, gains: Coefficients, gradient: Tensor, z: Tensor, flows: tuple[Tensor, Tensor], *, restart: bool
) -> MiLoDoState:
    """Return the state after the iterates have moved, ``flows`` being the sums of (24) and (23)."""
    primal, dual = flows
    x = z - primal
    extrapolated = x
    if gains.momentum is not None:
        move = x - state.x
        if restart:
            move = torch.where((state.extrapolated - x) * move > 0, 0, move)
        extrapolated = x + gains.momentum * move
    return replace(
        state,
        x=x,
        extrapolated=extrapolated,
        y=state.y + dual,
        z=z,
        previous=state.extrapolated,
        previous_gradient=gradient,
        iteration=state.iteration + 1,
    )
