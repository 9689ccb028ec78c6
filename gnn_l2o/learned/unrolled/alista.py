"""ALISTA: analytic weights, and a step and a threshold learned for each layer."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gnn_l2o.learned.unrolled.architecture import UnrolledArchitecture
from gnn_l2o.learned.unrolled.layers import Layers
from gnn_l2o.learned.unrolled.network import Unrolled, UnrolledState
from gnn_l2o.learned.unrolled.thresholds import THRESHOLD, soft_with_support, support_share
from gnn_l2o.problems.dictionary import Dictionary
from gnn_l2o.problems.sparse_recovery import Measurements

STABLE = 1.95
"""Largest step of exact diffusion, times the largest eigenvalue of any node; it is stable below 2."""


class StepAndThreshold(nn.Module):
    """The two numbers of a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Parameter(torch.tensor(1.0))
        self.threshold = nn.Parameter(torch.tensor(0.1))


@dataclass(frozen=True)
class ALISTA(Unrolled):
    r"""ALISTA (Liu, Chen, Wang, Yin 2019, ICLR, "ALISTA: analytic weights are as good as learned weights in
    LISTA").

    .. math::
        x^{k+1} = \eta^{p_k}_{\theta_k}\bigl(x^k + \gamma_k W^\top (b - A x^k)\bigr)

    with :math:`\eta^p_\theta` soft thresholding with support selection (:func:`.soft_with_support`). Learned are the
    step :math:`\gamma_k` and the threshold :math:`\theta_k` of every layer, 2T numbers in all; W follows from A alone
    (:func:`.analytic_weights`). Node i averages :math:`x_i + \gamma_k N W_i^\top (b_i - A_i x_i)` with the others.

    The weights run on any graph and, within reason, for any dictionary of the same proportions and density. The rows
    :math:`W_i` live at the nodes; W depends on all of A and is found at design time, not during the run.

    Exact diffusion is unstable where a step exceeds 2 over the largest eigenvalue of any :math:`N W_i^\top A_i`, which
    is far above that of their average :math:`W^\top A`; on most signals thresholds conceal that, on a few they do not.
    So with exact diffusion steps are at most 1.95 over that eigenvalue, which is known at design time like W.

    Attributes:
        support_rate: percent of the entries, times the number of the layer, that pass its threshold unshrunk.
        support_max: percent of the entries that pass at most.

    Untrained, with :math:`\gamma = 1` and :math:`\theta = 0.4/L`, it is ISTA with W in place of A/L.
    """

    needs_dictionary = True

    support_rate: float = field(default=1.2, kw_only=True)
    support_max: float = field(default=13.0, kw_only=True)

    def propose(
        self, layer: StepAndThreshold, given: Measurements, state: UnrolledState
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        dictionary, b = given
        correction = dictionary.correlate(b - dictionary.apply(state.x), dictionary.analytic)
        return state.x + self._step(layer, dictionary, len(state.x)) * correction, ()

    def _step(self, layer: StepAndThreshold, dictionary: Dictionary, rows: int) -> Tensor:
        """Return the step, a number or ``(N, 1)``."""
        if self.sums != "exact_diffusion":
            return layer.step
        bound = torch.where(dictionary.peers > 1, STABLE / dictionary.analytic_curvature, torch.inf)
        return torch.minimum(layer.step, dictionary.of_copies(bound, rows))

    def accept(
        self,
        layer: StepAndThreshold,
        given: Measurements,
        average: Tensor,
        memory: tuple[Tensor, ...],
        state: UnrolledState,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        share = support_share(state.layer, self.support_rate, self.support_max)
        return soft_with_support(average, layer.threshold, share), ()


@dataclass(frozen=True)
class ALISTAArchitecture(UnrolledArchitecture):
    """ALISTA.

    Attributes:
        support_rate: percent of the entries, times the number of the layer, that pass its threshold unshrunk.
        support_max: percent of the entries that pass at most.
        initial_step: the step of all layers before training; less than 1 for exact diffusion, since the rows of a node
            alone are far more curved than their average.
    """

    name = "alista"
    description = "ALISTA, with analytic weights, and a step and a threshold for each layer"
    scope = (
        "It recovers sparse signals from few measurements, for dictionaries of the proportions and signals of the "
        "density it was trained on, their rows split over the nodes of any graph, in as many steps as layers."
    )
    support_rate: float = 1.2
    support_max: float = 13.0
    initial_step: float = 1.0

    def build(self) -> Layers[StepAndThreshold]:
        return Layers([StepAndThreshold() for _ in range(self.depth)])

    def emit_classical(self, weights: Layers[StepAndThreshold], dictionary: Dictionary) -> None:
        for layer in weights:
            nn.init.constant_(layer.step, self.initial_step)
            nn.init.constant_(layer.threshold, self.initial_step * THRESHOLD / float(dictionary.smoothness[0]))

    def algorithm(self, weights: Layers[StepAndThreshold], name: str | None = None) -> ALISTA:
        return ALISTA(
            weights,
            name or self.name,
            sums=self.sums,
            rounds=self.rounds,
            support_rate=self.support_rate,
            support_max=self.support_max,
        )
