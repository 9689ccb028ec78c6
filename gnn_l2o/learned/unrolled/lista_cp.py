"""LISTA with coupled weights, and with support selection."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from gnn_l2o.learned.unrolled.architecture import BoundArchitecture
from gnn_l2o.learned.unrolled.layers import Layers, random_matrix
from gnn_l2o.learned.unrolled.network import Bound, UnrolledState
from gnn_l2o.learned.unrolled.thresholds import THRESHOLD, soft_with_support, support_share
from gnn_l2o.problems.dictionary import Dictionary
from gnn_l2o.problems.sparse_recovery import Measurements


class CoupledLayer(nn.Module):
    """The matrix W, ``(m, n)``, and the threshold of a layer."""

    def __init__(self, measurements: int, features: int) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(0.1))
        self.weight = nn.Parameter(random_matrix(measurements, features))

    def emit_ista(self, dictionary: Dictionary) -> None:
        """Set the layer to a step of ISTA."""
        smoothness = float(dictionary.smoothness[0])
        with torch.no_grad():
            self.threshold.fill_(THRESHOLD / smoothness)
            self.weight.copy_(dictionary.whole() / smoothness)


@dataclass(frozen=True)
class LISTACP(Bound):
    r"""LISTA-CP and LISTA-CPSS (Chen, Liu, Wang, Yin 2018, arXiv:1808.10038).

    .. math:: x^{k+1} = \eta^{p_k}_{\theta_k}\bigl(x^k + W_k^\top (b - A x^k)\bigr)

    Learned are a matrix :math:`W_k` of the size of A and a threshold for each layer. LISTA-CP has coupled weights alone
    (p = 0), LISTA-CPSS also support selection (:func:`.soft_with_support`). The rows of :math:`W_k` live at the nodes
    that hold those of A, and node i averages :math:`x_i + N W_{k,i}^\top (b_i - A_i x_i)` with the others. The weights
    belong to one dictionary, and run on any graph over any nodes.

    Untrained, with :math:`W = A / L` and :math:`\theta = 0.4 / L`, LISTA-CP is ISTA.
    """

    support_rate: float = field(default=0.0, kw_only=True)
    support_max: float = field(default=0.0, kw_only=True)

    def propose(
        self, layer: CoupledLayer, given: Measurements, state: UnrolledState
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        dictionary, b = given
        residual = b - dictionary.apply(state.x)
        return state.x + dictionary.correlate(residual, dictionary.at_nodes(layer.weight)), ()

    def accept(
        self,
        layer: CoupledLayer,
        given: Measurements,
        average: Tensor,
        memory: tuple[Tensor, ...],
        state: UnrolledState,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        share = support_share(state.layer, self.support_rate, self.support_max)
        return soft_with_support(average, layer.threshold, share), ()


@dataclass(frozen=True)
class LISTACPArchitecture(BoundArchitecture):
    """LISTA-CP."""

    name = "lista_cp"
    description = "LISTA-CP, LISTA with coupled weights: a matrix and a threshold learned for each layer"

    def build(self) -> Layers[CoupledLayer]:
        return Layers([CoupledLayer(*self.size) for _ in range(self.depth)])

    def emit_classical(self, weights: Layers[CoupledLayer], dictionary: Dictionary) -> None:
        for layer in weights:
            layer.emit_ista(dictionary)

    def algorithm(self, weights: Layers[CoupledLayer], name: str | None = None) -> LISTACP:
        return LISTACP(weights, name or self.name, sums=self.sums, rounds=self.rounds, dictionary=self.dictionary)


@dataclass(frozen=True)
class LISTACPSSArchitecture(LISTACPArchitecture):
    """LISTA-CPSS.

    Attributes:
        support_rate: percent of the entries, times the number of the layer, that pass its threshold unshrunk.
        support_max: percent of the entries that pass at most.
    """

    name = "lista_cpss"
    description = "LISTA-CPSS, LISTA with coupled weights and support selection: a matrix and a threshold a layer"

    support_rate: float = 1.2
    support_max: float = 13.0

    def algorithm(self, weights: Layers[CoupledLayer], name: str | None = None) -> LISTACP:
        coupled = super().algorithm(weights, name)
        return replace(coupled, support_rate=self.support_rate, support_max=self.support_max)
