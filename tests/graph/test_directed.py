"""Directed networks: what is pushed over them, against dense oracles, and graphs that are refused."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph import DirectedNetwork, Network, build_network, distances
from tests.graph.digraphs import BY_NAME, DIGRAPHS, column_stochastic, network_of

ONE_WAY = pytest.mark.parametrize("name", DIGRAPHS)


@BY_NAME
def test_a_push_is_a_product_with_column_stochastic_weights(name: str) -> None:
    network, c = network_of(name), column_stochastic(name)
    first, second = torch.randn(len(c), 3), torch.randn(len(c), 2)
    phi = torch.rand(len(c), 1)
    got = network.push(first, second, numbers=phi)
    for ours, value in zip(got, (first, second, phi), strict=True):
        np.testing.assert_allclose(ours, c @ value.numpy(), atol=1e-14)
    assert (network.traffic.rounds, network.traffic.vectors, network.traffic.numbers) == (2, 2, 1)
    network.push(numbers=phi)
    assert (network.traffic.rounds, network.traffic.vectors, network.traffic.numbers) == (3, 2, 2)
    np.testing.assert_array_equal(network.out_degree.flatten(), (c > 0).sum(axis=0) - 1)


@BY_NAME
def test_what_is_pushed_over_what_numbers_are_pushed_tends_to_the_average(name: str) -> None:
    network = network_of(name)
    value, phi = torch.randn(network.num_nodes, 2), torch.ones(network.num_nodes, 1)
    mean = value.mean(dim=0).expand_as(value)
    for _ in range(400):
        value, phi = network.push(value, numbers=phi)
    torch.testing.assert_close(value / phi, mean, rtol=0, atol=1e-12)
    balanced = name in ("ring",)
    assert (float((phi - 1).abs().max()) < 1e-12) == balanced


@ONE_WAY
def test_edges_weights_and_diameter(name: str) -> None:
    network, c = network_of(name), column_stochastic(name)
    sender, receiver = network.edge_index
    assert [*zip(receiver.tolist(), sender.tolist(), strict=True)] == sorted((i, j) for j, i in DIGRAPHS[name].edges)
    np.testing.assert_array_equal(network.weight[:, 0], c[receiver, sender])
    assert network.diameter.tolist() == [[nx.diameter(DIGRAPHS[name])]]


@ONE_WAY
def test_receivers_have_what_senders_send(name: str) -> None:
    network, value = network_of(name), torch.randn(len(DIGRAPHS[name]), 2)
    received = network.collect(network.neighbours(value, directed=True)[0].other, directed=True)
    expected = nx.to_numpy_array(DIGRAPHS[name], nodelist=range(len(value))).T @ value.numpy()
    np.testing.assert_allclose(received, expected, atol=1e-14)


def test_larger_graphs_have_a_bound_of_the_diameter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "EXACT", 3)
    distances._directed_diameter.cache_clear()
    for name, graph in DIGRAPHS.items():
        bound, exact = int(network_of(name).diameter), nx.diameter(graph)
        assert exact <= bound <= 2 * exact
    distances._directed_diameter.cache_clear()


def test_networks_side_by_side_are_each_alone() -> None:
    networks = [network_of(name) for name in DIGRAPHS]
    together = DirectedNetwork.concatenate(networks)
    value = torch.randn(together.num_nodes, 3)
    sizes = [n.num_nodes for n in networks]
    for network, own, pushed in zip(networks, value.split(sizes), together.push(value)[0].split(sizes), strict=True):
        torch.testing.assert_close(pushed, network.push(own)[0])
    assert together.num_graphs == 3
    assert torch.equal(together.diameter, torch.cat([n.diameter for n in networks]))
    assert torch.equal(together.graph_sizes, together.at_nodes(torch.tensor(sizes).unsqueeze(1)))


def test_copies_are_directed_networks() -> None:
    network = network_of("random")
    for made in (copy.deepcopy(network), pickle.loads(pickle.dumps(network)), network.to(dtype=torch.float32)):
        assert isinstance(made, DirectedNetwork)
        assert torch.equal(made.edge_index, network.edge_index)
    assert network.to(dtype=torch.float32).push(torch.ones(8, 1, dtype=torch.float32))[0].dtype == torch.float32


def test_the_same_network_is_made_in_three_ways() -> None:
    graph = DIGRAPHS["random"]
    index = torch.tensor(list(graph.edges)).t()
    for made in (DirectedNetwork.from_edges(graph.edges), DirectedNetwork.from_edge_index(index)):
        assert torch.equal(made.edge_index, DirectedNetwork.from_networkx(graph).edge_index)
    both = DirectedNetwork.from_networkx(nx.path_graph(3))
    assert torch.equal(both.edge_index, Network.from_networkx(nx.path_graph(3)).edge_index)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([], "the graph has no nodes; expected at least one"),
        ([(0, 1), (1, 0), (1, 1)], "node 1 has a self-loop; expected none (a node's own weight is w_ii, not an edge)"),
        ([(0, 1), (1, 0), (0, 1)], "edge (0, 1) is given more than once; expected each directed edge once"),
        ([(0, 1), (1, -1)], "edge (1, -1) names a node outside 0..1"),
        ([(0, 1), (1, 2)], "the graph falls into 3 strongly connected parts; expected a strongly connected one"),
    ],
)
def test_graphs_that_are_refused(edges: list[tuple[int, int]], message: str) -> None:
    with pytest.raises(InputError) as error:
        DirectedNetwork.from_edges(edges)
    assert str(error.value) == message


def test_a_directed_multigraph_is_refused() -> None:
    with pytest.raises(InputError, match=r"at most one edge between two nodes \(nx\.DiGraph\(graph\)\)$"):
        DirectedNetwork.from_networkx(nx.MultiDiGraph([(0, 1), (1, 0), (0, 1)]))


ANSWERED: dict[str, Callable[[Network], Any]] = {
    "mix": lambda n: n.mix(torch.ones(5, 1)),
    "differences": lambda n: n.differences(torch.ones(5, 1)),
    "swap": lambda n: n.swap(torch.ones(5, 1)),
    "graph_mean": lambda n: n.graph_mean(torch.ones(5, 1)),
    "laplacians": lambda n: n.laplacians(n.weight),
    "spectral_gap": lambda n: n.spectral_gap,
    "radius": lambda n: n.radius,
    "degree": lambda n: n.degree,
    "self_weight": lambda n: n.self_weight,
    "matrix": lambda n: n.matrix(),
    "weights": lambda n: n.weights(directed=True),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_what_needs_an_answer_says_so(name: str) -> None:
    with pytest.raises(
        InputError, match=r"^the network is directed, and this needs answers over its edges; expected push"
    ):
        ANSWERED[name](network_of("ring"))


def test_push_weights_are_not_chosen() -> None:
    with pytest.raises(InputError, match="has push weights and no mixing matrix"):
        DirectedNetwork.from_mixing_matrix(np.eye(2))
    with pytest.raises(InputError, match=r"^directed_ring is directed and has push weights, which mixing does not"):
        build_network("directed_ring", 4, mixing="lazy")
