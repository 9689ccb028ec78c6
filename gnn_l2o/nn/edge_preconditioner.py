"""The networks that emit p_ij1 and p_ij2."""

from __future__ import annotations

import math
from typing import Literal, cast

import torch
from torch import Tensor, nn

from gnn_l2o.graph.communication import Ends
from gnn_l2o.graph.exchange import Exchange
from gnn_l2o.nn.features import in_units, known_features, signed_log, stack
from gnn_l2o.nn.lstm import CoordinateLSTM, Memory, logit
from gnn_l2o.nn.node_preconditioner import Parametrization
from gnn_l2o.nn.stability import StabilityBounds, max_dual_step_size, min_dual_step_size

_SEEN = 3  # features that change during a run
Symmetrize = Literal["even", "mean"]
EdgeWeights = Literal["edge", "coordinate"]


class EdgePreconditioner(nn.Module):
    r"""Emits :math:`p_{ij1} = p_{ji1}` and :math:`p_{ij2}` of every edge (He et al. 2024, Eqs. (26)-(28)).

    With ``parametrization="scale_free"`` one LSTM has two outputs, shares of the largest stable values
    (:func:`bounded_edge_weights`). Its inputs are the logarithms of the present and the last difference and of the size
    of z, and the constant features (:func:`.known_at_edges`). With ``parametrization="paper"`` there are two networks
    :math:`\phi_S, \phi_U` on the bare difference, :math:`\tilde p_{ij1} = w_{ij} \exp(o)` and
    :math:`p_{ij2} = w_{ij} \mathrm{ReLU}(o')`. The weight w_ij is a factor, not a bias, so that the networks serve
    every graph.

    How the two ends agree on :math:`p_{ij1}`:

    - ``symmetrize="even"``: the inputs of the networks are known at both ends and do not change when the ends are
      exchanged (the difference's absolute value). Both ends compute the same, :math:`p_{ij1}` is not sent, and an
      undirected edge needs one evaluation instead of two. Then :math:`p_{ij2} = p_{ji2}` too.
    - ``symmetrize="mean"``: :math:`p_{ij1} = (\tilde p_{ij1} + \tilde p_{ji1}) / 2`, Eq. (28), which costs a second
      vector an edge. Rows are directed edges.

    Args:
        hidden_features: width of the LSTMs.
        parametrization: which of the two.
        symmetrize: which of the two.
        spectral_gap: whether the scale-free network's inputs include spectrum and size of the graph.
        log_features: whether the scale-free network's inputs are logarithms; otherwise values in the nodes' unit.
        skip_connection: whether its features also go past the LSTM, see :class:`CoordinateLSTM`.
        edge_weights: ``"coordinate"`` for values of every coordinate; ``"edge"`` for one of each kind an edge, from the
            means of the features over the coordinates: then the mixing that they stand for is one sparse matrix.

    Shape:
        R rows of edges, N nodes, d coordinates.

        - **step_size**: p at both ends, ``(R, d)`` or ``(R, 1)``; ``None`` in the paper's parametrization
        - **difference**, **last_difference**: z_i - z_j of this and of the last step, ``(R, d)``
        - **magnitude**: :math:`|z_i| + |z_j|`, ``(R, d)``
        - **unit**: the mean of both ends' :func:`~gnn_l2o.nn.features.first_step_size`, ``(R, 1)``
        - **known**: :func:`.known_at_edges`, stacked, ``(features, R, 1)``
        - **output**: :math:`p_{ij1}` and :math:`p_{ij2}`, each ``(R, d)`` or ``(R, 1)``, and the new memory
    """

    def __init__(
        self,
        hidden_features: int = 20,
        *,
        parametrization: Parametrization = "scale_free",
        symmetrize: Symmetrize = "even",
        spectral_gap: bool = True,
        log_features: bool = True,
        skip_connection: bool = True,
        edge_weights: EdgeWeights = "coordinate",
    ) -> None:
        super().__init__()
        self.parametrization, self.symmetrize, self.edge_weights = parametrization, symmetrize, edge_weights
        self.scaled = signed_log if log_features else in_units
        self.spectral_gap = spectral_gap
        if parametrization == "paper":
            networks = [CoordinateLSTM(1, hidden_features, 1), CoordinateLSTM(1, hidden_features, 1)]
        else:
            features = _SEEN + known_features(spectral_gap)
            networks = [CoordinateLSTM(features, hidden_features, 2, skip_connection=skip_connection)]
        self.lstms = nn.ModuleList(networks)

    @property
    def networks(self) -> list[CoordinateLSTM]:
        """The LSTMs: one, or in the paper's parametrization two."""
        return cast(list[CoordinateLSTM], list(self.lstms))

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for lstm in self.networks:
            lstm.reset_parameters()

    def emit(self, dual: float, mixing: float) -> None:
        r"""Make the networks emit :math:`p_{ij1}` = ``dual`` :math:`w_{ij}` and :math:`p_{ij2}` = ``mixing`` w_ij.

        In the scale-free parametrization both are shares, sigmoid(o) and sigmoid(o') of :func:`bounded_edge_weights`.
        """
        if self.parametrization == "paper":
            for lstm, output in zip(self.networks, (math.log(dual), mixing), strict=True):
                lstm.emit([output])
        else:
            self.networks[0].emit([logit("dual", dual), logit("mixing", mixing)])

    def initial_memory(self, like: Tensor) -> tuple[Memory, ...]:
        """Return the memory before the first step, for differences as ``like``, ``(R, d)``."""
        like = like[:, :1] if self.edge_weights == "edge" else like
        return tuple(lstm.initial_memory(like) for lstm in self.networks)

    def forward(
        self,
        step_size: Ends | None,
        difference: Tensor,
        last_difference: Tensor,
        magnitude: Tensor,
        unit: Tensor,
        known: Tensor,
        memory: tuple[Memory, ...],
        bounds: StabilityBounds,
        exchange: Exchange,
    ) -> tuple[Tensor, Tensor, tuple[Memory, ...]]:
        features = self._features(difference, last_difference, magnitude, unit, known)
        results = [lstm(features, m) for lstm, m in zip(self.networks, memory, strict=True)]
        outputs, memories = zip(*results, strict=True)
        dual, mixing = torch.cat(outputs)
        if step_size is None:
            dual, mixing = bounds.weight * torch.exp(dual), bounds.weight * mixing.relu()
        else:
            dual, mixing = bounded_edge_weights(dual, mixing, step_size, bounds)
        if self.symmetrize == "mean":
            dual = 0.5 * (dual + exchange.swap(dual))
        return dual, mixing, memories

    def _features(self, difference: Tensor, last: Tensor, magnitude: Tensor, unit: Tensor, known: Tensor) -> Tensor:
        even = self.symmetrize == "even"
        if self.parametrization == "paper":
            return self._pooled((difference.abs() if even else difference).unsqueeze(0))
        seen = stack(
            self.scaled(difference.abs() if even else difference, unit),
            self.scaled(last.abs() if even else last, unit),
            self.scaled(magnitude, unit),
        )
        seen = self._pooled(seen)
        return torch.cat([seen, known.expand(-1, -1, seen.size(2))])

    def _pooled(self, seen: Tensor) -> Tensor:
        """Average features over the coordinates if edges get one value for all: ``(features, R, d or 1)``."""
        return seen.mean(dim=2, keepdim=True) if self.edge_weights == "edge" else seen


