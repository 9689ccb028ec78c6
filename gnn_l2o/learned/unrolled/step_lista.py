"""Step-LISTA: ISTA with a learned step size for each layer."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gnn_l2o.learned.unrolled.architecture import UnrolledArchitecture
from gnn_l2o.learned.unrolled.layers import Layers
from gnn_l2o.learned.unrolled.network import Unrolled, UnrolledState
from gnn_l2o.learned.unrolled.thresholds import soft
from gnn_l2o.problems.dictionary import Dictionary
from gnn_l2o.problems.sparse_recovery import Measurements


class Step(nn.Module):
    """The number of a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Parameter(torch.tensor(1.0))


@dataclass(frozen=True)
class StepLISTA(Unrolled):
    r"""Step-LISTA, called SLISTA in the paper (Ablin, Moreau, Massias, Gramfort 2019, arXiv:1905.11071).

    .. math::
        x^{k+1} = \eta_{\lambda s_k / L}\bigl(x^k + \tfrac{s_k}{L} A^\top (b - A x^k)\bigr), \qquad L = 1.001 \|A\|_2^2

    Learned is one number :math:`s_k` a layer, in units of 1/L (the paper's are absolute). Training minimizes the LASSO
    :math:`\tfrac12 \|A x - b\|^2 + \lambda \|x\|_1` of the layer's estimates, without knowing x*. So, unlike the other
    networks, it approaches the solution of that LASSO. Node i averages :math:`x_i + \tfrac{s_k}{L} N A_i^\top (b_i -
    A_i x_i)` with the others. The weights run on any graph and any dictionary.

    Untrained, with :math:`s = 1`, it is ISTA.
    """

    needs_dictionary = True
    validation_label = "mean LASSO objective of the held-out signals"
    l1_weight: float = field(default=0.1, kw_only=True)

    def propose(self, layer: Step, given: Measurements, state: UnrolledState) -> tuple[Tensor, tuple[Tensor, ...]]:
        dictionary, b = given
        residual = b - dictionary.apply(state.x)
        return state.x + self._step(layer, given, state.x) * dictionary.correlate(residual, dictionary.rows), ()

    def accept(
        self, layer: Step, given: Measurements, average: Tensor, memory: tuple[Tensor, ...], state: UnrolledState
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        return soft(average, self.l1_weight * self._step(layer, given, state.x)), ()

    @staticmethod
    def _step(layer: Step, given: Measurements, x: Tensor) -> Tensor:
        """Return s / L of every node's dictionary, ``(N, 1)``."""
        return layer.step / given.dictionary.of_copies(given.dictionary.smoothness, len(x))

    def loss(self, given: Measurements, x: Tensor, target: Tensor) -> Tensor:
        dictionary, b = given
        misfit = (b - dictionary.apply(x)).square().sum(dim=1)
        peers = dictionary.of_copies(dictionary.peers.to(x), len(x)).squeeze(1)
        return 0.5 * peers * misfit + self.l1_weight * x.abs().sum(dim=1)

    def validation(self, given: Measurements, x: Tensor, target: Tensor) -> Tensor:
        return self.loss(given, x, target).mean()


@dataclass(frozen=True)
class StepLISTAArchitecture(UnrolledArchitecture):
    """Step-LISTA.

    Attributes:
        lasso_weight: lambda, the weight of the l1 norm in the LASSO that is minimized.
    """

    name = "step_lista"
    description = "Step-LISTA, ISTA with a step size for each layer"
    scope = "It solves LASSO approximately for any dictionary, its rows split over the nodes of any graph."

    lasso_weight: float = 0.1

    def build(self) -> Layers[Step]:
        return Layers([Step() for _ in range(self.depth)])

    def emit_classical(self, weights: Layers[Step], dictionary: Dictionary) -> None:
        for layer in weights:
            nn.init.constant_(layer.step, 1.0)

    def algorithm(self, weights: Layers[Step], name: str | None = None) -> StepLISTA:
        return StepLISTA(weights, name or self.name, sums=self.sums, rounds=self.rounds, l1_weight=self.lasso_weight)
