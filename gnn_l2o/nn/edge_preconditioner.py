"""The networks that emit p_ij1 and p_ij2."""

from __future__ import annotations

import math
from typing import Literal, cast

import torch
from torch import Tensor, nn

from gnn_l2o.nn.features import in_units, known_at_edges, known_features, signed_log, stack
from gnn_l2o.nn.lstm import CoordinateLSTM, Memory, logit
from gnn_l2o.nn.node_preconditioner import Parametrization
from gnn_l2o.nn.rule import Exchange, GraphFacts, MiLoDoState

_SEEN = 3  # features that change during a run
Symmetrize = Literal["even", "mean"]
EdgeWeights = Literal["edge", "coordinate"]


class EdgePreconditioner(nn.Module):
    r"""Emits the gains :math:`p_{ij1} = p_{ji1}` and :math:`p_{ij2}` of every edge (He et al. 2024, Eqs. (26)-(28)).

    With ``parametrization="scale_free"`` one LSTM has two outputs, shares of the largest stable gains
    (:func:`bounded_edge_weights`), from the logarithms of the present and the last difference and of the size of z, and
    from what does not change during a run (:func:`.known_at_edges`). With
    ``parametrization="paper"`` there are two networks :math:`\phi_S, \phi_U` on the bare difference,
    :math:`\tilde p_{ij1} = w_{ij} \exp(o)` and :math:`p_{ij2} = w_{ij} \mathrm{ReLU}(o')`. The weight w_ij is a
    factor, not a bias, so that the networks serve every graph.

    How the two ends come to the same :math:`p_{ij1}`:

    - ``symmetrize="even"``: the networks see only what both ends know and what does not change when the ends are
      exchanged (the difference's absolute value). Both compute the same, nothing is sent, and an undirected edge needs
      one evaluation instead of two. Then :math:`p_{ij2} = p_{ji2}` too.
    - ``symmetrize="mean"``: :math:`p_{ij1} = (\tilde p_{ij1} + \tilde p_{ji1}) / 2`, Eq. (28), which costs a second
      vector an edge. Rows are directed edges.

    Args:
        hidden_features: width of the LSTMs.
        parametrization: which of the two.
        symmetrize: which of the two.
        spectral_gap: whether the scale-free network sees the spectrum and the size of its graph.
        log_features: whether the scale-free network sees logarithms; otherwise the values in the nodes' unit.
        skip_connection: whether its features also go past the LSTM, see :class:`CoordinateLSTM`.
        edge_weights: ``"coordinate"`` for gains of every coordinate; ``"edge"`` for one of each kind an edge, from the
            means of the features over the coordinates: then the mixing that they stand for is one sparse matrix.

    Shape:
        R rows of edges, N nodes, d coordinates.

        - **step**: p_i, ``(N, d)``
        - **z**: ``(N, d)``
        - **difference**: ``(R, d)``
        - **unit**: ``(N, 1)``, see :func:`~gnn_l2o.nn.features.first_step_size`
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
            networks = [
                CoordinateLSTM(
                    _SEEN + known_features(spectral_gap), hidden_features, 2, skip_connection=skip_connection
                )
            ]
        self.lstms = nn.ModuleList(networks)

    @property
    def networks(self) -> list[CoordinateLSTM]:
        """The LSTMs: one, or in the paper's parametrization two."""
        return cast(list[CoordinateLSTM], list(self.lstms))

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for lstm in self.networks:
            lstm.reset_parameters()

    def emit(self, dual: float, primal: float) -> None:
        r"""Make the networks emit :math:`p_{ij1}` = ``dual`` :math:`w_{ij}` and :math:`p_{ij2}` = ``primal`` w_ij.

        In the scale-free parametrization both are shares, sigmoid(o) and sigmoid(o') of :func:`bounded_edge_weights`.
        """
        if self.parametrization == "paper":
            for lstm, output in zip(self.networks, (math.log(dual), primal), strict=True):
                lstm.silence([output])
        else:
            self.networks[0].silence([logit("dual", dual), logit("primal", primal)])

    def initial_memory(self, like: Tensor) -> tuple[Memory, ...]:
        """Return the memory before the first step, for differences as ``like``, ``(R, d)``."""
        like = like[:, :1] if self.edge_weights == "edge" else like
        return tuple(lstm.initial_memory(like) for lstm in self.networks)

    def forward(
        self,
        state: MiLoDoState,
        step: Tensor,
        z: Tensor,
        difference: Tensor,
        unit: Tensor,
        memory: tuple[Memory, ...],
        exchange: Exchange,
    ) -> tuple[Tensor, Tensor, tuple[Memory, ...]]:
        features = self._features(state, z, difference, unit)
        results = [lstm(features, m) for lstm, m in zip(self.networks, memory, strict=True)]
        outputs, memories = zip(*results, strict=True)
        dual, primal = torch.cat(outputs)
        if self.parametrization == "paper":
            weight = state.context.weight
            dual, primal = weight * torch.exp(dual), weight * primal.relu()
        else:
            dual, primal = bounded_edge_weights(dual, primal, step, state.context)
        if self.symmetrize == "mean":
            dual = 0.5 * (dual + exchange.swap(dual))
        return dual, primal, memories

    def _features(self, state: MiLoDoState, z: Tensor, difference: Tensor, unit: Tensor) -> Tensor:
        even = self.symmetrize == "even"
        if self.parametrization == "paper":
            return self._pooled((difference.abs() if even else difference).unsqueeze(0))
        context = state.context
        i, j = context.ends
        last = state.difference
        unit = 0.5 * (unit.index_select(0, i) + unit.index_select(0, j))
        seen = stack(
            self.scaled(difference.abs() if even else difference, unit),
            self.scaled(last.abs() if even else last, unit),
            self.scaled(z.index_select(0, i).abs() + z.index_select(0, j).abs(), unit),
        )
        seen, known = self._pooled(seen), known_at_edges(context, self.spectral_gap)
        return torch.cat([seen, stack(*known).expand(-1, -1, seen.size(2))])

    def _pooled(self, seen: Tensor) -> Tensor:
        """Average features over the coordinates if the gains are those of whole edges: ``(features, R, d or 1)``."""
        return seen.mean(dim=2, keepdim=True) if self.edge_weights == "edge" else seen


def bounded_edge_weights(dual: Tensor, primal: Tensor, step: Tensor, context: GraphFacts) -> tuple[Tensor, Tensor]:
    r"""Return the stable gains that two outputs o, o' of a network stand for.

    .. math::
        p_{ij2} = q w_{ij} \, \mathrm{sigmoid}(o'), \qquad
        p_{ij1} = P_{ij}^{\mathrm{sigmoid}(o)} \, l_{ij}^{1 - \mathrm{sigmoid}(o)},

    with q from :attr:`.GraphFacts.max_mixing_weight`, and P and l the largest and least dual gain, which follow the
    steps taken and :math:`p_{ij2}`: where steps are short, or the graph averages little, duals may move the faster.

    Args:
        dual: o, ``(R, d)`` or ``(R, 1)``.
        primal: o', so too.
        step: p_i, ``(N, d)``; where o is one number an edge, a node's longest coordinate counts, which it tells its
            neighbours together with z.
        context: knows P, l, q and w_ij.
    """
    primal = context.max_mixing_weight * context.weight * torch.sigmoid(primal)
    if dual.size(1) == 1:
        step = step.amax(dim=1, keepdim=True)
    largest, least = context.max_dual_step_size(step, primal), context.min_dual_step_size(step)
    return least * (largest / least) ** torch.sigmoid(dual), primal
