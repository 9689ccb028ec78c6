"""LAMP: approximate message passing with learned matrices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gnn_l2o.graph.network import Network
from gnn_l2o.learned.unrolled.architecture import BoundArchitecture
from gnn_l2o.learned.unrolled.layers import Layers, random_matrix
from gnn_l2o.learned.unrolled.network import Bound, UnrolledState
from gnn_l2o.learned.unrolled.thresholds import soft
from gnn_l2o.problems.dictionary import Dictionary
from gnn_l2o.problems.sparse_recovery import Measurements

FACTOR = 1.1402
"""Times the deviation of the residual the threshold of AMP (Borgerding, Schniter, Rangan 2017)."""


class LAMPLayer(nn.Module):
    """The matrix, ``(m, n)``, the transpose of the paper's B, and the factor of the threshold of a layer."""

    def __init__(self, measurements: int, features: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(FACTOR))
        self.weight = nn.Parameter(random_matrix(measurements, features))


@dataclass(frozen=True)
class LAMP(Bound):
    r"""LAMP, learned approximate message passing (Borgerding, Schniter, Rangan 2017, arXiv:1612.01183).

    .. math::
        v^k     &= b - A x^k + \tfrac1m \|x^k\|_0 v^{k-1}, \qquad v^{-1} = 0 \\
        x^{k+1} &= \eta_{\theta_k}(x^k + B_k v^k), \qquad \theta_k = l_k \|v^k\| / \sqrt m

    Learned are a matrix :math:`B_k` and a number :math:`l_k` for each layer. Node i keeps :math:`v_i`, of its rows, and
    takes the number of nonzeros from its own estimate; it averages :math:`x_i + N B_{k,i} v_i` with the others, and
    with that vector the number :math:`N \|v_i\|^2`. The weights belong to one dictionary, and run on any graph.

    Untrained, with :math:`B = A^\top` and :math:`l = 1.1402`, it is AMP.
    """

    numbers = 1

    def first_memory(self, given: Measurements, network: Network, x0: Tensor) -> tuple[Tensor, ...]:
        return (torch.zeros_like(given.b),)

    def propose(self, layer: LAMPLayer, given: Measurements, state: UnrolledState) -> tuple[Tensor, tuple[Tensor, ...]]:
        dictionary, b = given
        nonzeros = (state.x != 0).to(b).sum(dim=1, keepdim=True)
        residual = b - dictionary.apply(state.x) + nonzeros / dictionary.total * state.memory[0]
        proposed = state.x + dictionary.correlate(residual, dictionary.at_nodes(layer.weight))
        peers = dictionary.of_copies(dictionary.peers.to(residual), len(residual))
        power = peers * residual.square().sum(dim=1, keepdim=True)
        return torch.cat([proposed, power], dim=1), (residual,)

    def accept(
        self, layer: LAMPLayer, given: Measurements, average: Tensor, memory: tuple[Tensor, ...], state: UnrolledState
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        # Gossip may leave a small power slightly below zero.
        power = average[:, -1:].clamp(min=torch.finfo(average.dtype).tiny)
        threshold = layer.factor * (power / given.dictionary.total).sqrt()
        return soft(average[:, :-1], threshold), memory


@dataclass(frozen=True)
class LAMPArchitecture(BoundArchitecture):
    """LAMP."""

    name = "lamp"
    description = "LAMP, approximate message passing with a matrix and a number learned for each layer"

    def build(self) -> Layers[LAMPLayer]:
        return Layers([LAMPLayer(*self.size) for _ in range(self.depth)])

    def emit_classical(self, weights: Layers[LAMPLayer], dictionary: Dictionary) -> None:
        with torch.no_grad():
            for layer in weights:
                layer.factor.fill_(FACTOR)
                layer.weight.copy_(dictionary.whole())

    def algorithm(self, weights: Layers[LAMPLayer], name: str | None = None) -> LAMP:
        return LAMP(weights, name or self.name, sums=self.sums, rounds=self.rounds, dictionary=self.dictionary)
