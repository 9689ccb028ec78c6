"""PG-EXTRA that learns its step size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.pg_extra import PGExtraState
from gnn_l2o.problems import Problem
from gnn_l2o.step_sizes.tangent import TangentMethod, WithTangent, prox_with_tangent


@dataclass(frozen=True, eq=False)
class MetaPGExtra(TangentMethod[PGExtraState]):
    r""":class:`.PGExtra` with a learned step size, see :class:`.TangentMethod`; EXTRA where there is no regularizer.

    Its recursion, with l the ``last`` of the state:

    .. math::
        T_z^+ &= \gamma (T_z - T_l) + \gamma W T_x - \alpha \nabla f(x), \qquad
        T_l^+ = \tfrac12 \gamma (T_x + W T_x) - \alpha \nabla f(x) \\
        T_x^+ &= \partial_z \operatorname{prox}_{\alpha r}(z^+)\, T_z^+
                + \alpha\, \partial_\alpha \operatorname{prox}_{\alpha r}(z^+)

    Steps stay below :math:`0.95\, (1 + \lambda_{\min}(W)) / L`. Costs one gradient, one prox and two mixings an
    iteration, with two numbers.

    Attributes:
        step_size: the first alpha.
        learner: what moves it.
        discount: gamma.
    """

    name = "meta_pg_extra"
    cost = Cost(rounds=2, vectors=2, numbers=2, gradients=1, proxes=1)
    known: ClassVar[frozenset[str]] = frozenset({"min_eigenvalue"})

    def stable(self, network: Network) -> Tensor:
        return 1 + network.at_nodes(network.min_eigenvalue)

    def first(self, problem: Problem, network: Network, x0: Tensor) -> PGExtraState:
        return PGExtraState(x=x0, z=x0, last=x0)

    def step(self, problem: Problem, network: Network, state: WithTangent[PGExtraState]) -> WithTangent[PGExtraState]:
        now, kept = state.state, self.discounted(state.tangent)
        alpha, gradient = self.learner.step_size(state.steps, problem), problem.gradient(now.x)
        steps, numbers = self.learned(state.steps, state.tangent.x, gradient, now.x, problem)
        descent, mixed = alpha * gradient, network.mix(now.x)
        t_mixed, numbers = network.mix_with(kept.x, numbers)
        z, t_z = (now.z - now.last) + mixed - descent, (kept.z - kept.last) + t_mixed - descent
        x, t_x = prox_with_tangent(problem, z, t_z, alpha)
        return WithTangent(
            PGExtraState(x=x, z=z, last=0.5 * (now.x + mixed) - descent),
            PGExtraState(x=t_x, z=t_z, last=0.5 * (kept.x + t_mixed) - descent),
            self.learner.mixed(steps, numbers),
        )
