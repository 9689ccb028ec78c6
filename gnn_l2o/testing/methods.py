"""The contract of methods with parameters."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from itertools import groupby, islice
from typing import Any

import networkx as nx
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.driver import run
from gnn_l2o.algorithms.tunable import Choice, Range, Setting, Tunable
from gnn_l2o.graph import Network
from gnn_l2o.problems import LeastSquares, solve
from gnn_l2o.problems.regularizers import L1, Regularizer, Zero
from gnn_l2o.testing.expect import expect
from gnn_l2o.testing.hidden_network import HiddenNetwork
from gnn_l2o.testing.runs import (
    STEPS,
    Wrap,
    check_cost,
    check_dual,
    check_locality,
    check_precision,
    check_purity,
    check_side_by_side,
    initial_points,
    small_graphs,
    small_networks,
    small_problem,
    states,
    tensors,
)

BUDGET = 16
ITERATIONS = 4000
ACCURACY = 1e-6  # of exact methods: distance from the solution relative to that of the initial points


def check_method(method: type[Tunable[Any]], *, network: Wrap = HiddenNetwork) -> None:
    """Check that a method keeps the contract of :class:`~gnn_l2o.algorithms.tunable.Tunable`.

    - ``name``, ``label`` and ``grid`` are declared; the grid gives settings, and parameters outside it are refused;
    - a method for smooth problems refuses others, one for undirected graphs directed ones;
    - ``init`` and ``step`` are functions: equal arguments give equal states, and no argument changes;
    - every tensor of a state has a row for each node or each directed edge, in the precision of ``x0``;
    - what it declares as dual variables sums to zero over the nodes;
    - a run costs what ``cost`` and ``setup_cost`` declare, as Network and Problem count it;
    - settings and problems side by side run as each alone;
    - information travels no faster than one edge a counted round, and nothing is read that is not counted;
    - if ``exact``, some setting of the grid converges to the certified solution at every node, on a ring, a star and
      an Erdos-Renyi graph of six nodes, with an l1 regularizer if ``composite``;
    - if ``directed``, what is said of runs, costs and convergence also holds over a directed ring and a directed
      Erdos-Renyi graph.

    Args:
        method: the class.
        network: makes of a Network what the method gets; by default one that hides all that nodes cannot know.

    Raises:
        AssertionError: the contract is violated; the message says how.
    """
    check_declaration(method)
    problem, graph = small_problem(6, _regularizer(method)), Network.from_networkx(small_graphs()["erdos_renyi"])
    for settings in batches(method, 9):
        algorithm = method.from_setting(problem, settings[0])
        check_purity(algorithm, problem, graph, network)
        check_cost(algorithm, problem, graph, network)
        check_dual(algorithm, states(algorithm, problem, network(graph), initial_points(problem), STEPS))
        check_precision(method.from_setting(problem.to(dtype=torch.float32), settings[0]), algorithm, problem, graph)
        check_side_by_side_settings(method, settings)
        path = small_problem(10, _regularizer(method))
        line = Network.from_networkx(nx.path_graph(10))
        check_locality(method.from_setting(path, settings[0]), line, _regularizer(method), network)
        state = algorithm.init(problem, graph, initial_points(problem))
        rows = {t.shape[:1] for s in (state, algorithm.step(problem, graph, state)) for t in tensors(s)}
        expect(
            rows <= {(6,), (graph.num_edges,)},
            f"{method.name}: tensors of its state have {rows} rows; expected one for each of 6 nodes or "
            f"{graph.num_edges} directed edges",
        )
    if method.exact:
        check_convergence(method, small_networks())
    if method.directed:
        check_directed(method, network)


def check_declaration(method: type[Tunable[Any]]) -> None:
    """Check names, grid and refusals; part of :func:`check_method`."""
    for attribute in ("name", "label"):
        value = getattr(method, attribute, None)
        expect(isinstance(value, str) and bool(value), f"{method.__name__}: expected a {attribute}, got {value!r}")
    declared: Any = method
    expect(dataclasses.is_dataclass(declared), f"{method.name}: expected a frozen dataclass")
    fields = {field.name for field in dataclasses.fields(declared)}
    expect(
        fields == set(method.grid), f"{method.name}: has the fields {sorted(fields)} and tunes {sorted(method.grid)}"
    )
    for name, axis in method.grid.items():
        if isinstance(axis, Range):
            valid = 0 < axis.low <= axis.high < axis.below
            expect(valid, f"{method.name}: expected 0 < low <= high < below of {name}, got {axis}")
    settings = method.settings(BUDGET)
    expect(0 < len(settings) <= BUDGET, f"{method.name}: a budget of {BUDGET} gives {len(settings)} settings")
    expect(len({tuple(s.items()) for s in settings}) == len(settings), f"{method.name}: its grid repeats settings")
    for name in method.grid:
        for bad in (0.0, -1.0, math.nan, math.inf):
            expect(_refuses(method, {**settings[0], name: bad}), f"{method.name}: accepts {name} = {bad}")
    algorithm = method.from_setting(small_problem(6, Zero()), settings[0])
    refused = algorithm.refusal(small_problem(6, L1(0.2)), Network.from_networkx(nx.cycle_graph(6))) is not None
    expect(
        refused != method.composite,
        f"{method.name}: composite = {method.composite}, but it {'refuses' if refused else 'accepts'} a regularizer",
    )
    one_way = small_networks(directed=True)["directed_ring"]
    refused = algorithm.refusal(small_problem(6, Zero()), one_way) is not None
    expect(
        refused != method.directed,
        f"{method.name}: directed = {method.directed}, but it {'refuses' if refused else 'accepts'} a directed graph "
        "(refusal() must ask super().refusal() too)",
    )


def check_directed(method: type[Tunable[Any]], network: Wrap) -> None:
    """Check functions, costs and convergence over directed graphs; part of :func:`check_method`."""
    networks = small_networks(directed=True)
    problem = small_problem(6, _regularizer(method))
    for graph in networks.values():
        algorithm = method.from_setting(problem, method.settings(1)[0])
        check_purity(algorithm, problem, graph, network)
        check_cost(algorithm, problem, graph, network)
    if method.exact:
        check_convergence(method, networks)


def check_side_by_side_settings(method: type[Tunable[Any]], settings: Sequence[Setting]) -> None:
    """Check that settings, and problems on different graphs, run side by side as alone."""
    problem, graphs = small_problem(6, _regularizer(method)), small_graphs()
    ring = Network.from_networkx(graphs["ring"])
    copies = len(settings)
    alone = [method.from_setting(problem, setting) for setting in settings]
    together = with_settings(method, settings, problem.repeat(copies))
    check_side_by_side(together, alone, [problem] * copies, [ring] * copies)
    problems = [small_problem(6, _regularizer(method), 1), small_problem(5, _regularizer(method), 2)]
    networks = [Network.from_networkx(graphs["erdos_renyi"]), Network.from_networkx(nx.star_graph(4))]
    together = method.from_setting(LeastSquares.concatenate(problems), settings[0])
    check_side_by_side(together, [method.from_setting(p, settings[0]) for p in problems], problems, networks)


def check_convergence(method: type[Tunable[Any]], networks: Mapping[str, Network]) -> None:
    """Check that some setting of the grid finds the solution at every node; part of :func:`check_method`.

    Args:
        method: the class.
        networks: of six nodes each, by name.
    """
    problems = [small_problem(6, _regularizer(method), seed) for seed in range(len(networks))]
    best = torch.full((len(networks),), math.inf, dtype=torch.float64)
    for settings in batches(method, BUDGET):
        best = torch.minimum(best, _accuracies(method, settings, problems, list(networks.values())))
    for name, accuracy in zip(networks, best.tolist(), strict=True):
        expect(
            accuracy <= ACCURACY,
            f"{method.name}: exact = True, but after {ITERATIONS} iterations on the {name} of 6 nodes the best of "
            f"{BUDGET} settings leaves {accuracy:.2g} of the initial distance from the solution",
        )


def batches(method: type[Tunable[Any]], budget: int) -> list[list[Setting]]:
    """Return the settings of the method's grid, those together that can run side by side."""
    choices = [name for name, axis in method.grid.items() if isinstance(axis, Choice)]

    def chosen(setting: Setting) -> list[float]:
        return [setting[name] for name in choices]

    return [list(alike) for _, alike in groupby(sorted(method.settings(budget), key=chosen), key=chosen)]


