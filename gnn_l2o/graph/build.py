"""Networks from names of topologies, and all combinations of topologies and sizes."""

import inspect
from collections.abc import Iterable, Sequence

import networkx as nx

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError, about
from gnn_l2o._utils.memory import require_memory
from gnn_l2o.graph.directed import DirectedNetwork
from gnn_l2o.graph.network import Network
from gnn_l2o.plugins import Plugin

NODE = 490  # bytes of a node with two neighbours in a networkx graph, measured


def build_network(spec: str, nodes: int | None = None, *, seed: int = 0, mixing: str = "metropolis") -> Network:
    """Return the network of a topology given by name; a :class:`.DirectedNetwork` where its graphs are directed.

    Args:
        spec: the name of a file in ``topologies/`` or a path, with parameters: ``"erdos_renyi:p=0.3"``.
        nodes: N; may be left out where the topology determines it, as ``real`` and ``from_file`` do.
        seed: of the random topologies.
        mixing: the name of the mixing weights of undirected graphs, see :func:`gnn_l2o.graph.mixing.mixing_weights`.

    Raises:
        InputError: there is no such topology, it does not take these parameters or this number of nodes, mixing weights
            were chosen for a directed one, or a file outside the project returned a graph that is not (strongly)
            connected and simple.

    Example:
        >>> build_network("ring", 10).num_edges
        20
    """
    graph = _generate(plugins.load("topology", spec), nodes, seed)
    if not graph.is_directed():
        return Network.from_networkx(graph, mixing=mixing)
    if mixing != "metropolis":
        with about(mixing=mixing):
            raise InputError(
                f"{spec} is directed and has push weights, which mixing does not change; expected the default"
            )
    return DirectedNetwork.from_networkx(graph)


def expand(specs: Iterable[str], sizes: Sequence[int]) -> list[tuple[str, int]]:
    """Return every topology with every size; one that determines its number of nodes is listed once, with that.

    Args:
        specs: as for :func:`build_network`.
        sizes: numbers of nodes; may be empty if all topologies determine their own.

    Returns:
        Pairs of a spec and a number of nodes, in the order given, without repetitions.

    Raises:
        InputError: there is no such topology, or no size for one that needs it.

    Example:
        >>> expand(["ring", "real:name=topozoo/Abilene"], [10, 50])
        [('ring', 10), ('ring', 50), ('real:name=topozoo/Abilene', 11)]
    """
    cases = []
    for spec in specs:
        plugin = plugins.load("topology", spec)
        if has_own_size(plugin):
            cases.append((spec, len(_generate(plugin, None, seed=0))))
        elif not sizes:
            raise InputError(f"topology {plugin.name} needs a number of nodes")
        else:
            cases += [(spec, nodes) for nodes in sizes]
    return list(dict.fromkeys(cases))


def has_own_size(topology: Plugin) -> bool:
    """Return whether the topology determines the number of nodes: ``generate`` has no parameter ``nodes``."""
    return "nodes" not in inspect.signature(topology.function).parameters


def _generate(topology: Plugin, nodes: int | None, seed: int) -> nx.Graph:
    if has_own_size(topology):
        graph = _graph(topology, topology(seed=seed))
        expected = len(graph) if nodes is None else nodes
        if len(graph) != expected:
            raise InputError(f"{topology.spec} has {len(graph)} nodes of its own, got nodes={nodes}")
        return graph
    if nodes is None:
        raise InputError(f"topology {topology.name} needs a number of nodes")
    with about(nodes=nodes):
        require_memory(f"a graph of {nodes} nodes", nodes * NODE)
    graph = _graph(topology, topology(nodes, seed=seed))
    if len(graph) != nodes:
        raise InputError(f"topology {topology.name} returned a graph of {len(graph)} nodes, expected {nodes}")
    return graph


def _graph(topology: Plugin, made: object) -> nx.Graph:
    """Return what a topology made, if it is a graph."""
    if not isinstance(made, nx.Graph):
        raise InputError(f"{topology.place}: generate() must return a networkx.Graph, got {made!r:.80}")
    return made
