"""What holds for every algorithm, handcrafted or learned, as contract tests of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Algorithm, map_tensors, spent
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph import DirectedNetwork, Network
from gnn_l2o.problems import LeastSquares, Problem, SparseRecovery
from gnn_l2o.problems.regularizers import L1, Regularizer, Zero
from gnn_l2o.problems.sparse_signal import SparseSignal, draw_dictionary
from gnn_l2o.testing.expect import expect, expect_close

DIM, SAMPLES = 4, 8
STEPS = 10
ROUNDING = 1e3  # in units of the machine's precision: how far sums over nodes drift from zero in a run

Wrap = Callable[[Network], Any]
"""Makes of a network what the algorithm gets, such as a :class:`~gnn_l2o.testing.HiddenNetwork`."""


def small_problem(nodes: int, regularizer: Regularizer, seed: int = 0) -> LeastSquares:
    """Return a strongly convex least-squares problem of 4 coordinates in double precision."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(nodes, SAMPLES, DIM, generator=generator, dtype=torch.float64)
    truth = torch.randn(DIM, generator=generator, dtype=torch.float64)
    noise = torch.randn(nodes, SAMPLES, generator=generator, dtype=torch.float64)
    return LeastSquares.from_nodes(list(features), list(features @ truth + noise), regularizer)


