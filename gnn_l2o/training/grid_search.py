"""Where training starts if not at constants: at what graph and problem tell of the constants that suit them."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.exchange import NetworkExchange
from gnn_l2o.graph.network import Network
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.features import known_at_edges, known_at_nodes
from gnn_l2o.training.losses import area_above_tolerance, measured_iterations, relative_gap
from gnn_l2o.training.pool import Batch

PROBLEMS = 120  # about as many are tried
ITERATIONS = 300  # at most
TEMPERATURE = 0.03  # settings whose log10 area is so much above the least count for a third
RIDGE = 1e-3
LOST = 9.0  # log10 of the area of a run that diverged


class LinearSource(Protocol):
    """Weights of a source of gains whose outputs can be made constants, or linear in what is known before the start."""

    @property
    def spectral_gap(self) -> bool:
        """Whether what is known includes the spectrum and the size of the graph."""

    @property
    def directed(self) -> bool:
        """Whether rows of edges are directed edges."""

    @property
    def trials(self) -> list[dict[str, float]]:
        """The arguments of :meth:`emit` that are worth a trial."""

    def emit(self, **constants: float) -> None:
        """Make the gains constants."""

    def constants(self) -> tuple[Tensor, Tensor]:
        """Return the outputs at nodes and at edges that :meth:`emit` has set."""

    def emit_linear(self, node: Tensor, edge: Tensor) -> None:
        """Make the outputs linear in what is known, from ``(1 + features, outputs)``, the constants first."""


def scout(weights: LinearSource, algorithm: Algorithm[Any], batches: list[Batch], iterations: int) -> None:
    r"""Move weights to a start that suits each problem about as well as the best of some constants.

    Constants of all kinds (:attr:`LinearSource.trials`) are tried on training problems. For every problem the outputs
    that make the best of them, or the mean of those nearly as good, are what a linear layer should emit; its
    coefficients come from a ridge regression on what is known of graph and problem.

    The rule has more than one way to be fast, with slow gains in between, which gradients do not cross. From this
    start they need not.

    Args:
        weights: of ``algorithm``.
        algorithm: runs with them.
        batches: the problems.
        iterations: how long each of them is run.
    """
    outputs, areas = [], []
    for constants in weights.trials:
        weights.emit(**constants)
        outputs.append(weights.constants())
        areas.append(torch.cat([_log_area(algorithm, b, iterations) for b in batches]))
    area = torch.stack(areas)
    likely = torch.softmax((area.amin(dim=0) - area) / TEMPERATURE, dim=0).t()
    facts = [algorithm.init(b.problem.draw(0), b.network, b.x0).facts for b in batches]
    nodes = [_of_nodes(f, b.network, weights.spectral_gap) for f, b in zip(facts, batches, strict=True)]
    edges = [_of_edges(f, b.network, weights) for f, b in zip(facts, batches, strict=True)]
    node, edge = (torch.stack(emitted) for emitted in zip(*outputs, strict=True))
    weights.emit_linear(
        node=_ridge(torch.cat(nodes), likely @ node),
        edge=_ridge(torch.cat(edges), likely @ edge),
    )


@torch.no_grad()
def _log_area(algorithm: Algorithm[Any], batch: Batch, iterations: int) -> Tensor:
    """Return log10 of :func:`.area_above_tolerance` of every problem, ``(B,)``."""
    measured, gaps = set(measured_iterations("log_area", iterations)), {}
    for k, state in enumerate(run(algorithm, batch.problem, batch.network, batch.x0)):
        if k in measured:
            gaps[k] = relative_gap(batch, state.x)
        if k == iterations:
            break
    area = (1 + area_above_tolerance(range(1, iterations + 1), gaps)).log10()
    return area.nan_to_num(LOST, LOST).clamp(max=LOST)


def _of_nodes(facts: GraphFacts, network: Network, spectral_gap: bool) -> Tensor:
    """Return the means over every graph of the constant features of its nodes, ``(B, features)``."""
    return _means(torch.cat(known_at_nodes(facts, spectral_gap), dim=1), network.batch)


def _of_edges(facts: GraphFacts, network: Network, weights: LinearSource) -> Tensor:
    """Return the means over every graph of the constant features of its edges, ``(B, features)``."""
    exchange = NetworkExchange(network, weights.directed)
    known = known_at_edges(facts, exchange, weights.spectral_gap)
    return _means(torch.cat(known, dim=1), exchange.at_edges(network.batch))


def _means(values: Tensor, graph: Tensor) -> Tensor:
    index = graph.unsqueeze(1).expand_as(values)
    return values.new_zeros(int(graph.max()) + 1, values.size(1)).scatter_reduce(
        0, index, values, "mean", include_self=False
    )


def _ridge(features: Tensor, targets: Tensor) -> Tensor:
    """Return the coefficients of 1 and the features, ``(1 + features, outputs)``."""
    columns = torch.cat([torch.ones_like(features[:, :1]), features], dim=1)
    penalty = RIDGE * len(columns) * torch.eye(columns.size(1)).to(columns)
    penalty[0, 0] = 0
    return torch.linalg.solve(columns.t() @ columns + penalty, columns.t() @ targets)
