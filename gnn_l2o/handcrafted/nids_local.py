"""Network independent step sizes, with a step of every node's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.curvature import added_curvature
from gnn_l2o.algorithms.tunable import Choice, Range, Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class NIDSLocalState:
    """State of :class:`NIDSLocal`."""

    x: Tensor  # (N, d), the iterate, after the prox
    z: Tensor  # (N, d), the same before the prox
    psi: Tensor  # (N, d), the last local gradient step
    step: Tensor  # (N, 1), alpha
    weight: Tensor  # (N, 1), c alpha
    first: bool  # whether the first step is still to come


@dataclass(frozen=True, eq=False)
class NIDSLocal(Tunable[NIDSLocalState]):
    r"""NIDS (Li, Shi, Yan 2019, IEEE TSP 67(17), arXiv:1704.07807) with a step of every node's own.

    .. math::
        \psi_i^{k+1} &= x_i^k - \alpha_i \nabla f_i(x_i^k) \\
        z^1          &= \psi^1 \\
        z^{k+1}      &= z^k - x^k + \tilde W (x^k + \psi^{k+1} - \psi^k),
                     \qquad \tilde W = I - c \Lambda (I - W), \; \Lambda = \operatorname{Diag}(\alpha_i)   && k \ge 1 \\
        x_i^{k+1}    &= \operatorname{prox}_{\alpha_i r}(z_i^{k+1})

    with :math:`\alpha_i = a / L_i` and :math:`c = \sigma / ((1 - \lambda_N) \max_i \alpha_i)`; :math:`\lambda_N` is the
    smallest eigenvalue of W, or 0 if that is positive. :class:`.NIDS` has one step and :math:`c = 1 / (2 \alpha)`,
    which is smaller than :math:`\sigma = 1` here. Nodes learn the smallest L_i of the graph before the first
    iteration.

    Step size: a < 2, whatever the network, and :math:`\sigma \le 1`. This is enough, since the iteration is the
    primal-dual fixed-point method (Loris, Verhoeven 2011, Inverse Problems 27(12)) for :math:`(I - W)^{1/2} x = 0` in
    the metric of Lambda. Where f = 0 and all steps are equal, it converges while :math:`\sigma < \frac43` and diverges
    beyond. Costs one gradient, one prox and one mixing an iteration, the first no mixing.

    Attributes:
        step_size: a, the steps in units of every node's own 1 / L_i.
        dual_step: sigma.
    """

    name = "nids_local"
    label = "NIDS, local steps"
    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_size": Range(0.7, 24.0),
        "dual_step": Range(0.9, 1.3, points=2),
    }
    cost = Cost(rounds=1, vectors=1, gradients=1, proxes=1)
    setup_cost = Cost(rounds=-1, vectors=-1)
    setup_knowledge = frozenset({"min_eigenvalue", "graph_max"})

    step_size: float | Tensor
    dual_step: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> NIDSLocalState:
        smoothness = problem.smoothness().to(x0)
        smoothness = smoothness + added_curvature(smoothness, network, 0.0)  # a node without data has a step as well
        # c alpha_i = sigma / (1 - lambda_N) * alpha_i / max alpha, and the largest step is that of the smallest L_i.
        relative = network.graph_min(smoothness, setup=True) / smoothness
        weight = self.dual_step * relative / network.at_nodes(1 - network.min_eigenvalue)
        return NIDSLocalState(x=x0, z=x0, psi=x0, step=self.step_size / smoothness, weight=weight, first=True)

    def step(self, problem: Problem, network: Network, state: NIDSLocalState) -> NIDSLocalState:
        x, alpha = state.x, state.step
        psi = x - alpha * problem.gradient(x)
        if state.first:
            z = psi
        else:
            corrected = x + psi - state.psi
            z = (state.z - x) + corrected - state.weight * (corrected - network.mix(corrected))
        return NIDSLocalState(problem.prox(z, alpha), z=z, psi=psi, step=alpha, weight=state.weight, first=False)
