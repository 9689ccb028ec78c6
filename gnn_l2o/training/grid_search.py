"""Grid-search initialization: weights whose outputs follow from graph and problem as the best of some constants do."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.graph.exchange import NetworkExchange
from gnn_l2o.graph.network import Network
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.nn.features import known_at_edges, known_at_nodes
from gnn_l2o.training.batch import Batch
from gnn_l2o.training.losses import LogArea
from gnn_l2o.training.rollout import OPTIMALITY_GAP, measurements

PROBLEMS = 120  # about as many are tried
ITERATIONS = 300  # at most
TEMPERATURE = 0.03  # constants whose log10 area exceeds the smallest by this much have a weight of 1 / e
RIDGE = 1e-3
DIVERGED_AREA = 9.0  # log10 of the area that a diverged run counts as


class LinearSource(Protocol):
    """Weights whose outputs, the coefficients, can be made constant, or linear in the features that never change."""

    @property
    def spectral_gap(self) -> bool:
        """Whether these features include the spectrum and the size of the graph."""

    @property
    def directed(self) -> bool:
        """Whether rows of edges are directed edges."""

    @property
    def trials(self) -> list[dict[str, float]]:
        """The grid: arguments of :meth:`emit`."""

    def emit(self, **constants: float) -> None:
        """Make the coefficients constants."""

    def constants(self) -> tuple[Tensor, Tensor]:
        """Return the outputs at nodes and at edges that :meth:`emit` has set."""

    def emit_linear(self, node: Tensor, edge: Tensor) -> None:
        """Make the outputs linear in these features, from ``(1 + features, outputs)``, the constants first."""


def grid_search(weights: LinearSource, algorithm: Algorithm[Any], batches: list[Batch], iterations: int) -> None:
    r"""Initialize weights so that each problem gets about the best of some constant coefficients.

    All constants of the grid (:attr:`LinearSource.trials`) are tried on training problems. For every problem the
    targets are the outputs that emit the best constants, averaged with those nearly as good; the coefficients of a
    linear layer come from a ridge regression of the targets on the features of graph and problem that never change.

    The rule converges fast in more than one region of its coefficients. Between the regions it converges slowly, so
    that gradient descent does not cross from one to another; from this initialization it need not.

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
    """Return log10 of one plus the :func:`.area_above_tolerance` of every problem, ``(B,)``."""
    loss, driver = LogArea(), Driver(algorithm, batch.problem, batch.network, batch.x0)
    halts = measurements(driver, batch, loss.measured_iterations(iterations))
    optimality_gaps = {standing.iteration: standing.measures[OPTIMALITY_GAP] for standing in halts}
    area = loss.validation_values(range(1, iterations + 1), optimality_gaps)
    return area.nan_to_num(DIVERGED_AREA, DIVERGED_AREA).clamp(max=DIVERGED_AREA)


def _of_nodes(facts: GraphFacts, network: Network, spectral_gap: bool) -> Tensor:
    """Return the means over every graph of the features of its nodes that never change, ``(B, features)``."""
    return _means(torch.cat(known_at_nodes(facts, spectral_gap), dim=1), network.batch)


def _of_edges(facts: GraphFacts, network: Network, weights: LinearSource) -> Tensor:
    """Return the means over every graph of the features of its edges that never change, ``(B, features)``."""
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
