"""The Network against dense matrices and loops over its edges, and against torch_geometric's own batching."""

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from torch import Tensor
from torch_geometric.data import Batch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph import distances
from gnn_l2o.graph.network import Network

GRAPHS = {
    "one node": nx.path_graph(1),
    "two nodes": nx.path_graph(2),
    "ring": nx.cycle_graph(6),
    "star": nx.star_graph(5),
    "complete": nx.complete_graph(4),
    "random": nx.gnp_random_graph(12, 0.4, seed=3),
    "large": nx.random_regular_graph(4, 90, seed=0),
}
TENSORS = ["edge_index", "reverse", "link_index", "edge_link", "weight", "batch", "spectral_gap"]

every_graph = pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)


def metropolis(graph: nx.Graph) -> Tensor:
    """W written out from its definition, nodes in the order in which the graph lists them."""
    nodes = list(graph)
    matrix = torch.zeros(len(nodes), len(nodes))
    for i, u in enumerate(nodes):
        for j, v in enumerate(nodes):
            if graph.has_edge(u, v):
                matrix[i, j] = 1 / (1 + max(graph.degree(u), graph.degree(v)))
    return matrix + torch.diag(1 - matrix.sum(dim=1))


@every_graph
def test_the_mixing_matrix_is_metropolis(graph: nx.Graph) -> None:
    matrix = Network.from_networkx(graph).matrix()
    torch.testing.assert_close(matrix, metropolis(graph), rtol=0, atol=1e-15)
    torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=0)
    torch.testing.assert_close(matrix.sum(dim=0), torch.ones(len(graph)), rtol=0, atol=1e-14)
    assert (matrix >= 0).all()


@every_graph
def test_self_weights_are_the_diagonal(graph: nx.Graph) -> None:
    network = Network.from_networkx(graph)
    torch.testing.assert_close(network.self_weight.squeeze(1), network.matrix().diag(), rtol=0, atol=1e-14)


@every_graph
def test_gap_and_least_eigenvalue_are_those_of_the_dense_matrix(graph: nx.Graph) -> None:
    eigenvalues = torch.linalg.eigvalsh(metropolis(graph))  # ascending; the last is that of the consensus
    modulus = eigenvalues[:-1].abs().max() if len(graph) > 1 else torch.tensor(0.0)
    network = Network.from_networkx(graph)
    torch.testing.assert_close(network.spectral_gap, (1 - modulus).reshape(1, 1), rtol=0, atol=1e-12)
    torch.testing.assert_close(network.min_eigenvalue, eigenvalues[:1].clamp(max=0).reshape(1, 1), rtol=0, atol=1e-12)


@every_graph
def test_mix_is_the_product_with_the_dense_matrix(graph: nx.Graph) -> None:
    x = torch.randn(len(graph), 5)
    torch.testing.assert_close(Network.from_networkx(graph).mix(x), metropolis(graph) @ x, rtol=0, atol=1e-14)


@every_graph
def test_mix_leaves_a_consensus_exactly_as_it_is(graph: nx.Graph) -> None:
    x = torch.randn(1, 7).expand(len(graph), 7)
    assert torch.equal(Network.from_networkx(graph).mix(x), x)


@every_graph
def test_flows_are_weighted_sums_of_differences(graph: nx.Graph) -> None:
    network = Network.concatenate([Network.from_networkx(graph)] * 2)
    first, second = torch.rand(2, network.link_index.size(1), 1)
    z = torch.randn(network.num_nodes, 3)
    flows = network.flows(network.laplacians(first, second), z)
    for weight, flow in zip((first, second), flows, strict=True):
        expected = torch.zeros_like(z)
        for p, (i, j) in zip(weight[:, 0], network.link_index.T.tolist(), strict=True):
            expected[i] += p * (z[i] - z[j])
            expected[j] += p * (z[j] - z[i])
        torch.testing.assert_close(flow, expected)
    assert network.traffic.rounds == network.traffic.vectors == 1
    agreed = network.flows(network.laplacians(first), torch.full_like(z, 1 / 3))
    assert torch.equal(agreed[0], torch.zeros_like(z))


def test_nodes_alone_keep_what_they_have_and_their_rounds_are_counted() -> None:
    network = Network.concatenate([Network.from_networkx(nx.empty_graph(1))] * 3)
    x = torch.randn(3, 2, requires_grad=True)
    mixed = network.mix(x)
    assert torch.equal(mixed, x) and torch.equal(torch.autograd.grad(mixed.sum(), x)[0], torch.ones_like(x))
    flows = network.flows(network.laplacians(torch.ones(0, 1), torch.ones(0, 1)), x)
    assert len(flows) == 2 and all(torch.equal(flow, torch.zeros_like(x)) for flow in flows)
    assert network.traffic.rounds == network.traffic.vectors == 2


