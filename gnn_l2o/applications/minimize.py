"""Decentralized minimization of a function of one's own, in a few lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from scipy.optimize import OptimizeResult

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.algorithms.standing import Standing
from gnn_l2o.algorithms.stopping import MaxRounds, Stationary, StoppingRule
from gnn_l2o.applications.checkpoints import Checkpoints
from gnn_l2o.applications.measures import Diverged, Measures
from gnn_l2o.applications.optimizers import choose_optimizer
from gnn_l2o.graph.convert import as_network
from gnn_l2o.problems import Differentiable, Problem, Regularizer, solve
from gnn_l2o.problems.differentiable import Function

STOP = Stationary(1e-6) | MaxRounds(2000)
"""When a run ends by default."""


class MinimizeResult(OptimizeResult):
    r"""What :func:`minimize` returns: a dictionary whose entries are attributes too, as scipy's results are.

    Attributes:
        x: the average :math:`\bar x` of the nodes, in the form of ``x0``, float64.
        nodes: the same of every node, each array ``(N, ...)``.
        fun: :math:`F(\bar x)`.
        success: whether the run has converged, as its stopping rule says; ``converged`` is another name.
        message: how the run ended, in words.
        residual: see :class:`~gnn_l2o.applications.measures.Measures`, as for the next two.
        consensus_error: the distance of the nodes from their average.
        optimality_gap: the relative optimality gap, where the optimum is known; otherwise ``None``.
        nit: iterations.
        rounds: communication rounds.
        vectors: vectors of d numbers sent along every edge in each direction.
        numbers: single numbers sent along every edge in each direction, those before the first iteration included.
        bytes: all that was sent, over all edges.
        gradients: evaluations of a node's gradient, and inside local solves products of the same cost.
        seconds: wall time of the iterations, without measuring.
        optimizer: the algorithm, with its parameters.
        trace: by name arrays of ``iteration``, ``rounds``, ``seconds`` and all that was measured, at the checkpoints:
            every iteration up to 200, then each about 1 % after the last.
    """


def minimize(
    f: Function,
    data_per_node: Iterable[Any],
    network: Any,
    *,
    regularizer: Regularizer | None = None,
    optimizer: str | Path | Algorithm[Any] = "milodo_local",
    x0: Any = None,
    stop: StoppingRule = STOP,
    certify: bool = False,
    optimum: float | None = None,
    checkpoints: Checkpoints | str | Path | None = None,
) -> MinimizeResult:
    r"""Minimize :math:`F(x) = \frac1N \sum_i f(x, D_i) + r(x)`, the data :math:`D_i` private to node i of a network.

    Nothing is assumed of f but that it is twice differentiable. Where it is not convex in x, the point that is found
    is stationary, not always a minimizer, and optimizers with local solves, such as ``"milodo_local"``, may not
    converge; ``"milodo_gnn"`` has none.

    Args:
        f: the loss of one node, written with torch: called with x and the node's arguments, it returns one number.
            ``torch.vmap`` evaluates it at all nodes at once, so that it cannot branch on values.
        data_per_node: for every node a tuple of its arguments, or its only argument; see
            :meth:`.Differentiable.from_nodes`. Nodes may have different numbers of samples.
        network: the name of a topology, a :class:`~gnn_l2o.Network`, a graph of networkx, or an adjacency or mixing
            matrix; see :func:`~gnn_l2o.graph.convert.as_network`.
        regularizer: r, such as ``gnn_l2o.problems.L1(0.1)``; by default none.
        optimizer: the name or path of a trained optimizer, the name of a method with or without parameters
            (``"prox_ed:step_size=0.1"``), or an algorithm; see
            :func:`~gnn_l2o.applications.optimizers.choose_optimizer` for the defaults.
        x0: the initial point of all nodes, an array of any shape or a dictionary of arrays; by default zero, with as
            many coordinates as the first argument of a node has columns.
        stop: when the run ends: a rule, or several joined by ``|`` (:mod:`gnn_l2o.algorithms.stopping`).
        certify: find the minimum first, by a centralized solver, so that the optimality gap is measured.
        optimum: the minimum of F, if it is known already.
        checkpoints: a folder for files of the run, atomically written; a run that finds such files goes on from the
            last, to the same numbers as without an interruption, wall times apart.

    Raises:
        InputError: an argument is wrong, or the optimizer cannot run there.
        NotCertifiedError: ``certify`` asks for a minimum that cannot be certified.

    Example:
        >>> import torch
        >>> def f(x, a):
        ...     return 0.5 * (x - a).square().sum()
        >>> result = minimize(f, [[1.0], [2.0], [6.0]], "ring", x0=0.0, optimizer="prox_ed")
        >>> result.success, round(float(result.x), 5)
        (True, 3.0)
    """
    problem = Differentiable.from_nodes(f, data_per_node, x0=x0, regularizer=regularizer)
    result = minimize_problem(
        problem, network, optimizer=optimizer, stop=stop, certify=certify, optimum=optimum, checkpoints=checkpoints
    )
    result.x, result.nodes = problem.layout.unflatten(result.x), problem.layout.unflatten(result.nodes)
    return result


@torch.no_grad()
def minimize_problem(
    problem: Problem,
    network: Any,
    *,
    optimizer: str | Path | Algorithm[Any] = "milodo_local",
    stop: StoppingRule = STOP,
    certify: bool = False,
    optimum: float | None = None,
    checkpoints: Checkpoints | str | Path | None = None,
) -> MinimizeResult:
    """Minimize a problem of any kind, as :func:`minimize` does one that a function defines.

    Args:
        problem: one problem, ``gnn_l2o.problems.LeastSquares.from_nodes(...)``; it runs in float64.
        network: as in :func:`minimize`, as all that follows.
        optimizer: what runs.
        stop: when the run ends.
        certify: whether the minimum is found first.
        optimum: the minimum, if it is known.
        checkpoints: where files of the run are kept.

    Returns:
        The result, with x as ``(d,)`` and those of the nodes as ``(N, d)``.

    Raises:
        InputError: as in :func:`minimize`.
        NotCertifiedError: as in :func:`minimize`.
    """
    if not isinstance(stop, StoppingRule):
        raise InputError(f"stop must be a stopping rule, such as MaxRounds(100) | Stationary(1e-6); got {stop!r}")
    if isinstance(checkpoints, str | Path):
        checkpoints = Checkpoints(checkpoints)
    if certify and optimum is not None:
        raise InputError("certify finds the optimum; expected no other one beside it")
    network = as_network(network, problem.num_nodes).to(dtype=torch.float64)
    problem = problem.to(dtype=torch.float64)
    algorithm, defaults = choose_optimizer(optimizer, problem)
    refusal = algorithm.refusal(problem, network)
    if refusal is not None:
        raise InputError(f"{algorithm.name}: {refusal}")
    if certify:
        optimum = float(solve(problem).value)
    x0 = problem.prox(problem.initial_point().to(torch.float64), 0.0)  # into the domain of r
    driver, rows = Driver(algorithm, problem, network, x0), list[dict[str, float]]()
    if checkpoints is not None:
        driver, rows = checkpoints.resume(driver)
    diverged = Diverged()
    halts = (k for k in measured_iterations(algorithm.depth) if k >= driver.iteration)
    for last in driver.halts(halts, measure=Measures(problem, x0, optimum), stop=(diverged, stop)):
        rows.append(_row(last))
        if checkpoints is not None:
            checkpoints.save(driver, rows)
    success = stop.converged(last) and not diverged.holds(last)
    measured = {name: float(values) for name, values in last.measures.items()}
    x = last.state.x
    numbers = last.cost.numbers + driver.setup.numbers
    return MinimizeResult(
        x=problem.average(x)[0],
        nodes=x,
        fun=measured["objective"],
        success=success,
        converged=success,
        message=_message(last, success, diverged.holds(last), algorithm, defaults),
        residual=measured["residual"],
        consensus_error=measured["consensus_error"],
        optimality_gap=measured.get("optimality_gap"),
        nit=last.iteration,
        rounds=last.cost.rounds,
        vectors=last.cost.vectors,
        numbers=numbers,
        bytes=network.num_edges * (last.cost.vectors * problem.dim + numbers) * x.element_size(),
        gradients=last.cost.gradients + last.cost.solve_gradients,
        seconds=last.seconds,
        optimizer=algorithm,
        trace={name: torch.tensor([row[name] for row in rows]).numpy() for name in rows[0]},
    )


def measured_iterations(depth: int | None) -> Iterator[int]:
    """Yield the iterations that are measured: every one up to 200, then each about 1 % after the last.

    Args:
        depth: the last one; ``None`` for no end.
    """
    k = 0
    while depth is None or k < depth:
        yield k
        k += max(1, k // 100)
    yield depth


def _message(
    last: Standing, success: bool, diverged: bool, algorithm: Algorithm[Any], defaults: Mapping[str, float]
) -> str:
    how = "diverged" if diverged else "converged" if success else "stopped before it converged,"
    residual, consensus = (float(last.measures[name]) for name in ("residual", "consensus_error"))
    parts = [f"{how} after {last.cost.rounds} rounds: residual {residual:.1e}, consensus error {consensus:.1e}"]
    if success:
        parts.append("a stationary point, which is a minimizer if the losses are convex")
    elif algorithm.cost.solves:
        parts.append(f"local solves, as {algorithm.name} has them, suit convex losses; for others take milodo_gnn")
    if defaults:
        values = ", ".join(f"{key}={value:.3g}" for key, value in defaults.items())
        parts.append(f"{algorithm.name} was not tuned: {values}")
    return "; ".join(parts)


def _row(standing: Standing) -> dict[str, float]:
    measures = {name: float(values) for name, values in standing.measures.items()}
    counted = {"iteration": standing.iteration, "rounds": standing.cost.rounds, "seconds": standing.seconds}
    return {**counted, **measures}
