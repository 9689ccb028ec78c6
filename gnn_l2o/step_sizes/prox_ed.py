"""Proximal exact diffusion that learns its step size."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.prox_ed import ProxEDState
from gnn_l2o.problems import Problem
from gnn_l2o.step_sizes.tangent import TangentMethod, WithTangent, prox_with_tangent


@dataclass(frozen=True, eq=False)
class MetaProxED(TangentMethod[ProxEDState]):
    r""":class:`.ProxED` with a learned step size, see :class:`.TangentMethod`.

    Its recursion, with :math:`T_\psi`, T_z and T_x the tangents of psi, z and x:

    .. math::
        T_\psi^+ &= \gamma T_x - \alpha \nabla f(x), \qquad
        T_z^+ = \tfrac12 (I + W) (\gamma T_z + T_\psi^+ - \gamma T_\psi) \\
        T_x^+ &= \partial_z \operatorname{prox}_{\alpha r}(z^+)\, T_z^+
                + \alpha\, \partial_\alpha \operatorname{prox}_{\alpha r}(z^+)

    Steps stay below :math:`0.95 \cdot 2 / L`. Costs one gradient, one prox and two mixings an iteration, with two
    numbers.

    Attributes:
        step_size: the first alpha.
        learner: what moves it.
        discount: gamma.
    """

    name = "meta_prox_ed"
    cost = Cost(rounds=2, vectors=2, numbers=2, gradients=1, proxes=1)

    def stable(self, network: Network) -> float:
        return 2.0

    def first(self, problem: Problem, network: Network, x0: Tensor) -> ProxEDState:
        return ProxEDState(x=x0, z=x0, psi=x0)

    def step(self, problem: Problem, network: Network, state: WithTangent[ProxEDState]) -> WithTangent[ProxEDState]:
        now, kept = state.state, self.discounted(state.tangent)
        alpha, gradient = self.learner.step_size(state.steps, problem), problem.gradient(now.x)
        steps, numbers = self.learned(state.steps, state.tangent.x, gradient, now.x, problem)
        descent = alpha * gradient
        psi, t_psi = now.x - descent, kept.x - descent
        corrected, t_corrected = now.z + psi - now.psi, kept.z + t_psi - kept.psi
        z = 0.5 * (corrected + network.mix(corrected))
        t_mixed, numbers = network.mix_with(t_corrected, numbers)
        t_z = 0.5 * (t_corrected + t_mixed)
        x, t_x = prox_with_tangent(problem, z, t_z, alpha)
        return WithTangent(
            ProxEDState(x=x, z=z, psi=psi), ProxEDState(x=t_x, z=t_z, psi=t_psi), self.learner.mixed(steps, numbers)
        )