@every_graph
def test_differences_and_collect_are_loops_over_the_edges(graph: nx.Graph) -> None:
    network = Network.from_networkx(graph)
    z = torch.randn(len(graph), 3)
    expected = torch.zeros(len(graph), 3)
    gain = torch.rand(network.num_edges, 3)
    for edge, (j, i) in enumerate(network.edge_index.t().tolist()):
        expected[i] += gain[edge] * (z[i] - z[j])
    directed = network.collect(gain * network.differences(z, directed=True), directed=True)
    torch.testing.assert_close(directed, expected, rtol=0, atol=1e-13)


@every_graph
def test_links_carry_what_symmetric_edges_do(graph: nx.Graph) -> None:
    network = Network.from_networkx(graph)
    z = torch.randn(len(graph), 3)
    gain = torch.rand(network.link_index.size(1), 3)
    by_link = network.collect(gain * network.differences(z))
    by_edge = network.collect(gain[network.edge_link] * network.differences(z, directed=True), directed=True)
    torch.testing.assert_close(by_link, by_edge, rtol=0, atol=1e-13)


@every_graph
def test_edges_stand_in_both_directions_sorted_by_receiver(graph: nx.Graph) -> None:
    network = Network.from_networkx(graph)
    number = {node: k for k, node in enumerate(graph)}
    edges = [(number[u], number[v]) for u, v in graph.edges]
    expected = sorted((i, j) for edge in edges for i, j in (edge, edge[::-1]))
    assert [(i, j) for j, i in network.edge_index.t().tolist()] == expected
    assert [tuple(link) for link in network.link_index.t().tolist()] == sorted((min(e), max(e)) for e in edges)


@every_graph
def test_reverse_is_an_involution_that_swaps_the_ends(graph: nx.Graph) -> None:
    network = Network.from_networkx(graph)
    reverse = network.reverse
    assert torch.equal(reverse[reverse], torch.arange(network.num_edges))
    assert torch.equal(network.edge_index[:, reverse], network.edge_index.flip(0))
    value = torch.randn(network.num_edges, 2)
    assert torch.equal(network.swap(value), value[reverse])


@every_graph
def test_every_edge_knows_its_link(graph: nx.Graph) -> None:
    network = Network.from_networkx(graph)
    assert torch.equal(network.link_index[:, network.edge_link], network.edge_index.sort(dim=0).values)


@given(data=st.data(), nodes=st.integers(3, 9), dim=st.integers(1, 4))
def test_mix_commutes_with_renaming_the_nodes(data: st.DataObject, nodes: int, dim: int) -> None:
    graph = nx.wheel_graph(nodes)
    permutation = data.draw(st.permutations(range(nodes)))
    renamed = nx.empty_graph(nodes)
    renamed.add_edges_from((permutation[u], permutation[v]) for u, v in graph.edges)
    x = torch.randn(nodes, dim)
    moved = torch.empty_like(x).index_copy(0, torch.tensor(permutation), x)  # node i is now called permutation[i]
    expected = torch.empty_like(x).index_copy(0, torch.tensor(permutation), Network.from_networkx(graph).mix(x))
    torch.testing.assert_close(Network.from_networkx(renamed).mix(moved), expected, rtol=0, atol=1e-14)


def test_concatenate_puts_graphs_side_by_side() -> None:
    networks = [Network.from_networkx(GRAPHS[name]) for name in ("ring", "one node", "star")]
    joined = Network.concatenate([Network.concatenate(networks[:2]), networks[2]])
    assert joined.num_graphs == 3
    assert joined.num_nodes == 13
    assert joined.batch.tolist() == [0] * 6 + [1] + [2] * 6
    torch.testing.assert_close(joined.matrix(), torch.block_diag(*(n.matrix() for n in networks)), rtol=0, atol=0)
    torch.testing.assert_close(joined.spectral_gap, torch.cat([n.spectral_gap for n in networks]))


def test_concatenate_agrees_with_the_batch_of_torch_geometric() -> None:
    networks = [Network.from_networkx(GRAPHS[name]) for name in ("ring", "one node", "random", "star")]
    ours, theirs = Network.concatenate(networks), Batch.from_data_list(networks)
    for name in TENSORS:
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
    assert ours.num_nodes == theirs.num_nodes


def test_to_moves_the_real_numbers_only_and_copies() -> None:
    network = Network.from_networkx(GRAPHS["ring"])
    single = network.to(dtype=torch.float32)
    assert isinstance(single, Network)
    assert {name: getattr(single, name).dtype for name in TENSORS} == {
        name: torch.float32 if name in ("weight", "spectral_gap") else torch.long for name in TENSORS
    }
    assert network.weight.dtype == torch.float64
    assert single.mix(torch.ones(6, 2, dtype=torch.float32)).dtype == torch.float32
    assert network.to("cpu").num_nodes == 6


