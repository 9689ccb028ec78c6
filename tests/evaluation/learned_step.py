"""A model to evaluate that needs no training."""

from dataclasses import dataclass

from torch import Tensor

from gnn_l2o.algorithms.base import Algorithm, Cost
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.prox_ed import ProxEDState
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class Learned(Algorithm[ProxEDState]):
    """Stands for a learned optimizer: exact diffusion with a step that is a trained parameter."""

    weight: Tensor
    name: str = "learned"  # type: ignore[misc]
    rounds: int = 1

    @property
    def cost(self) -> Cost:
        return Cost(rounds=self.rounds, vectors=self.rounds, gradients=1, proxes=1)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> ProxEDState:
        return ProxEDState(x0, x0, x0)

    def step(self, problem: Problem, network: Network, state: ProxEDState) -> ProxEDState:
        step = self.weight.to(state.x) / problem.smoothness().max()
        psi = state.x - step * problem.gradient(state.x)
        corrected = state.z + psi - state.psi
        z = 0.5 * (corrected + network.mix(corrected))
        return ProxEDState(problem.prox(z, step), z, psi)
