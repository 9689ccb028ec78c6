"""MiLoDo as an algorithm: the rule, what emits its gains, and when."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.learned.architecture import GRID_SEARCH, Architecture, Movable
from gnn_l2o.nn.edge_preconditioner import EdgeWeights, Symmetrize
from gnn_l2o.nn.node_preconditioner import Parametrization, margin
from gnn_l2o.nn.preconditioner import Preconditioner
from gnn_l2o.nn.rule import CoefficientSource, GraphFacts, MiLoDoState, milodo_step
from gnn_l2o.problems import Problem


@dataclass(frozen=True)
class RecomputeSchedule:
    """When new gains are asked for; between refreshes the last ones are held.

    Attributes:
        warmup: refresh in each of the first so many iterations.
        every: afterwards refresh in each ``every``-th; 0 holds the gains for good, after which the rule is a fixed
            operator.
    """

    warmup: int = 20
    every: int = 0

    def due(self, iteration: int) -> bool:
        """Tell whether iteration number ``iteration``, from 0, refreshes the gains."""
        return iteration < self.warmup or (self.every > 0 and (iteration - self.warmup) % self.every == 0)


ALWAYS = RecomputeSchedule(warmup=0, every=1)
EASED = 0.1  # the least curvature that a cycle of steps is made for, relative to the greatest


def chebyshev_step_factors(length: int) -> tuple[float, ...]:
    r"""Return the factors on held steps of a cycle: (1,) for one step, else those of Chebyshev's semi-iteration.

    .. math:: \tau_k = \frac{1}{(1 + \epsilon) + (1 - \epsilon) \cos \theta_k}, \quad
        \theta_k = \frac{2 k + 1}{2 T} \pi, \quad k = 0, \dots, T - 1

    Where gradient steps below c are stable, T of them with lengths :math:`\tau_k c` are so together (Young 1953),
    though the longest is not, and on average they are 1.4 times as long for T = 2, 1.5 times for T = 3.

    Args:
        length: T.
    """
    if length == 1:
        return (1.0,)
    angles = [math.pi * (2 * k + 1) / (2 * length) for k in range(length)]
    return tuple(1 / (1 + EASED + (1 - EASED) * math.cos(angle)) for angle in angles)


def graph_facts(
    problem: Problem,
    network: Network,
    like: Tensor,
    *,
    directed: bool = False,
    momentum_bound: float = 0.0,
    max_step_factor: float = 1.0,
    gradient: Tensor | None = None,
) -> GraphFacts:
    """Return what the nodes know before they start, in the precision of ``like``.

    Args:
        problem: the losses.
        network: the graph.
        like: ``(N, d)``.
        directed: whether rows of edges are directed edges; otherwise links.
        momentum_bound: A, the largest that will occur.
        max_step_factor: the greatest factor on held steps.
        gradient: grad f_i at ``like``, from which nodes learn how strong their regularizer is; without it they take
            it for none.
    """
    rows = network.edge_link if directed else slice(None)
    context = GraphFacts(
        smoothness=problem.smoothness().to(like),
        mean_curvature=problem.mean_curvature().to(like),
        nodes=torch.bincount(network.batch)[network.batch].unsqueeze(1).to(like),
        pull=like.new_zeros(network.num_nodes, 1),
        self_weight=network.self_weight.to(like),
        spectral_gap=network.spectral_gap[network.batch].to(like),
        min_eigenvalue=network.min_eigenvalue[network.batch].to(like),
        graph=network.batch,
        ends=network.edge_index.flip(0) if directed else network.link_index,
        weight=network.weight[rows].to(like),
        shapes=problem.shapes,
        momentum_bound=momentum_bound,
        max_step_factor=max_step_factor,
        directed=directed,
    )
    if gradient is None:
        return context
    move = context.max_step_size * gradient
    taken = like - move - problem.prox(like - move, context.max_step_size)
    tiny = torch.finfo(move.dtype).tiny
    pull = taken.abs().sum(dim=1, keepdim=True) / (move.abs().sum(dim=1, keepdim=True) + tiny)
    return replace(context, pull=pull.clamp(max=1))


@dataclass(frozen=True)
class MiLoDo(Movable[MiLoDoState]):
    """The rule of :func:`~gnn_l2o.nn.rule.milodo_step` (He et al. 2024, Eqs. (22)-(24)) with any source of gains.

    One iteration costs one gradient, one prox and one round, in which z crosses every edge; with Eq. (28)
    (``directed`` rows, symmetrized by exchange) the gains cross it too when they are refreshed.

    Attributes:
        source: emits p_i, p_ij1, p_ij2.
        schedule: when it is asked.
        directed: whether the source's rows of edges are directed edges; otherwise links.
        name: what tables call it.
        momentum_bound: the largest a_i that the source emits; 0 for the paper's rule.
        restart: see :func:`~gnn_l2o.nn.rule.milodo_step`.
        step_factors: by what frozen p_i are multiplied, in turn.
    """

    source: CoefficientSource
    schedule: RecomputeSchedule = ALWAYS
    directed: bool = False
    name: str = "milodo"  # type: ignore[misc]  # a ClassVar elsewhere; here every trained model has its own
    momentum_bound: float = 0.0
    restart: bool = False
    step_factors: tuple[float, ...] = (1.0,)

    @property
    def setup_cost(self) -> Cost:  # type: ignore[override]  # a ClassVar elsewhere
        # The first gradients set the unit in which networks see all others; with the prox they tell how strong r is.
        return Cost(gradients=1, proxes=1)

    @property
    def cost(self) -> Cost:
        return Cost(rounds=1, vectors=1, gradients=1, proxes=1)

    @property
    def precondition(self) -> Callable[[Any, Tensor], Tensor] | None:
        """M_i of :func:`~gnn_l2o.nn.rule.milodo_step`; here none."""
        return None

    def total_cost(self, iterations: int) -> Cost:
        refreshes = sum(map(self.schedule.due, range(iterations))) if self.directed else 0
        return super().total_cost(iterations) + Cost(rounds=1, vectors=1) * refreshes

    def init(self, problem: Problem, network: Network, x0: Tensor) -> MiLoDoState:
        gradient = problem.gradient(x0)
        context = graph_facts(
            problem,
            network,
            x0,
            directed=self.directed,
            momentum_bound=self.momentum_bound,
            max_step_factor=max(self.step_factors),
            gradient=gradient,
        )
        return MiLoDoState.first(x0, gradient, self.source.init_memory(x0, gradient, context), context)

    def step(self, problem: Problem, network: Network, state: MiLoDoState) -> MiLoDoState:
        return milodo_step(
            state,
            problem.gradient(state.extrapolated),
            problem.prox,
            self.source,
            Edges(network, self.directed),
            refresh=self.schedule.due(state.iteration),
            precondition=self.precondition,
            restart=self.restart,
            stretch=self.step_factors[state.iteration % len(self.step_factors)],
        )

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        if isinstance(self.source, nn.Module):
            self.source.to(device=device, dtype=dtype)
        return self


@dataclass(frozen=True)
class Edges:
    """A network's edges as the :class:`~gnn_l2o.nn.rule.Exchange` of the rule."""

    network: Network
    directed: bool = False

    def differences(self, z: Tensor) -> Tensor:
        return self.network.differences(z, directed=self.directed)

    def collect(self, message: Tensor) -> Tensor:
        return self.network.collect(message, directed=self.directed)

    def swap(self, value: Tensor) -> Tensor:
        return self.network.swap(value)

    def operator(self, *weights: Tensor) -> Tensor | None:
        # Rows of directed edges may differ in both directions, which Laplacians of links cannot say.
        return None if self.directed else self.network.laplacians(*weights)

    def flows(self, operator: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        return self.network.flows(operator, z)


@dataclass(frozen=True)
class MiLoDoArchitecture(Architecture[Preconditioner]):
    """MiLoDo's rule with gains from LSTMs that all nodes and edges share.

    Training may start ``"averaging"``: with constant gains and nearly full averaging, where long steps are stable;
    ``"grid_search"``: with gains that follow from graph and problem as the best constants do
    (:func:`~gnn_l2o.training.grid_search.scout`); ``"special"``: as exact diffusion, only in the paper's parametrization;
    ``"random"``: from drawn weights (E.1). The first step size is 0.4 of the longest step, with momentum 0.9, in the
    paper's parametrization 0.03.

    Attributes:
        parametrization: how the LSTMs' outputs become gains, see :class:`~gnn_l2o.nn.NodePreconditioner`.
        symmetrize: how the ends of an edge agree, see :class:`~gnn_l2o.nn.EdgePreconditioner`.
        hidden_features: width of the LSTMs.
        spectral_gap: whether they see the spectrum and the size of the graph.
        accelerated: whether they emit a momentum.
        restart: whether coordinates that turn lose their momentum for a step, see
            :func:`~gnn_l2o.nn.rule.milodo_step`.
        log_features: whether the scale-free LSTMs see logarithms of what changes.
        skip_connection: whether features of the scale-free LSTMs also go past them, see :class:`~gnn_l2o.nn.CoordinateLSTM`.
        edge_weights: one of each kind an edge, or an edge and coordinate.
        warmup: refresh the gains in each of the first so many iterations.
        recompute_every: and in each so-manieth afterwards; 0 holds them.
        chebyshev_steps: how many lengths held steps have in turn, see :func:`chebyshev_step_factors`; only without momentum.
    """

    kind = "milodo"
    description = "MiLoDo's rule, equations (22)-(24), with gains from LSTMs that all nodes and edges share"
    scope = "It runs on graphs of any size and topology and on problems of any dimension."
    inits = ("averaging", GRID_SEARCH, "special", "random")
    may_be_zero = ("warmup", "recompute_every")
    renamed: ClassVar[Mapping[str, str]] = {
        "cycle": "chebyshev_steps",
        "direct": "skip_connection",
        "edge_gains": "edge_weights",
        "refresh_every": "recompute_every",
    }

    parametrization: Parametrization = "scale_free"
    symmetrize: Symmetrize = "even"
    hidden_features: int = 16
    spectral_gap: bool = True
    accelerated: bool = False
    restart: bool = False
    log_features: bool = True
    skip_connection: bool = True
    edge_weights: EdgeWeights = "coordinate"
    warmup: int = 20
    recompute_every: int = 0
    chebyshev_steps: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.accelerated and self.chebyshev_steps > 1:
            raise InputError(
                f"momentum leaves no room for a cycle of steps, got chebyshev_steps = {self.chebyshev_steps}; expected 1"
            )

    @property
    def default_step_size(self) -> float:
        if self.parametrization == "paper":
            return 0.03  # He et al. 2024, Table 3, Prox-ED
        return 0.9 if self.accelerated else 0.4

    @property
    def step_size_limit(self) -> float:
        return math.inf if self.parametrization == "paper" else margin(self.accelerated)

    def build(self) -> Preconditioner:
        return Preconditioner(
            self.hidden_features,
            parametrization=self.parametrization,
            symmetrize=self.symmetrize,
            spectral_gap=self.spectral_gap,
            accelerated=self.accelerated,
            log_features=self.log_features,
            skip_connection=self.skip_connection,
            edge_weights=self.edge_weights,
        )

    def initialize(self, weights: Preconditioner, init: str, step: float | None) -> None:
        step = self.default_step_size if step is None else step
        if init == GRID_SEARCH and (self.parametrization == "paper" or not self.skip_connection):
            raise InputError(f"init {GRID_SEARCH!r} needs the scale_free parametrization and direct layers")
        if init == "special":
            weights.start_as_exact_diffusion(step)
        elif init in ("averaging", GRID_SEARCH):
            weights.emit(step, 0.2 / step if self.parametrization == "paper" else 0.2, primal=0.9)

    def algorithm(self, weights: Preconditioner, name: str | None = None) -> MiLoDo:
        schedule = RecomputeSchedule(self.warmup, self.recompute_every)
        return MiLoDo(
            weights,
            schedule,
            directed=weights.directed,
            name=name or self.kind,
            momentum_bound=weights.momentum_bound,
            restart=self.restart,
            step_factors=chebyshev_step_factors(self.chebyshev_steps),
        )
