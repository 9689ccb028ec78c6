"""A network that hides all but what nodes may know, to show that an algorithm reads nothing that is not counted."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gnn_l2o.graph.network import Network

OWN = ("num_nodes", "num_graphs", "directed", "self_weight", "degree", "out_degree", "weights", "is_copies_of")
"""What nodes know of themselves and their edges; the last tells only whether the graph is a given one."""
SETUP = ("spectral_gap", "min_eigenvalue", "graph_sizes", "diameter", "radius", "graph_max")
"""Set-up knowledge: what concerns the whole graph and is the same at all its nodes."""
EXCHANGES = ("neighbours", "differences", "swap", "swap_ends", "mix", "mix_with", "flows")
COUNTED = (*EXCHANGES, "graph_min", "graph_mean", "wait", "push", "traffic")
LOCAL = ("collect", "reduce", "laplacians", "at_nodes", "to_edges")
"""What nodes compute from what they or both ends of their edges know."""


class HiddenNetwork:
    """Shows of a network its counted exchanges, what nodes know of themselves, and set-up knowledge.

    Whatever else is asked for, above all the indices of edges with which neighbours' rows could be read for nothing,
    is refused. Algorithms run on it as on the network.

    Args:
        network: what is hidden.

    Attributes:
        setup_knowledge: which set-up knowledge was read, to be compared with :attr:`.Algorithm.setup_knowledge`.

    Raises:
        AttributeError: when something hidden is read.

    Example:
        >>> network = HiddenNetwork(Network.from_edges([(0, 1)]))
        >>> network.mix(torch.tensor([[0.0], [2.0]], dtype=torch.float64)).flatten()
        tensor([1., 1.], dtype=torch.float64)
        >>> network.edge_index
        Traceback (most recent call last):
        AttributeError: edge_index of a Network is no node's knowledge; expected a counted exchange (neighbours, ...)
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self.setup_knowledge: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name in SETUP:
            self.setup_knowledge.add(name)
        if name in (*OWN, *SETUP, *COUNTED, *LOCAL):
            return getattr(self._network, name)
        raise AttributeError(
            f"{name} of a Network is no node's knowledge; expected a counted exchange ({COUNTED[0]}, ...)"
        )

    def at_edges(self, value: Tensor, *, directed: bool = False) -> Tensor:
        """Give every row of edges the number of its graph, ``(N, 1)`` to ``(R, 1)``; refuse one that differs in it."""
        for graph in range(self._network.num_graphs):
            own = value[self._network.batch == graph]
            if not bool((own == own[0]).all()):
                raise AttributeError("at_edges is for numbers that all nodes of a graph have; expected neighbours()")
        return self._network.at_edges(value, directed=directed)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> HiddenNetwork:
        """Return a copy on ``device``, with its real numbers in ``dtype``."""
        return HiddenNetwork(self._network.to(device, dtype))