def with_settings(method: type[Tunable[Any]], settings: Sequence[Setting], copies: LeastSquares) -> Tunable[Any]:
    """Return the method with a setting for each copy of a problem, all settings with the same choices."""

    def values(name: str, axis: Range | Choice) -> float | Tensor:
        if isinstance(axis, Choice):
            return settings[0][name]
        column = torch.tensor([setting[name] for setting in settings], dtype=torch.float64)
        return column.repeat_interleave(copies.num_nodes // len(settings)).unsqueeze(1)

    return method.from_setting(copies, {name: values(name, axis) for name, axis in method.grid.items()})


def _accuracies(
    method: type[Tunable[Any]], settings: list[Setting], problems: list[LeastSquares], networks: list[Network]
) -> Tensor:
    """Return for every problem the relative distance from the solution that the best of the settings reaches."""
    copies, nodes = len(settings), problems[0].num_nodes
    solution = torch.cat([solve(p).x for p in problems])  # (problems, d)

    def distance(x: Tensor) -> Tensor:
        return (x.reshape(copies, len(problems), nodes, -1) - solution.unsqueeze(1)).norm(dim=3).amax(dim=2)

    many = LeastSquares.concatenate(problems).repeat(copies)
    x0 = initial_points(LeastSquares.concatenate(problems)).repeat(copies, 1)
    best = torch.ones(len(problems), dtype=torch.float64)
    side_by_side = type(networks[0]).concatenate(networks * copies)
    many_states = run(with_settings(method, settings, many), many, side_by_side, x0)
    with torch.no_grad():
        for state in islice(many_states, 50, ITERATIONS + 1, 50):
            reached = (distance(state.x) / distance(x0)).nan_to_num(nan=math.inf)
            best = torch.minimum(best, reached.amin(dim=0))
            if bool((best <= ACCURACY).all()):
                break
    return best


def _regularizer(method: type[Tunable[Any]]) -> Regularizer:
    return L1(0.2) if method.composite else Zero()


def _refuses(method: type[Tunable[Any]], setting: Setting) -> bool:
    try:
        method(**setting)
    except InputError:
        return True
    return False
