"""The contract of every file in topologies/, and each family against its definition."""

import math
import re
from itertools import combinations
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.build import build_network, expand, has_own_size

NAMES = plugins.available("topology")
SIZES = [5, 8, 16, 33]
SMALLEST = {
    **{"ring": 3, "torus": 3, "watts_strogatz": 5, "barabasi_albert": 3, "regular": 5, "stochastic_block": 2},
    **{"barbell": 4, "hubs": 4, "directed_ring": 2},
}


def generate(spec: str, nodes: int | None = None, seed: int = 0) -> nx.Graph:
    plugin = plugins.load("topology", spec)
    return plugin(seed=seed) if has_own_size(plugin) else plugin(nodes, seed=seed)


def edges(graph: nx.Graph) -> set[tuple[int, int]]:
    return set(graph.edges) if graph.is_directed() else {(min(edge), max(edge)) for edge in graph.edges}


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


def test_a_ring_joins_neighbours_modulo_n() -> None:
    assert edges(generate("ring", 6)) == {(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5)}


def test_directed_families_send_upwards_modulo_n() -> None:
    assert edges(generate("directed_ring", 4)) == {(0, 1), (1, 2), (2, 3), (3, 0)}
    expected = {(i, (i + offset) % 6) for i in range(6) for offset in (1, 2, 4)}
    assert edges(generate("directed_exponential", 6)) == expected


def test_in_a_random_digraph_each_direction_is_drawn_by_itself() -> None:
    graph = generate("directed_erdos_renyi:p=0.3", 60, seed=1)
    both = sum(graph.has_edge(j, i) for i, j in graph.edges)
    assert graph.number_of_edges() / (60 * 59) == pytest.approx(0.3, abs=0.03)
    assert both / graph.number_of_edges() == pytest.approx(0.3, abs=0.06)
    with pytest.raises(InputError, match=r"none of 100 random graphs was connected; p should be above"):
        generate("directed_erdos_renyi:p=0.01", 20)


def test_a_path_is_an_open_line() -> None:
    assert edges(generate("path", 4)) == {(0, 1), (1, 2), (2, 3)}
    assert edges(generate("path", 1)) == set()