def test_an_edge_index_in_both_directions_gives_the_same_network() -> None:
    network = Network.from_networkx(GRAPHS["random"])
    shuffled = network.edge_index[:, torch.randperm(network.num_edges)]
    again = Network.from_edge_index(shuffled)
    assert all(torch.equal(getattr(network, name), getattr(again, name)) for name in TENSORS)


def test_mixing_rules_are_taken_by_name() -> None:
    network = Network.from_networkx(GRAPHS["star"], mixing="lazy")
    np.testing.assert_allclose(network.weight.numpy(), 1 / 12)


def test_nodes_are_numbered_in_the_order_of_the_graph() -> None:
    graph = nx.Graph([("c", "a"), ("a", "b")])
    assert Network.from_networkx(graph).link_index.tolist() == [[0, 1], [1, 2]]


def edge_index(*edges: tuple[int, int]) -> Tensor:
    return torch.tensor(edges).t()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: Network.from_networkx(nx.DiGraph([(0, 1)])),
            "the graph is directed; expected an undirected one (graph.to_undirected() makes it one), or "
            "DirectedNetwork.from_networkx(graph) for push-sum methods",
        ),
        (
            lambda: Network.from_networkx(nx.MultiGraph([(0, 1), (0, 1)])),
            "the graph is a multigraph; expected at most one edge between two nodes (nx.Graph(graph))",
        ),
        (
            lambda: Network.from_networkx(nx.Graph([(0, 1), (1, 1)])),
            "node 1 has a self-loop; expected none (a node's own weight is w_ii, not an edge)",
        ),
        (
            lambda: Network.from_networkx(nx.Graph([(0, 1), (2, 3), (4, 5)])),
            "the graph falls into 3 parts; expected a connected one",
        ),
        (lambda: Network.from_networkx(nx.Graph()), "the graph has no nodes; expected at least one"),
        (
            lambda: Network.from_edges([(0, 1), (1, 0)]),
            "edge (0, 1) is given more than once; expected each undirected edge once",
        ),
        (lambda: Network.from_edges([(0, 1), (1, 5)], 3), "edge (1, 5) names a node outside 0..2"),
        (
            lambda: Network.from_edge_index(edge_index((0, 1), (1, 0), (1, 2))),
            "edge_index holds edge 1->2 but not 2->1; expected both directions "
            "(torch_geometric.utils.to_undirected makes it so)",
        ),
        (
            lambda: Network.from_edge_index(edge_index((0, 1), (1, 0), (1, 0))),
            "edge_index holds edge 1->0 more than once (torch_geometric.utils.coalesce joins them)",
        ),
        (
            lambda: Network.from_edge_index(edge_index((0, 1), (1, 0), (1, 1))),
            "edge_index has self-loops, the first at node 1; expected none (torch_geometric.utils.remove_self_loops)",
        ),
    ],
    ids=[
        "directed",
        "multigraph",
        "loop",
        "parts",
        "empty",
        "twice",
        "outside",
        "one way",
        "doubled",
        "loop in edge_index",
    ],
)
def test_what_is_no_network_is_refused_in_one_line(build, message: str) -> None:
    with pytest.raises(InputError) as error:
        build()
    assert str(error.value) == message


@pytest.mark.parametrize(
    "graph",
    [nx.path_graph(1), nx.path_graph(7), nx.cycle_graph(10), nx.star_graph(5), nx.gnp_random_graph(30, 0.15, seed=2)],
)
def test_diameter_and_radius_are_those_of_networkx(graph: nx.Graph) -> None:
    network = Network.from_networkx(graph)
    assert (int(network.diameter), int(network.radius)) == (nx.diameter(graph), nx.radius(graph))
    assert not network.diameter.is_floating_point()


def test_diameters_of_graphs_side_by_side_are_those_of_each() -> None:
    graphs = [nx.path_graph(4), nx.star_graph(3), nx.path_graph(4), nx.path_graph(1), nx.cycle_graph(7)]
    network = Network.concatenate([Network.from_networkx(g) for g in graphs]).to(dtype=torch.float32)
    assert network.diameter.flatten().tolist() == [3, 2, 3, 0, 3]
    assert network.radius.flatten().tolist() == [2, 1, 2, 0, 3]


def test_extents_of_large_graphs_take_few_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "EXACT", 10)
    for graph in (nx.gnp_random_graph(80, 0.06, seed=3), nx.random_labeled_tree(60, seed=1), nx.barbell_graph(8, 9)):
        graph = nx.convert_node_labels_to_integers(graph.subgraph(max(nx.connected_components(graph), key=len)))
        found = distances.extents(np.array(graph.edges), len(graph))
        assert found == (nx.diameter(graph), nx.radius(graph))
    monkeypatch.setattr(distances, "MAX_SEARCHES", 3)
    bounds = distances.extents(np.array(nx.cycle_graph(41).edges), 41)
    assert bounds.diameter >= 20 and bounds.radius >= 20  # an upper bound, and the smallest that was found
