"""MiLoDo as an algorithm: the rule, what emits its gains, and when."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gnn_l2o.algorithm import Algorithm, Cost
from gnn_l2o.network import Network
from gnn_l2o.nn.rule import GainSource, GraphContext, MiLoDoState, milodo_step
from gnn_l2o.problems import Problem


@dataclass(frozen=True)
class RefreshSchedule:
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


ALWAYS = RefreshSchedule(warmup=0, every=1)


@dataclass(frozen=True)
class MiLoDo(Algorithm[MiLoDoState]):
    """The rule of :func:`~gnn_l2o.nn.rule.milodo_step` (He et al. 2024, Eqs. (22)-(24)) with any source of gains.

    One iteration costs one gradient, one prox and one round, in which z crosses every edge; with Eq. (28)
    (``directed`` rows, symmetrized by exchange) the gains cross it too when they are refreshed.

    Attributes:
        source: emits p_i, p_ij1, p_ij2.
        schedule: when it is asked.
        directed: whether the source's rows of edges are directed edges; otherwise links.
        name: what tables call it.
    """

    source: GainSource
    schedule: RefreshSchedule = ALWAYS
    directed: bool = False
    name: str = "milodo"  # type: ignore[misc]  # a ClassVar elsewhere; here every trained model has its own

    @property
    def cost(self) -> Cost:
        vectors = 2 if self.directed else 1
        return Cost(rounds=vectors, vectors=vectors)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> MiLoDoState:
        rows = network.edge_link if self.directed else slice(None)
        ends = network.edge_index.flip(0) if self.directed else network.link_index
        context = GraphContext(
            smoothness=problem.smoothness().to(x0),
            self_weight=network.self_weight.to(x0),
            gap=network.gap[network.batch].to(x0),
            least=network.least[network.batch].to(x0),
            ends=ends,
            weight=network.weight[rows].to(x0),
        )
        gradient = problem.gradient(x0)
        return MiLoDoState.first(x0, gradient, self.source.start(x0, gradient, context), context)

    def step(self, problem: Problem, network: Network, state: MiLoDoState) -> MiLoDoState:
        return milodo_step(
            state,
            problem.gradient(state.x),
            problem.prox,
            self.source,
            _Edges(network, self.directed),
            refresh=self.schedule.due(state.iteration),
        )

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> MiLoDo:
        """Move the weights of the source, if it has any, and return the algorithm."""
        if isinstance(self.source, nn.Module):
            self.source.to(device=device, dtype=dtype)
        return self


@dataclass(frozen=True)
class _Edges:
    """A network's edges as the :class:`~gnn_l2o.nn.rule.Exchange` of the rule."""

    network: Network
    directed: bool

    def differences(self, z: Tensor) -> Tensor:
        return self.network.differences(z, directed=self.directed)

    def collect(self, message: Tensor) -> Tensor:
        return self.network.collect(message, directed=self.directed)

    def swap(self, value: Tensor) -> Tensor:
        return self.network.swap(value)