@pytest.mark.parametrize(("nodes", "rows", "columns"), [(12, 3, 4), (16, 4, 4), (50, 5, 10), (7, 1, 7)])
def test_a_grid_is_as_square_as_it_can_be(nodes: int, rows: int, columns: int) -> None:
    expected = {
        (a, b)
        for a, b in combinations(range(nodes), 2)
        if abs(a // columns - b // columns) + abs(a % columns - b % columns) == 1
    }
    assert edges(generate("grid", nodes)) == expected
    assert edges(generate(f"grid:rows={rows}", nodes)) == expected


@pytest.mark.parametrize(("nodes", "rows", "columns"), [(12, 3, 4), (25, 5, 5), (10, 2, 5), (7, 1, 7)])
def test_a_torus_closes_the_grid(nodes: int, rows: int, columns: int) -> None:
    def near(a: int, b: int) -> bool:
        down, across = (b // columns - a // columns) % rows, (b - a) % columns
        return (min(down, rows - down), min(across, columns - across)) in ((0, 1), (1, 0))

    assert edges(generate("torus", nodes)) == {(a, b) for a, b in combinations(range(nodes), 2) if near(a, b)}


def test_trees_have_one_edge_less_than_nodes() -> None:
    assert nx.is_tree(generate("tree", 20))
    assert nx.is_tree(generate("binary_tree", 20))
    assert edges(generate("binary_tree", 12)) == {((i - 1) // 2, i) for i in range(1, 12)}
    assert edges(generate("star", 5)) == {(0, i) for i in range(1, 5)}


@pytest.mark.parametrize(("nodes", "bridge"), [(10, 1), (12, 2), (20, 5), (4, 1), (11, 4), (8, 5)])
def test_a_barbell_joins_two_cliques_by_a_path(nodes: int, bridge: int) -> None:
    graph, between = generate(f"barbell:bridge={bridge}", nodes), bridge - 1
    size, larger = divmod(nodes - between, 2)
    if not larger:
        assert edges(graph) == edges(nx.barbell_graph(size, between))
    # Without the path and its ends there are two cliques; from one to the other it is bridge + 2 edges.
    first, last = range(size + larger), range(nodes - size, nodes)
    inside = {*combinations(first, 2), *combinations(last, 2)}
    assert edges(graph) - inside == {(size + larger - 1 + k, size + larger + k) for k in range(bridge)}
    assert inside <= edges(graph)
    assert nx.diameter(graph) == bridge + 2


@pytest.mark.parametrize(("hubs", "nodes"), [(1, 6), (2, 4), (2, 11), (3, 20), (4, 9)])
def test_hubs_are_joined_and_share_the_leaves(hubs: int, nodes: int) -> None:
    graph = generate(f"hubs:hubs={hubs}", nodes)
    degrees = [graph.degree[k] for k in range(nodes)]
    leaves = [degree - (hubs - 1) for degree in degrees[:hubs]]
    assert sum(leaves) == nodes - hubs
    assert max(leaves) - min(leaves) <= 1
    assert set(degrees[hubs:]) == {1}
    assert set(combinations(range(hubs), 2)) <= edges(graph)
    assert nx.diameter(graph) == (3 if hubs > 1 else 2)
    if hubs == 1:
        assert edges(graph) == edges(generate("star", nodes))


def test_a_complete_graph_has_every_edge() -> None:
    assert edges(generate("complete", 6)) == set(combinations(range(6), 2))


@pytest.mark.parametrize("nodes", [1, 2, 10, 11, 16, 33])
def test_an_exponential_graph_joins_powers_of_two(nodes: int) -> None:
    powers = [2**k for k in range(10) if 2**k < nodes]
    expected = {
        (a, b)
        for a, b in combinations(range(nodes), 2)
        if any((a - b - q) % nodes * ((b - a - q) % nodes) == 0 for q in powers)
    }
    assert edges(generate("exponential", nodes)) == expected


@pytest.mark.parametrize("nodes", [1, 2, 16])
def test_a_hypercube_joins_numbers_one_binary_digit_apart(nodes: int) -> None:
    assert edges(generate("hypercube", nodes)) == {
        (a, b) for a, b in combinations(range(nodes), 2) if (a ^ b).bit_count() == 1
    }


def test_edges_of_an_erdos_renyi_graph_are_as_many_as_expected() -> None:
    count = np.mean([generate("erdos_renyi:p=0.3", 60, seed).number_of_edges() for seed in range(20)])
    pairs = 60 * 59 / 2
    assert abs(count - 0.3 * pairs) < 4 * math.sqrt(0.3 * 0.7 * pairs / 20)
    assert generate("erdos_renyi:p=1", 9).number_of_edges() == 36
    degree = np.mean([2 * generate("erdos_renyi", 60, seed).number_of_edges() / 60 for seed in range(20)])
    assert degree == pytest.approx(2 * math.log(60) * 59 / 60, rel=0.1)


def test_a_small_world_without_rewiring_is_a_ring_of_k_neighbours() -> None:
    assert edges(generate("watts_strogatz:k=4,p=0", 9)) == {
        (a, b) for a, b in combinations(range(9), 2) if min(b - a, 9 - b + a) <= 2
    }
    rewired = generate("watts_strogatz:k=4,p=0.5", 30)
    assert rewired.number_of_edges() == 60
    assert edges(rewired) != edges(generate("watts_strogatz:k=4,p=0", 30))


def test_preferential_attachment_adds_m_edges_a_node_and_makes_hubs() -> None:
    graph = generate("barabasi_albert:m=3", 200)
    assert graph.number_of_edges() == 3 * (200 - 3)
    degrees = [degree for _, degree in graph.degree]
    assert min(degrees) >= 1
    assert max(degrees) > 5 * np.median(degrees)


def test_a_random_geometric_graph_joins_what_lies_near() -> None:
    assert generate("random_geometric:radius=1.5", 12).number_of_edges() == 66
    few, many = (generate(f"random_geometric:radius={r}", 40).number_of_edges() for r in (0.3, 0.6))
    assert few < many < 780
    # Nodes in the plane: of six around a seventh and within its radius, two lie within the radius of each other.
    graph = generate("random_geometric:radius=0.3", 40)
    hub = max(graph, key=graph.degree)
    assert all(any(graph.has_edge(*pair) for pair in combinations(six, 2)) for six in combinations(graph[hub], 6))


@pytest.mark.parametrize(("degree", "nodes"), [(2, 9), (3, 10), (4, 11), (7, 8)])
def test_a_regular_graph_has_one_degree(degree: int, nodes: int) -> None:
    assert {d for _, d in generate(f"regular:degree={degree}", nodes).degree} == {degree}


def test_blocks_are_dense_inside_and_sparse_between() -> None:
    graph = generate("stochastic_block:blocks=3,p_in=1,p_out=0.02", 31)
    block = [0] * 11 + [1] * 10 + [2] * 10
    inside = {(a, b) for a, b in edges(graph) if block[a] == block[b]}
    assert len(inside) == 55 + 45 + 45
    assert 2 <= len(edges(graph) - inside) < 30


def test_real_networks_are_the_published_ones() -> None:
    abilene = generate("real")
    assert (abilene.number_of_nodes(), abilene.number_of_edges()) == (11, 14)
    germany = generate("real:name=sndlib/germany50")
    assert (germany.number_of_nodes(), germany.number_of_edges()) == (50, 88)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("topozoo/Abilen", "topozoo/Abilene"),
        ("sndlib/Abilene", "sndlib/abilene"),
        ("germany5O", "sndlib/germany50"),
        ("geant2012", "topozoo/Geant2012"),
    ],
)
def test_an_unknown_real_network_gives_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(InputError) as error:
        generate(f"real:name={name}")
    known = r"\(topohub has \d{3}\)"
    assert re.fullmatch(rf"unknown real network '{name}'; did you mean '{nearest}'\? {known}", str(error.value))


GRAPH = nx.Graph([(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (3, 10), (10, 11)])
NUMBERED = {(0, 1), (1, 2), (2, 3), (0, 3), (0, 2), (3, 4), (4, 5)}


def write_graphml(path: Path) -> None:
    nx.write_graphml(GRAPH, path)


def write_gml(path: Path) -> None:
    nx.write_gml(GRAPH, path)


def write_edges(path: Path) -> None:
    path.write_text("# from to weight\n10 11 0.5\n\n" + "".join(f"{u} {v}  # a comment\n" for u, v in GRAPH.edges))


def write_npy(path: Path) -> None:
    np.save(path, nx.to_numpy_array(GRAPH) * 0.3 + np.eye(6))


def write_csv(path: Path) -> None:
    np.savetxt(path, nx.to_numpy_array(GRAPH, weight=None), delimiter=",", fmt="%d")


@pytest.mark.parametrize(
    ("ending", "write"),
    [
        ("graphml", write_graphml),
        ("gml", write_gml),
        ("edges", write_edges),
        ("edgelist", write_edges),
        ("TXT", write_edges),
        ("npy", write_npy),
        ("csv", write_csv),
    ],
)
def test_a_graph_comes_back_from_its_file(ending: str, write, tmp_path: Path) -> None:
    path = tmp_path / f"graph.{ending}"
    write(path)
    graph = generate(f"from_file:path={path}")
    assert list(graph) == list(range(6))
    assert edges(graph) == NUMBERED


def test_parallel_edges_and_loops_of_a_file_are_left_out(tmp_path: Path) -> None:
    nx.write_graphml(nx.MultiGraph([("a", "b"), ("a", "b"), ("b", "b"), ("b", "c")]), tmp_path / "graph.graphml")
    assert edges(generate(f"from_file:path={tmp_path}/graph.graphml")) == {(0, 1), (1, 2)}


def test_labels_of_a_gml_file_may_be_missing_or_double(tmp_path: Path) -> None:
    for label in ("", ' label "None"'):
        nodes = "".join(f" node [ id {k}{label} ]" for k in (7, 3, 5))
        (tmp_path / "graph.gml").write_text(f"graph [{nodes} edge [ source 7 target 3 ] edge [ source 3 target 5 ] ]")
        assert edges(generate(f"from_file:path={tmp_path}/graph.gml")) == {(0, 1), (0, 2)}


def test_nodes_with_names_keep_the_order_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "graph.txt").write_text("rome oslo\noslo bern\n")
    assert edges(generate(f"from_file:path={tmp_path}/graph.txt")) == {(0, 1), (1, 2)}
    (tmp_path / "graph.txt").write_text("2 10\n10 1\n")
    assert edges(generate(f"from_file:path={tmp_path}/graph.txt")) == {(0, 2), (1, 2)}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("graph.xls", b"", "unknown ending of a graph file '.xls'; did you mean '.txt'? (known: .csv, "),
        ("graph.txt", b"0 1\n2\n", "line 2 of PATH is '2'; expected two nodes, separated by blanks"),
        ("graph.txt", b"0,1\n1,2\n", "line 1 of PATH is '0,1'; expected two nodes, separated by blanks"),
        ("graph.txt", b"\xff\xfe\x00", "cannot read PATH as .txt file: "),
        ("graph.graphml", b"<no", "cannot read PATH as .graphml file: "),
        ("graph.gml", b"graph [ node", "cannot read PATH as .gml file: "),
        ("graph.npy", b"0 1", "cannot read PATH as .npy file: "),
        ("graph.csv", b"0,x\n1,0\n", "cannot read PATH as .csv file: "),
        ("graph.csv", b"0,1,0\n1,0,1\n", "PATH holds an array of shape (2, 3); expected a square adjacency matrix"),
        ("graph.csv", b"0,nan\nnan,0\n", "PATH holds numbers that are not finite; expected zeros"),
        ("graph.csv", b"0,1\n0,0\n", "PATH has an edge 0->1 but not 1->0; expected a symmetric adjacency matrix"),
    ],
)
def test_files_that_hold_something_else_are_refused_in_one_line(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        generate(f"from_file:path={path}")
    assert str(error.value).startswith(message.replace("PATH", str(path)))
    assert "\n" not in str(error.value)


def test_missing_and_directed_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^there is no graph file nowhere\.gml$"):
        generate("from_file:path=nowhere.gml")
    nx.write_graphml(nx.DiGraph([(0, 1)]), tmp_path / "graph.graphml")
    with pytest.raises(InputError, match=r"holds a directed graph; expected an undirected one$"):
        generate(f"from_file:path={tmp_path}/graph.graphml")
    (tmp_path / "graph.txt").write_text("0 1\n2 3\n")
    with pytest.raises(InputError, match=r"^the graph falls into 2 parts; expected a connected one$"):
        build_network(f"from_file:path={tmp_path}/graph.txt")


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
