"""The contract of every file in topologies/, and what is refused."""

import re
from pathlib import Path

import networkx as nx
import pytest

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.build import build_network, expand, has_own_size
from tests.graph.generated import edges, generate

NAMES = plugins.available("topology")
SIZES = [5, 8, 16, 33]
SMALLEST = {
    **{"ring": 3, "torus": 3, "watts_strogatz": 5, "barabasi_albert": 3, "regular": 5, "stochastic_block": 2},
    **{"barbell": 4, "hubs": 4, "directed_ring": 2},
}


@pytest.fixture
def spec(name: str, tmp_path: Path) -> str:
    """The topology's name, with what it cannot do without."""
    if name != "from_file":
        return name
    (tmp_path / "graph.txt").write_text("0 1\n1 2\n2 0\n2 3\n")
    return f"from_file:path={tmp_path / 'graph.txt'}"


def sizes(spec: str) -> list[int | None]:
    if has_own_size(plugins.load("topology", spec)):
        return [None]
    return [n for n in SIZES if "hypercube" not in spec or n in (8, 16)]


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_is_simple_connected_and_as_large_as_asked_for(name: str, spec: str) -> None:
    for nodes in sizes(spec):
        graph = generate(spec, nodes)
        assert type(graph) is (nx.DiGraph if name.startswith("directed_") else nx.Graph)
        assert nodes is None or list(graph) == list(range(nodes))
        assert nx.number_of_selfloops(graph) == 0
        assert nx.is_strongly_connected(graph) if graph.is_directed() else nx.is_connected(graph)
        network = build_network(spec, nodes)
        assert (network.num_nodes, network.directed) == (len(graph), graph.is_directed())


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_decides_and_only_random_families_listen_to_it(name: str, spec: str) -> None:
    nodes = sizes(spec)[-1]
    first, again = generate(spec, nodes, seed=7), generate(spec, nodes, seed=7)
    assert edges(first) == edges(again)
    others = [edges(generate(spec, nodes, seed=seed)) for seed in range(1, 4)]
    is_random = "(random)" in plugins.load("topology", spec).description
    assert all(other != edges(generate(spec, nodes, seed=0)) for other in others) == is_random


@pytest.mark.parametrize("name", NAMES)
def test_a_file_says_what_it_is_and_declares_its_parameters(name: str) -> None:
    [plugin] = [p for p in plugins.listing("topology") if p.name == name]
    assert re.fullmatch(r"[A-Z].{20,115}\.", plugin.description)
    assert plugin.function.__doc__.isascii(), "terminals without UTF-8 cannot show the rest"
    for parameter in plugin.defaults:
        assert re.search(rf"^ +{parameter}: ", plugin.function.__doc__, flags=re.MULTILINE), parameter
    if plugin.usage != name and "PATH" not in plugin.usage:
        assert plugins.load("topology", plugin.usage).parameters == plugin.defaults


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("from_file", "real")])
def test_too_few_nodes_are_refused_and_the_least_number_is_enough(name: str) -> None:
    least = SMALLEST.get(name, 1)
    assert len(generate(name, least)) == least
    for nodes in {0, least - 1}:
        with pytest.raises(InputError, match=rf"^an? .* needs at least {least} nodes?, got {nodes}$"):
            generate(name, nodes)


