"""ADMM in its node form against its form with variables of edges, written densely, and decentralized ADMM."""

from itertools import islice

import networkx as nx
import numpy as np
import pytest
import torch

from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import ADMM, DiagonalADMM
from gnn_l2o.problems import L1, LeastSquares, Regularizer, Zero
from tests.edge_admm import prox_of_loss, with_edge_variables

GRAPHS = {"star": nx.star_graph(5), "erdos_renyi": nx.gnp_random_graph(6, 0.6, seed=1)}


def sample(regularizer: Regularizer) -> LeastSquares:
    features, targets = torch.randn(6, 5, 4), torch.randn(6, 5)
    return LeastSquares.from_nodes(list(features), list(targets), regularizer)


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
@pytest.mark.parametrize("regularizer", [Zero(), L1(0.2)], ids=["zero", "l1"])
@pytest.mark.parametrize("alpha", [0.5, 0.97])
@pytest.mark.parametrize("power", [None, 0.5, 1.0], ids=["one penalty", "root", "diagonal"])
def test_it_is_the_form_with_variables_of_edges(
    graph: nx.Graph, regularizer: Regularizer, alpha: float, power: float | None
) -> None:
    problem, x0 = sample(regularizer), torch.randn(1, 4).expand(6, 4)
    diagonal = problem.features.square().mean(dim=1).numpy()
    if power is None:
        method: ADMM | DiagonalADMM = ADMM(penalty=0.3, relaxation=alpha)
        scale = np.ones((6, 4))
    else:
        method = DiagonalADMM(penalty=0.3, power=power, relaxation=alpha)
        mean = diagonal.mean(axis=1, keepdims=True)
        scale = np.sqrt(mean * (diagonal / mean) ** power)
    states = run(method, problem, Network.from_networkx(graph), x0)

    def penalty(i: int, j: int) -> np.ndarray:
        return 0.3 * scale[i] * scale[j]

    expected = with_edge_variables(problem, graph, penalty, alpha, x0.numpy(), 15)
    for state, x in zip(islice(states, 1, None), expected, strict=False):
        torch.testing.assert_close(state.x, torch.from_numpy(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_without_relaxation_it_is_decentralized_admm(graph: nx.Graph) -> None:
    # Shi, Ling, Yuan, Wu, Yin 2014 with their penalty c: (grad f_i + 2 c |N_i|)(x_i+) = c sum_j (x_i + x_j) - a_i and
    # a_i+ = a_i + c sum_j (x_i+ - x_j+), here from the first iterate on; rho = 2 c.
    problem, c = sample(Zero()), 0.15
    x = [
        s.x.numpy() for s in islice(run(ADMM(2 * c, 0.5), problem, Network.from_networkx(graph), torch.zeros(6, 4)), 12)
    ]
    a = np.zeros((6, 4))
    for k in range(1, 12):
        now, expected = x[k - 1], np.empty((6, 4))
        for i in graph:
            total = c * sum(now[i] + now[j] for j in graph[i]) - a[i]
            expected[i] = prox_of_loss(problem, i, np.full(4, 2 * c * graph.degree[i]), total)
        np.testing.assert_allclose(x[k], expected, rtol=1e-9, atol=1e-10)
        a = a + c * np.stack([sum(expected[i] - expected[j] for j in graph[i]) for i in sorted(graph)])


def test_diagonals_are_exchanged_once_and_counted() -> None:
    problem, network = sample(L1(0.1)), Network.from_networkx(GRAPHS["star"])
    list(islice(run(DiagonalADMM(0.3, 0.5, 0.8), problem, network, torch.zeros(6, 4)), 6))
    assert (network.traffic.setup_rounds, network.traffic.setup_numbers) == (1, 4)
    assert (network.traffic.rounds, network.traffic.vectors, network.traffic.numbers) == (5, 5, 0)
    assert problem.calls.solves == 5
