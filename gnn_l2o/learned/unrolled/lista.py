"""LISTA: ISTA with learned matrices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gnn_l2o.graph.network import Network
from gnn_l2o.learned.unrolled.architecture import BoundArchitecture
from gnn_l2o.learned.unrolled.layers import Layers, random_matrix
from gnn_l2o.learned.unrolled.network import Bound, UnrolledState
from gnn_l2o.learned.unrolled.thresholds import THRESHOLD, soft
from gnn_l2o.problems.dictionary import Dictionary
from gnn_l2o.problems.sparse_recovery import Measurements


class Encoder(nn.Module):
    """The matrix that all layers share, ``(m, n)``, the transpose of the paper's W_e."""

    def __init__(self, measurements: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(random_matrix(measurements, features))


class LISTALayer(nn.Module):
    """The threshold of a layer, and its matrix S, ``(n, n)``; the first layer has none."""

    def __init__(self, features: int, *, is_first: bool) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(0.1))
        self.weight = None if is_first else nn.Parameter(random_matrix(features, features))


@dataclass(frozen=True)
class LISTA(Bound):
    r"""LISTA (Gregor, LeCun 2010, ICML, "Learning fast approximations of sparse coding").

    .. math::
        x^1 = \eta_{\theta_1}(W_e b), \qquad x^{k+1} = \eta_{\theta_{k+1}}(W_e b + S_k x^k)

    Learned are :math:`W_e`, which all layers share, and a matrix :math:`S_k` and a threshold for each layer. (In the
    paper all layers share S as well.)

    The columns of :math:`W_e` that meet the rows of node i live there; the nodes average :math:`N W_{e,i} b_i` once,
    before the first layer, which is all communication: the :math:`S_k`, n x n, are copied to every node. The initial
    point of a run does not enter. The weights belong to one dictionary, and run on any graph over any nodes.

    Untrained, with :math:`W_e = A^\top / L`, :math:`S = I - A^\top A / L` and :math:`\theta = 0.4 / L`, it is ISTA.
    """

    sums_a_layer = 0
    gradients = 0

    def first_memory(self, given: Measurements, network: Network, x0: Tensor) -> tuple[Tensor, ...]:
        dictionary, b = given
        encoded, _ = self.averages(
            network, dictionary.correlate(b, dictionary.at_nodes(self.weights.shared.weight)), None
        )
        return (encoded,)

    def propose(
        self, layer: LISTALayer, given: Measurements, state: UnrolledState
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        encoded = state.memory[0]
        return encoded if layer.weight is None else encoded + state.x @ layer.weight.t(), state.memory

    def accept(
        self, layer: LISTALayer, given: Measurements, average: Tensor, memory: tuple[Tensor, ...], state: UnrolledState
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        return soft(average, layer.threshold), memory


@dataclass(frozen=True)
class LISTAArchitecture(BoundArchitecture):
    """LISTA."""

    name = "lista"
    description = "LISTA, ISTA with a matrix and a threshold learned for each layer"

    def build(self) -> Layers[LISTALayer]:
        measurements, features = self.size
        layers = [LISTALayer(features, is_first=k == 0) for k in range(self.depth)]
        return Layers(layers, Encoder(measurements, features))

    def emit_classical(self, weights: Layers[LISTALayer], dictionary: Dictionary) -> None:
        a, smoothness = dictionary.whole(), float(dictionary.smoothness[0])
        step = torch.eye(a.size(1)).to(a) - a.t() @ a / smoothness
        with torch.no_grad():
            weights.shared.weight.copy_(a / smoothness)
            for layer in weights:
                layer.threshold.fill_(THRESHOLD / smoothness)
                if layer.weight is not None:
                    layer.weight.copy_(step)

    def algorithm(self, weights: Layers[LISTALayer], name: str | None = None) -> LISTA:
        return LISTA(weights, name or self.name, sums=self.sums, rounds=self.rounds, dictionary=self.dictionary)