def initial_points(problem: Problem, seed: int = 1) -> Tensor:
    """Return random points to start from, ``(N, d)``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(problem.num_nodes, problem.dim, generator=generator, dtype=torch.float64)


def small_graphs() -> dict[str, nx.Graph]:
    """Return graphs of six nodes by name."""
    return {
        "ring": nx.cycle_graph(6),
        "star": nx.star_graph(5),
        "erdos_renyi": nx.gnp_random_graph(6, 0.6, seed=1),
    }


def small_networks(*, directed: bool = False) -> dict[str, Network]:
    """Return networks of six nodes by name, with directed graphs if ``directed``, else undirected ones."""
    if not directed:
        return {name: Network.from_networkx(graph) for name, graph in small_graphs().items()}
    return {
        "directed_ring": DirectedNetwork.from_networkx(nx.cycle_graph(6, create_using=nx.DiGraph)),
        "directed_erdos_renyi": DirectedNetwork.from_networkx(nx.gnp_random_graph(6, 0.5, seed=2, directed=True)),
    }


def small_recovery(nodes: int, regularizer: Regularizer, seed: int = 0) -> SparseRecovery:
    """Return a signal of 20 coordinates to be recovered from 12 measurements; all seeds have one dictionary."""
    matrix = draw_dictionary(12, 20, np.random.default_rng(5))
    signal = SparseSignal(density=0.2, snr=20.0)
    target, b = signal.draw(matrix, 1, np.random.default_rng(seed))
    return SparseRecovery.of(matrix, b[0], target[0], nodes, regularizer, signal=signal)


Problems = Callable[[int, Regularizer, int], LeastSquares]
"""Makes a problem from a number of nodes, a regularizer and a seed, as :func:`small_problem` does."""


def runs_on(algorithm: Algorithm[Any], network: Network, problems: Problems = small_problem) -> Regularizer | None:
    """Return a regularizer with which the algorithm runs over the network: l1 if it can, else none."""
    for regularizer in (L1(0.2), Zero()):
        if algorithm.refusal(problems(network.num_nodes, regularizer, 0), network) is None:
            return regularizer
    return None


def states(algorithm: Algorithm[Any], problem: Problem, network: Any, x0: Tensor, steps: int) -> list[Any]:
    """Return the states after 0, 1, ... steps."""
    with torch.no_grad():
        return list(islice(run(algorithm, problem, network, x0), steps + 1))


def iterates(algorithm: Algorithm[Any], problem: Problem, network: Any, x0: Tensor, steps: int) -> list[Tensor]:
    """Return the iterates after 0, 1, ... steps."""
    return [state.x for state in states(algorithm, problem, network, x0, steps)]


def tensors(value: Any) -> list[Tensor]:
    """Return all tensors of a state."""
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    map_tensors(note, value)
    return found


def check_purity(algorithm: Algorithm[Any], problem: Problem, network: Network, wrap: Wrap) -> None:
    """Check that init and step are functions: equal arguments give equal results, and arguments stay as they are."""
    x0, hidden = initial_points(problem).to(network.weight), wrap(network)
    arguments = [x0, *_fields(problem), *_fields(network)]
    before = [t.clone() for t in arguments]
    with torch.no_grad():
        state = algorithm.init(problem.draw(0), hidden, x0)
        expect(torch.equal(state.x, x0), f"{algorithm.name}: x of the state that init returns must be x0")
        _expect_equal(
            tensors(state), tensors(algorithm.init(problem.draw(0), hidden, x0)), f"{algorithm.name}: init called twice"
        )
        for k in range(1, 4):
            copies = [t.clone() for t in tensors(state)]
            after = algorithm.step(problem.draw(k), hidden, state)
            same = all(torch.equal(t, c) for t, c in zip(tensors(state), copies, strict=True))
            expect(same, f"{algorithm.name}: step {k} changes the state it is given; expected a new state")
            again = algorithm.step(problem.draw(k), hidden, state)
            _expect_equal(tensors(after), tensors(again), f"{algorithm.name}: step {k} called twice with one state")
            expect(
                after.x.shape == x0.shape,
                f"{algorithm.name}: x must keep the shape {tuple(x0.shape)}, got {tuple(after.x.shape)}",
            )
            state = after
    same = all(torch.equal(t, c) for t, c in zip(arguments, before, strict=True))
    expect(same, f"{algorithm.name}: a run changes x0, the problem or the network; expected new tensors")


def check_cost(algorithm: Algorithm[Any], problem: Problem, network: Network, wrap: Wrap, steps: int = STEPS) -> None:
    """Check that problem and network count what the algorithm declares, and the set-up knowledge that it reads."""
    for count in sorted({1, 2, steps}):
        own, graph = problem.to(), network.to()  # copies, which have counted nothing yet
        hidden = wrap(graph)
        iterates(algorithm, own, hidden, initial_points(problem).to(network.weight), count)
        declared = algorithm.total_cost(count, problem.shapes).on(int(graph.diameter.max()))
        counted = spent(own, graph).declarable
        expect(
            counted == declared,
            f"{algorithm.name}: {count} steps are declared to cost {declared}, but network and problem counted "
            f"{counted}",
        )
        read = set(getattr(hidden, "setup_knowledge", algorithm.setup_knowledge))
        expect(
            read == set(algorithm.setup_knowledge),
            f"{algorithm.name}: reads {sorted(read)} of the whole graph, but declares "
            f"setup_knowledge = {sorted(algorithm.setup_knowledge)}",
        )


def check_dual(algorithm: Algorithm[Any], found: Sequence[Any]) -> None:
    """Check that what the algorithm declares as its dual variables sums to zero over the nodes, up to rounding.

    Args:
        algorithm: what ran.
        found: the states of its run on one problem; the largest dual variables among them are the measure of rounding.
    """
    if algorithm.dual is None:
        return
    duals: list[Tensor] = [getattr(state, algorithm.dual) for state in found]
    size = max(float(dual.abs().sum(dim=0).max()) for dual in duals)
    total = max(float(dual.sum(dim=0).abs().max()) for dual in duals)
    expect(
        total <= ROUNDING * torch.finfo(duals[0].dtype).eps * size,
        f"{algorithm.name}: declares that {algorithm.dual} sums to zero over the nodes, but got {total:.3g}, of "
        f"numbers whose magnitudes sum to {size:.3g}",
    )


def check_precision(single: Algorithm[Any], double: Algorithm[Any], problem: Problem, network: Network) -> None:
    """Check that a run in single precision stays in it and is near the run in double precision."""
    x0, steps = initial_points(problem), min(5, double.depth or 5)
    expected = iterates(double, problem, network, x0, steps)[-1]
    expect(expected.dtype == torch.float64, f"{double.name}: a run in float64 must stay in it, got {expected.dtype}")
    narrow, graph = problem.to(dtype=torch.float32), network.to(dtype=torch.float32)
    try:
        found = states(single, narrow, graph, x0.float(), steps)
    except RuntimeError as error:  # torch's, where precisions meet
        raise AssertionError(f"{single.name}: a run in float32 must stay in it, got the error {error}") from error
    kinds = {t.dtype for t in tensors(found[-1]) if t.is_floating_point()}
    expect(kinds == {torch.float32}, f"{single.name}: a run in float32 must stay in it, got {sorted(map(str, kinds))}")
    expect_close(found[-1].x.double(), expected, 1e-3, f"{single.name}: x in float32 and float64 after {steps} steps")


def check_side_by_side(
    together: Algorithm[Any], alone: Sequence[Algorithm[Any]], problems: Sequence[Problem], networks: Sequence[Network]
) -> None:
    """Check that problems side by side run as each alone.

    Args:
        together: runs on all problems at once.
        alone: the same for each of the problems.
        problems: of one kind.
        networks: one for each problem.
    """
    steps = min(STEPS, together.depth or STEPS)
    x0 = [initial_points(problem, seed) for seed, problem in enumerate(problems)]
    many, graphs = type(problems[0]).concatenate(problems), type(networks[0]).concatenate(networks)
    joined = iterates(together, many, graphs, torch.cat(x0), steps)[-1]
    batch = torch.split(joined, [p.num_nodes for p in problems])
    for k, ours in enumerate(batch):
        expected = iterates(alone[k], problems[k], networks[k], x0[k], steps)[-1]
        what = f"{together.name}: problem {k} of {len(problems)} side by side, after {steps} steps, and alone"
        expect_close(ours, expected, 1e-9, what)


def check_locality(
    algorithm: Algorithm[Any],
    network: Network,
    regularizer: Regularizer,
    wrap: Wrap,
    problems: Problems = small_problem,
) -> None:
    """Check that information travels no faster than one edge in a counted round.

    The data of the last node of a path graph changes. A node at distance D must not notice before D rounds were
    counted.

    Args:
        algorithm: runs with the same parameters on both problems.
        network: a path graph, node k joined to node k + 1.
        regularizer: of both problems.
        wrap: makes of the network what the algorithm gets.
        problems: makes the first problem.
    """
    nodes = network.num_nodes
    problem = problems(nodes, regularizer, 0)
    targets = problem.targets.clone()
    targets[-1] += 1.0  # curvatures stay as they are
    changed = dataclasses.replace(problem, targets=targets)
    graphs = network.to(), network.to()
    x0 = initial_points(problem)
    runs = [iter(run(algorithm, p, wrap(g), x0)) for p, g in zip((problem, changed), graphs, strict=True)]
    with torch.no_grad():
        for k in range(min(nodes, (algorithm.depth or nodes) + 1)):
            before, after = (next(r).x for r in runs)
            rounds = graphs[0].traffic.rounds + graphs[0].traffic.setup_rounds
            different = (before != after).any(dim=1).nonzero()
            reached = nodes - 1 - int(different.min()) if different.numel() else 0
            expect(
                reached <= rounds,
                f"{algorithm.name}: after {k} steps and {rounds} counted rounds, the data of a node has changed the "
                f"iterate of a node at distance {reached}; neighbours' values must come through the Network",
            )


def _expect_equal(first: Sequence[Tensor], second: Sequence[Tensor], what: str) -> None:
    expect(len(first) == len(second), f"{what}, gives states with {len(first)} and {len(second)} tensors")
    for a, b in zip(first, second, strict=True):
        expect(torch.equal(a, b), f"{what}, gives different states; all that changes must be in the state")


def _fields(value: Any) -> list[Tensor]:
    """Return the tensors that a problem or network holds."""
    held = value.to_dict() if isinstance(value, Network) else vars(value)
    return [v for v in held.values() if isinstance(v, Tensor)]
