"""LFISTA: FISTA with learned matrices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gnn_l2o.graph.network import Network
from gnn_l2o.learned.unrolled.architecture import BoundArchitecture
from gnn_l2o.learned.unrolled.layers import Layers, random_matrix
from gnn_l2o.learned.unrolled.lista import LISTA, Encoder
from gnn_l2o.learned.unrolled.network import UnrolledState
from gnn_l2o.learned.unrolled.thresholds import THRESHOLD, soft
from gnn_l2o.problems.dictionary import Dictionary
from gnn_l2o.problems.sparse_recovery import Measurements


class LFISTALayer(nn.Module):
    """The threshold of a layer, and its matrices for the last two estimates; the first layer has none."""

    def __init__(self, features: int, *, is_first: bool) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(0.1))
        self.last = None if is_first else nn.Parameter(random_matrix(features, features))
        self.before = None if is_first else nn.Parameter(random_matrix(features, features))


@dataclass(frozen=True)
class LFISTA(LISTA):
    r"""LFISTA, learned FISTA (Moreau, Bruna 2017, arXiv:1609.00285).

    .. math::
        x^1 = \eta_{\theta_1}(W_e b), \qquad
        x^{k+1} = \eta_{\theta_{k+1}}\bigl(W_e b + W_{g,k} x^k + W_{m,k} x^{k-1}\bigr)

    Learned are :math:`W_e`, which all layers share, and two matrices and a threshold for each layer. What lives where,
    and what is communicated, is as in :class:`.LISTA`.

    Untrained, with :math:`W_e = A^\top / L`, :math:`W_g = (1 + m_k) S`, :math:`W_m = -m_k S`, :math:`S = I - A^\top A /
    L` and the momentum :math:`m_k` of FISTA, it is FISTA.
    """

    def first_memory(self, given: Measurements, network: Network, x0: Tensor) -> tuple[Tensor, ...]:
        return (*super().first_memory(given, network, x0), x0)

    def propose(  # type: ignore[override]  # layers of another kind
        self, layer: LFISTALayer, given: Measurements, state: UnrolledState
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        encoded, before = state.memory
        if layer.last is None or layer.before is None:
            return encoded, (encoded, state.x)
        return encoded + state.x @ layer.last.t() + before @ layer.before.t(), (encoded, state.x)

    def accept(  # type: ignore[override]  # layers of another kind
        self, layer: LFISTALayer, given: Measurements, average: Tensor, memory: tuple[Tensor, ...], state: UnrolledState
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        return soft(average, layer.threshold), memory


@dataclass(frozen=True)
class LFISTAArchitecture(BoundArchitecture):
    """LFISTA."""

    name = "lfista"
    description = "LFISTA, FISTA with two matrices and a threshold learned for each layer"

    def build(self) -> Layers[LFISTALayer]:
        measurements, features = self.size
        layers = [LFISTALayer(features, is_first=k == 0) for k in range(self.depth)]
        return Layers(layers, Encoder(measurements, features))

    def emit_classical(self, weights: Layers[LFISTALayer], dictionary: Dictionary) -> None:
        a, smoothness = dictionary.whole(), float(dictionary.smoothness[0])
        step = torch.eye(a.size(1)).to(a) - a.t() @ a / smoothness
        momentum, t = 0.0, 1.0
        with torch.no_grad():
            weights.shared.weight.copy_(a / smoothness)
            for layer in weights:
                layer.threshold.fill_(THRESHOLD / smoothness)
                if layer.last is not None and layer.before is not None:
                    layer.last.copy_((1 + momentum) * step)
                    layer.before.copy_(-momentum * step)
                following = 0.5 + (0.25 + t * t) ** 0.5
                momentum, t = (t - 1) / following, following

    def algorithm(self, weights: Layers[LFISTALayer], name: str | None = None) -> LFISTA:
        return LFISTA(weights, name or self.name, sums=self.sums, rounds=self.rounds, dictionary=self.dictionary)
