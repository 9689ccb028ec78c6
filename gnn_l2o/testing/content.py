"""The contracts of topologies and datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx
import torch
from torch import Tensor

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.build import build_network, has_own_size
from gnn_l2o.problems import NotCertifiedError, Problem, solve
from gnn_l2o.testing.expect import expect, unchanged_randomness

SIZES = (5, 8, 16, 33)
STEPS = (1e-5, 1e-6, 1e-7)  # of difference quotients; the kinks of ReLU and max pooling may lie within the longer ones


def check_topology(spec: str | Path) -> None:
    """Check that a topology keeps its contract.

    - ``generate`` takes what :mod:`gnn_l2o.plugins` asks for;
    - the graph is a networkx.Graph with nodes 0, 1, ..., N - 1, simple and connected, strongly if it is a DiGraph, and
      as large as asked for; sizes that the family does not have may be refused with an InputError, but not all of 5,
      8, 16 and 33;
    - equal seeds give equal graphs, and the global random generators are left alone.

    Args:
        spec: a name or a path, perhaps with parameters.

    Raises:
        AssertionError: the contract is violated; the message says how.
    """
    plugin = plugins.load("topology", str(spec))
    sizes: list[int | None] = [None] if has_own_size(plugin) else [n for n in SIZES if _offers(plugin, n)]
    expect(bool(sizes), f"{plugin.name}: refuses all of {SIZES} nodes")
    for nodes in sizes:
        _check_graph(plugin, nodes)
        network = build_network(str(spec), nodes)
        wanted = network.num_nodes if nodes is None else nodes
        expect(network.num_nodes == wanted, f"{plugin.name}: gives {network.num_nodes} nodes, expected {wanted}")


def check_dataset(spec: str | Path) -> None:
    """Check that a dataset keeps its contract.

    - ``sample`` takes what :mod:`gnn_l2o.plugins` asks for;
    - it returns one Problem for the nodes of the network, also for a single node, in double precision;
    - losses and gradients are finite at the initial point, the gradient is that of the loss (of its negative in the
      coordinates over which a min-max problem maximizes), and L_i is positive;
    - equal seeds give equal problems, other seeds others, and the global random generators are left alone;
    - the problem can be solved to a certificate, or has a lower bound.

    Args:
        spec: a name or a path, perhaps with parameters.

    Raises:
        AssertionError: the contract is violated; the message says how.
    """
    plugin = plugins.load("dataset", str(spec))
    for nodes in (1, 4):
        network = build_network("path", nodes)
        problem = plugin(network, seed=3)  # may import libraries, some of which draw random numbers once
        with unchanged_randomness(f"{plugin.name}: sample()"):
            again = plugin(network, seed=3)
        expect(isinstance(problem, Problem), f"{plugin.name}: sample must return a Problem, got {type(problem)}")
        expect(
            (problem.num_nodes, problem.num_problems) == (nodes, 1),
            f"{plugin.name}: expected one problem of {nodes} nodes, got {problem.num_problems} of {problem.num_nodes}",
        )
        _check_values(plugin.name, problem)
    other = plugin(network, seed=4)
    point = problem.initial_point().double() + 0.1
    values = [p.loss(point) for p in (problem, again, other)]
    expect(torch.equal(values[0], values[1]), f"{plugin.name}: equal seeds give different problems")
    expect(not torch.equal(values[0], values[2]), f"{plugin.name}: seeds 3 and 4 give the same problem")
    _check_solution(plugin.name, problem)


def _offers(plugin: plugins.Plugin, nodes: int) -> bool:
    try:
        plugin(nodes, seed=0)
    except InputError:
        return False
    return True


def _check_graph(plugin: plugins.Plugin, nodes: int | None) -> None:
    size = () if nodes is None else (nodes,)
    graph = plugin(*size, seed=7)
    with unchanged_randomness(f"{plugin.name}: generate()"):
        again = plugin(*size, seed=7)
    expect(isinstance(graph, nx.Graph), f"{plugin.name}: generate must return a networkx.Graph, got {type(graph)}")
    simple = not graph.is_multigraph() and nx.number_of_selfloops(graph) == 0
    expect(simple, f"{plugin.name}: expected a graph without self-loops and multi-edges")
    count = len(graph) if nodes is None else nodes
    expect(len(graph) == count, f"{plugin.name}: gives a graph of {len(graph)} nodes, expected {count}")
    numbered = list(graph) == list(range(count))
    expect(
        numbered, f"{plugin.name}: expected the nodes 0, 1, ..., {count - 1} in this order, got {list(graph)[:5]}, ..."
    )
    directed = graph.is_directed()
    parts = (nx.number_strongly_connected_components if directed else nx.number_connected_components)(graph)
    kind = "strongly connected" if directed else "connected"
    expect(parts == 1, f"{plugin.name}: with {count} nodes the graph falls into {parts} parts; expected a {kind} one")
    same = nx.utils.edges_equal(graph.edges, again.edges, directed=directed)
    expect(same, f"{plugin.name}: the same seed gives different graphs of {count} nodes")


def _check_values(name: str, problem: Problem) -> None:
    x = problem.initial_point().double()
    expect(
        x.shape == (problem.num_nodes, problem.dim),
        f"{name}: expected an initial point of shape {(problem.num_nodes, problem.dim)}, got {tuple(x.shape)}",
    )
    shapes = {"loss": (problem.num_nodes, 1), "gradient": tuple(x.shape), "smoothness": (problem.num_nodes, 1)}
    found = {"loss": problem.loss(x), "gradient": problem.gradient(x), "smoothness": problem.smoothness()}
    for what, value in found.items():
        expect(tuple(value.shape) == shapes[what], f"{name}: {what} has shape {tuple(value.shape)}, not {shapes[what]}")
        expect(value.dtype == torch.float64, f"{name}: expected {what} in float64, got {value.dtype}")
        expect(bool(value.isfinite().all()), f"{name}: {what} is not finite at the initial point")
    smallest = float(found["smoothness"].min())
    expect(smallest > 0, f"{name}: expected positive smoothness constants L_i, got {smallest:.3g}")
    _check_gradient(name, problem, x)


def _check_gradient(name: str, problem: Problem, x: Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    x = x + 0.01 * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    direction = torch.randn(x.shape, generator=generator, dtype=x.dtype)
    length = max(1.0, float(direction.norm(dim=1).max()))
    gradient = problem.gradient(x)
    if problem.maximized is not None:
        gradient = torch.where(problem.maximized, -gradient, gradient)
    expected = (gradient * direction).sum(dim=1, keepdim=True)
    scale = float((gradient.norm(dim=1) * direction.norm(dim=1)).max())
    errors = []
    for step in STEPS:
        h = step / length
        slope = (problem.loss(x + h * direction) - problem.loss(x - h * direction)) / (2 * h)
        errors.append(float((slope - expected).abs().max()))
    error = min(errors)
    expect(error <= 1e-4 * max(scale, 1e-8), f"{name}: the gradient is off the slope of the loss by {error:.3g}")


def _check_solution(name: str, problem: Problem) -> None:
    try:
        solution = solve(problem)
    except (InputError, NotCertifiedError) as error:
        raise AssertionError(f"{name}: has no lower bound, and cannot be solved: {error}") from error
    start: Any = problem.objective(problem.average(problem.initial_point().double()))
    expect(
        bool((solution.value <= start).all()),
        f"{name}: the minimum or lower bound {float(solution.value):.6g} is above the initial objective "
        f"{float(start):.6g}",
    )