@pytest.mark.parametrize(
    ("spec", "nodes", "message"),
    [
        ("erdos_renyi:p=1.5", 10, "p is a probability between 0 and 1, got 1.5"),
        ("erdos_renyi:p=nan", 10, "topology erdos_renyi: p: expected a finite number, got 'nan'"),
        (
            "erdos_renyi:p=0.001",
            50,
            "none of 100 random graphs was connected; p should be above ln(N)/N = 0.0782 for 50 nodes, got 0.001",
        ),
        (
            "random_geometric:radius=0.01",
            50,
            "none of 100 random graphs was connected; radius should be above 0.158 for 50 nodes, got 0.01",
        ),
        ("random_geometric:radius=-1", 10, "radius is a distance, so it is not negative, got -1"),
        (
            "stochastic_block:p_out=0",
            20,
            "none of 100 random graphs was connected; larger p_in or p_out help, got p_in=0.5, p_out=0",
        ),
        ("stochastic_block:p_in=2", 20, "p_in is a probability between 0 and 1, got 2"),
        ("stochastic_block:blocks=0", 20, "blocks is at least 1, got 0"),
        ("stochastic_block:blocks=7", 6, "a graph of 7 blocks needs at least 7 nodes, got 6"),
        (
            "watts_strogatz:k=3",
            10,
            "k neighbours are half on the left and half on the right, so k is 2, 4, 6, ..., got 3",
        ),
        ("watts_strogatz:k=10", 10, "a Watts-Strogatz graph with k=10 needs at least 11 nodes, got 10"),
        ("barabasi_albert:m=0", 10, "m counts the edges of a new node, so it is at least 1, got 0"),
        ("barabasi_albert:m=10", 10, "a Barabasi-Albert graph with m=10 needs at least 11 nodes, got 10"),
        ("regular:degree=3", 11, "a regular graph of degree 3 needs an even number of nodes, got 11"),
        ("regular:degree=0", 11, "degree is at least 1, got 0"),
        ("regular:degree=1", 6, "none of 100 random graphs was connected; take degree 3 or more, got 1"),
        ("barbell:bridge=0", 10, "bridge is the length of a path, so it is at least 1, got 0"),
        ("barbell:bridge=4", 6, "a barbell with a bridge of length 4 needs at least 7 nodes, got 6"),
        ("hubs:hubs=0", 10, "hubs is at least 1, got 0"),
        ("hubs:hubs=3", 5, "a graph of 3 hubs with leaves needs at least 6 nodes, got 5"),
        ("grid:rows=3", 10, "a grid of 10 nodes cannot have 3 rows; rows may be 1, 2, 5, 10"),
        ("torus:rows=0", 10, "a torus of 10 nodes cannot have 0 rows; rows may be 1, 2, 5, 10"),
        ("hypercube", 10, "a hypercube needs a power of two as its number of nodes, such as 8 or 16, got 10"),
        ("real", 10, "real has 11 nodes of its own, got nodes=10"),
        ("ring", None, "topology ring needs a number of nodes"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(spec: str, nodes: int | None, message: str) -> None:
    with pytest.raises(InputError) as error:
        build_network(spec, nodes)
    assert str(error.value) == message


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match=r"^a seed is a whole number from 0 upwards, got -1$"):
        build_network("erdos_renyi", 10, seed=-1)


def test_random_graphs_are_drawn_again_until_connected() -> None:
    # At half the threshold most draws are disconnected, so most seeds need more than one.
    first = [nx.is_connected(nx.fast_gnp_random_graph(12, 0.15, seed=seed)) for seed in range(30)]
    assert sum(first) < 15
    assert all(nx.is_connected(generate("erdos_renyi:p=0.15", 12, seed)) for seed in range(30))


def test_build_network_takes_seed_and_mixing() -> None:
    assert build_network("ring", 6, mixing="lazy").weight[0].item() == pytest.approx(1 / 6)
    same, other = (build_network("tree", 20, seed=seed).edge_index.tolist() for seed in (4, 5))
    assert build_network("tree", 20, seed=4).edge_index.tolist() == same != other


def test_a_graph_with_a_size_of_its_own_stands_once_among_the_cells() -> None:
    specs = ["ring", "real:name=topozoo/Abilene", "erdos_renyi:p=0.5"]
    assert expand(specs, [10, 50, 10]) == [
        ("ring", 10),
        ("ring", 50),
        ("real:name=topozoo/Abilene", 11),
        ("erdos_renyi:p=0.5", 10),
        ("erdos_renyi:p=0.5", 50),
    ]
    assert expand(["real"], []) == [("real", 11)]
    with pytest.raises(InputError, match=r"^topology ring needs a number of nodes$"):
        expand(["real", "ring"], [])


def test_a_generator_that_returns_another_size_is_caught(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(
        "import networkx as nx\n\ndef generate(nodes: int, *, seed: int = 0):\n    return nx.path_graph(nodes + 1)\n"
    )
    with pytest.raises(InputError, match=r"^topology odd returned a graph of 4 nodes, expected 3$"):
        build_network(str(tmp_path / "odd.py"), 3)
