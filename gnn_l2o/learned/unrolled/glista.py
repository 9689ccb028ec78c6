"""GLISTA: LISTA-CPSS with gates."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gnn_l2o.graph.network import Network
from gnn_l2o.learned.unrolled.architecture import BoundArchitecture
from gnn_l2o.learned.unrolled.layers import Layers
from gnn_l2o.learned.unrolled.lista_cp import CoupledLayer
from gnn_l2o.learned.unrolled.network import Bound, UnrolledState
from gnn_l2o.learned.unrolled.thresholds import soft_with_support, support_share, supported
from gnn_l2o.problems.dictionary import Dictionary
from gnn_l2o.problems.sparse_recovery import Measurements

OFFSET = 0.1
"""Added to the move in the denominator of the overshoot gate, which bounds it."""


class GatedLayer(CoupledLayer):
    """What a layer of LISTA-CPSS has, and its gates: a scale of every entry, ``(n,)``, and two strengths."""

    def __init__(self, measurements: int, features: int) -> None:
        super().__init__(measurements, features)
        self.scale = nn.Parameter(torch.ones(features))
        self.amplification = nn.Parameter(torch.tensor(0.1))
        self.overshoot = nn.Parameter(torch.tensor(0.1))


@dataclass(frozen=True)
class GLISTA(Bound):
    r"""GLISTA, gated LISTA (Wu, Guo, Li, Zhang 2020, ICLR, "Sparse coding with gated learned ISTA").

    .. math::
        a &= 1 + \mu_k \operatorname{relu}(1 - \operatorname{relu}(D_k |x^k|)), \qquad z = a x^k \\
        \tilde x &= \eta^{p_k}_{\theta_k}\bigl(z + W_k^\top (b - A z)\bigr), \qquad
        o = 1 - \frac{\nu_k \theta_{k-1} c}{|\tilde x - x^k| + 0.1} \\
        x^{k+1} &= o \tilde x + (1 - o) x^k

    with c the entries that did not pass the threshold of the layer before unshrunk. The first gate makes up for what
    soft thresholding has taken from small entries, the second moves farther, or less far, than the threshold says.
    Learned are :math:`W_k, \theta_k`, the diagonal :math:`D_k`, and the strengths :math:`\mu_k, \nu_k`, of any sign,
    for each layer; all layers have gates of one kind. Gates act on a node's own copy; everything else is as in
    :class:`.LISTACP`.

    Untrained, with :math:`\mu = \nu = 0`, it is LISTA-CPSS bit for bit. Training begins there, since from the large
    strengths of the paper's code it needs far more updates not to diverge.
    """

    support_rate: float = field(default=1.2, kw_only=True)
    support_max: float = field(default=13.0, kw_only=True)

    def first_memory(self, given: Measurements, network: Network, x0: Tensor) -> tuple[Tensor, ...]:
        return (torch.zeros_like(x0),)  # c is not used in the first layer

    def amplified(self, layer: GatedLayer, x: Tensor) -> Tensor:
        """Return z."""
        return (1 + layer.amplification * (1 - (layer.scale * x.abs()).relu()).relu()) * x

    def propose(
        self, layer: GatedLayer, given: Measurements, state: UnrolledState
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        dictionary, b = given
        z = self.amplified(layer, state.x)
        residual = b - dictionary.apply(z)
        return z + dictionary.correlate(residual, dictionary.at_nodes(layer.weight)), state.memory

    def accept(
        self, layer: GatedLayer, given: Measurements, average: Tensor, memory: tuple[Tensor, ...], state: UnrolledState
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        share = support_share(state.layer, self.support_rate, self.support_max)
        found = soft_with_support(average, layer.threshold, share)
        others = (~supported(average, layer.threshold, share)).to(average)
        if state.layer == 0:  # there is no threshold before
            return found, (others,)
        before = self.weights[state.layer - 1].threshold
        overshoot = layer.overshoot * before * memory[0] / ((found - state.x).abs() + OFFSET)
        return found - overshoot * (found - state.x), (others,)


@dataclass(frozen=True)
class GLISTAArchitecture(BoundArchitecture):
    """GLISTA.

    Attributes:
        support_rate: percent of the entries, times the number of the layer, that pass its threshold unshrunk.
        support_max: percent of the entries that pass at most.
    """

    name = "glista"
    description = "GLISTA, LISTA-CPSS with gates: a matrix, a vector and three numbers learned for each layer"

    support_rate: float = 1.2
    support_max: float = 13.0

    def build(self) -> Layers[GatedLayer]:
        return Layers([GatedLayer(*self.size) for _ in range(self.depth)])

    def emit_classical(self, weights: Layers[GatedLayer], dictionary: Dictionary) -> None:
        for layer in weights:
            layer.emit_ista(dictionary)
            nn.init.constant_(layer.scale, 1.0)
            nn.init.constant_(layer.amplification, 0.0)
            nn.init.constant_(layer.overshoot, 0.0)

    def algorithm(self, weights: Layers[GatedLayer], name: str | None = None) -> GLISTA:
        return GLISTA(
            weights,
            name or self.name,
            sums=self.sums,
            rounds=self.rounds,
            dictionary=self.dictionary,
            support_rate=self.support_rate,
            support_max=self.support_max,
        )
