"""What the rule's nodes and edges know of a problem over a network before the first iteration."""

from __future__ import annotations

from torch import Tensor

from gnn_l2o.algorithms.curvature import FAR_BELOW, added_curvature
from gnn_l2o.graph.network import Network
from gnn_l2o.nn.facts import GraphFacts
from gnn_l2o.problems import Problem

SETUP_KNOWLEDGE = frozenset({"spectral_gap", "min_eigenvalue", "graph_sizes", "graph_max"})
"""What :func:`network_facts` reads of the whole graph, see :attr:`.Algorithm.setup_knowledge`."""


def network_facts(
    problem: Problem, network: Network, like: Tensor, *, directed: bool = False, far_below: float = FAR_BELOW
) -> GraphFacts:
    """Return the facts of nodes and edges, in the precision of ``like``.

    Nodes with next to no curvature are taken to have more (:func:`.added_curvature`).

    Args:
        problem: the losses.
        network: the graph.
        like: ``(N, d)``.
        directed: whether rows of edges are directed edges; otherwise links.
        far_below: see :func:`.added_curvature`.
    """
    smoothness = problem.smoothness().to(like)
    added = added_curvature(smoothness, network, far_below)
    return GraphFacts.of(
        smoothness=smoothness + added,
        mean_curvature=problem.mean_curvature().to(like) + added,
        added_curvature=added,
        self_weight=network.self_weight.to(like),
        num_nodes=network.graph_sizes.to(like),
        spectral_gap=network.at_nodes(network.spectral_gap).to(like),
        min_eigenvalue=network.at_nodes(network.min_eigenvalue).to(like),
        weight=network.weights(directed=directed).to(like),
        shapes=problem.shapes,
    )
