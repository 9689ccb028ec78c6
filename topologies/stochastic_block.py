"""Communities: dense inside, sparse between."""

import networkx as nx

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.generators import connected, require_memory_for_edges, require_nodes, require_probability


def generate(nodes: int, *, seed: int = 0, blocks: int = 2, p_in: float = 0.5, p_out: float = 0.05) -> nx.Graph:
    """Stochastic block model (random): nodes of one block are joined with probability p_in, others with p_out.

    Degree about (p_in + (blocks - 1) p_out) N / blocks; spectral gap near blocks p_out / (p_in + (blocks - 1) p_out),
    which the few edges between blocks determine (Holland, Laskey, Leinhardt 1983).

    Args:
        nodes: N, at least one a block.
        seed: of the draws; disconnected graphs are drawn again.
        blocks: of equal size, or with one node more in the first ones. The nodes of a block have consecutive numbers.
        p_in: probability of an edge inside a block.
        p_out: probability of an edge between blocks.
    """
    if blocks < 1:
        raise InputError(f"blocks is at least 1, got {blocks}")
    require_nodes(f"a graph of {blocks} blocks", nodes, minimum=blocks)
    require_probability("p_in", p_in)
    require_probability("p_out", p_out)
    mean = (p_in + (blocks - 1) * p_out) / blocks
    require_memory_for_edges(f"a graph of {blocks} blocks", mean * nodes**2 / 2)
    sizes = [nodes // blocks + (k < nodes % blocks) for k in range(blocks)]
    chances = [[p_in if row == column else p_out for column in range(blocks)] for row in range(blocks)]
    return connected(
        lambda k: nx.stochastic_block_model(sizes, chances, seed=k),
        seed,
        advice=f"larger p_in or p_out help, got p_in={p_in:g}, p_out={p_out:g}",
    )