def bounded_edge_weights(
    dual: Tensor, mixing: Tensor, step_size: Ends, bounds: StabilityBounds
) -> tuple[Tensor, Tensor]:
    r"""Return the stable :math:`p_{ij1}` and :math:`p_{ij2}` that two outputs o, o' of a network stand for.

    .. math::
        p_{ij2} = q w_{ij} \, \mathrm{sigmoid}(o'), \qquad
        p_{ij1} = P_{ij}^{\mathrm{sigmoid}(o)} \, l_{ij}^{1 - \mathrm{sigmoid}(o)},

    with q from :func:`.max_mixing_weight`, P from :func:`.max_dual_step_size` and l from
    :func:`.min_dual_step_size`, which follow the step sizes and :math:`p_{ij2}`: the smaller the step sizes or the
    mixing weights, the larger the dual step sizes may be.

    Args:
        dual: o, ``(R, d)`` or ``(R, 1)``.
        mixing: o', so too.
        step_size: p at both ends, ``(R, d)`` or, where o is one number an edge, its largest coordinate, ``(R, 1)``.
        bounds: of the run.
    """
    mixing = bounds.max_mixing_weight * torch.sigmoid(mixing)
    largest, smallest = max_dual_step_size(bounds, step_size, mixing), min_dual_step_size(bounds, step_size)
    return smallest * (largest / smallest) ** torch.sigmoid(dual), mixing
