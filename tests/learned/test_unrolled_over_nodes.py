"""The unrolled networks over nodes: exact sums, gossip and exact diffusion, what they cost, and nodes without order."""

import dataclasses

import networkx as nx
import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import spent
from gnn_l2o.graph.network import Network
from gnn_l2o.learned.model import with_run_settings
from tests.learned.small_unrolled import (
    EXCHANGING,
    KINDS,
    LAYERS,
    LONE,
    N_FEATURES,
    RING,
    after,
    network_of,
    problem_on,
    soft,
)


@KINDS
def test_exact_sums_over_eight_nodes_give_the_centralized_network(kind: str) -> None:
    network = dataclasses.replace(network_of(kind, spread=0.05), sums="sum")
    expected = after(network, problem_on(1), LONE).expand(8, -1)
    for graph in (RING, Network.from_networkx(nx.star_graph(7)), Network.from_networkx(nx.complete_graph(8))):
        torch.testing.assert_close(after(network, problem_on(8), graph), expected, rtol=0, atol=1e-12)


@KINDS
def test_gossip_tends_to_exact_sums(kind: str) -> None:
    network = network_of(kind, spread=0.02)
    expected = after(network, problem_on(1), LONE).expand(8, -1)
    errors = [
        float((after(dataclasses.replace(network, rounds=rounds), problem_on(8), RING) - expected).norm())
        for rounds in (8, 60)
    ]
    assert errors[1] < 1e-9 < errors[0]


def test_exact_diffusion_is_its_recursion_at_every_node() -> None:
    network = dataclasses.replace(network_of("lista_cp"), sums="exact_diffusion")
    problem, w = problem_on(8), RING.matrix()
    x = u = psi = torch.zeros(8, N_FEATURES)
    for layer in network.weights:
        rows = [layer.weight[problem.rows[i]] for i in range(8)]
        steps = [8 * (problem.targets[i] - problem.features[i] @ x[i]) @ rows[i] for i in range(8)]
        before, psi = psi, x + torch.stack(steps)
        u = 0.5 * (torch.eye(8) + w) @ (psi + u - before)
        x = soft(u, layer.threshold)
    torch.testing.assert_close(after(network, problem, RING), x, rtol=0, atol=1e-11)


@pytest.mark.parametrize("kind", EXCHANGING)
@pytest.mark.parametrize("sums", ["gossip", "exact_diffusion"])
def test_costs_are_those_that_are_counted(kind: str, sums: str) -> None:
    network, problem, graph = dataclasses.replace(network_of(kind), sums=sums), problem_on(8), RING.to()
    after(network, problem, graph)
    assert spent(problem, graph) == network.total_cost(LAYERS)
    assert network.cost.rounds == (16 if sums == "gossip" else 1)
    assert network.cost.numbers == network.cost.rounds * (kind == "lamp")


def test_an_exact_sum_takes_twice_the_radius_in_rounds() -> None:
    network, problem, graph = with_run_settings(network_of("alista"), "sums=sum"), problem_on(8), RING.to()
    after(network, problem, graph)
    assert (graph.traffic.rounds, graph.traffic.vectors) == (LAYERS * 8, LAYERS)


@pytest.mark.parametrize("kind", ["lista", "lfista"])
def test_one_average_is_enough_for_networks_of_replicated_matrices(kind: str) -> None:
    network, problem, graph = network_of(kind), problem_on(8), RING.to()
    after(network, problem, graph)
    assert graph.traffic.rounds == 16 and spent(problem, graph) == network.total_cost(LAYERS)
    with pytest.raises(InputError, match="exact diffusion over layers"):
        dataclasses.replace(network, sums="exact_diffusion")


@KINDS
def test_renaming_the_nodes_renames_the_estimates(kind: str) -> None:
    problem, network = problem_on(8), network_of(kind, spread=0.02)
    new_name = torch.randperm(8)
    place = torch.empty_like(new_name).index_copy(0, new_name, torch.arange(8))  # of node i, the old name
    parts = {name: getattr(problem, name)[place] for name in ("features", "targets", "count", "rows", "peers")}
    renamed = dataclasses.replace(problem, **parts)
    graph = Network.from_networkx(nx.gnp_random_graph(8, 0.5, seed=1))
    other = Network.from_edges([(int(new_name[i]), int(new_name[j])) for i, j in graph.link_index.t()], 8)
    expected = after(network, problem, graph)
    torch.testing.assert_close(after(network, renamed, other), expected[place], rtol=0, atol=1e-10)


def test_steps_of_exact_diffusion_are_at_most_the_stable_ones() -> None:
    problem, network = problem_on(8), dataclasses.replace(network_of("alista"), sums="exact_diffusion")
    dictionary = problem.dictionary
    weights = dictionary.analytic
    largest = max(float(torch.linalg.eigvals(8 * weights[i].t() @ dictionary.rows[i]).real.max()) for i in range(8))
    torch.testing.assert_close(dictionary.analytic_curvature, torch.full((8, 1), largest))
    small = dataclasses.replace(network, weights=network_of("alista").weights)
    with torch.no_grad():
        for layer in small.weights:
            layer.step.fill_(1.95 / largest)
    assert torch.equal(after(network, problem, RING), after(small, problem, RING))
    assert float(after(network, problem, RING).abs().max()) < 10
