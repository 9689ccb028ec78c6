"""Each family of topologies against its definition."""

import math
import re
from itertools import combinations

import networkx as nx
import numpy as np
import pytest

from gnn_l2o._utils.errors import InputError
from tests.graph.generated import edges, generate


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
