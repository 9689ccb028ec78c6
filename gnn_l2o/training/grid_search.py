"""Grid-search initialization: weights whose outputs follow from graph and problem as the best of some constants do."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.graph.exchange import Exchange, NetworkExchange
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
    def directed(self) -> bool:
        """Whether rows of edges are directed edges."""

    @property
    def trials(self) -> list[dict[str, float]]:
        """The grid: arguments of :meth:`emit`."""

    def emit(self, **constants: float) -> None:
        """Make the coefficients constants."""

    def constants(self) -> tuple[Tensor, Tensor]:
        """Return the outputs at nodes and at edges that :meth:`emit` has set."""

    def known(self, state: Any, exchange: Exchange) -> tuple[Tensor, Tensor]:
        """Return these features of nodes and of edges, ``(N, features)`` and ``(R, features)``, of a first state."""

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
    nodes, edges = zip(*(_known(weights, algorithm, b) for b in batches), strict=True)
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


@torch.no_grad()
def _known(weights: LinearSource, algorithm: Algorithm[Any], batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the means over every graph of the features of its nodes, ``(B, features)``, and of its edges, so too."""
    exchange = NetworkExchange(batch.network, weights.directed)
    state = algorithm.init(batch.problem.draw(0), batch.network, batch.x0)
    node, edge = weights.known(state, exchange)
    return _means(node, batch.network.batch), _means(edge, exchange.at_edges(batch.network.batch))


def _means(values: Tensor, graph: Tensor) -> Tensor:
    index = graph.unsqueeze(1).expand_as(values)
    return values.new_zeros(int(graph.max()) + 1, values.size(1)).scatter_reduce(
        0, index, values, "mean", include_self=False
    )


def _ridge(features: Tensor, targets: Tensor) -> Tensor:
    """Return the coefficients of 1 and the features, ``(1 + features, outputs)``."""
    columns = torch.cat([features.new_ones(len(features), 1), features], dim=1)
    penalty = RIDGE * len(columns) * torch.eye(columns.size(1)).to(columns)
    penalty[0, 0] = 0
    return torch.linalg.solve(columns.t() @ columns + penalty, columns.t() @ targets)
