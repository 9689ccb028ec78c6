"""How long it takes to set up a large network: the Network itself, the spectrum of its mixing matrix, its diameter.

The last two are found only for methods that ask for them. The output is seconds of processor time, which other load on
the machine changes little. Run it with ``python benchmarks/large_networks.py``; it takes about a minute.
"""

import time
from collections.abc import Callable

import networkx as nx

from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network

TOPOLOGIES = ("ring", "grid", "watts_strogatz", "regular", "barabasi_albert")
SIZES = (3_000, 10_000, 100_000)
DENSE = 3_000  # nodes of a graph with half of all edges


def seconds(function: Callable[[], object]) -> float:
    """Return the processor time that a call takes."""
    begin = time.process_time()
    function()
    return time.process_time() - begin


def measure(name: str, graph: nx.Graph) -> None:
    """Print the line of a graph."""
    network = Network.from_networkx(graph)
    times = (
        seconds(lambda: Network.from_networkx(graph)),
        seconds(lambda: network.spectral_gap),
        seconds(lambda: network.diameter),
    )
    print(f"{name:16} {len(graph):8}" + "".join(f" {value:10.2f}" for value in times), flush=True)


def main() -> None:
    """Measure and print."""
    print(f"{'topology':16} {'nodes':>8} {'network':>10} {'spectrum':>10} {'diameter':>10}")
    for nodes in SIZES:
        for topology in TOPOLOGIES:
            links = build_network(topology, nodes, seed=0).link_index.t().tolist()
            measure(topology, nx.Graph(links))
    measure("half of all edges", nx.gnp_random_graph(DENSE, 0.5, seed=0))


if __name__ == "__main__":
    main()
