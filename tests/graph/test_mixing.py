"""Mixing weights against their definitions, closed forms and dense eigenvalues."""

import math

import networkx as nx
import numpy as np
import pytest

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.fastest_mixing import _Barrier
from gnn_l2o.graph.mixing import MIXING, mixing_weights
from gnn_l2o.graph.spectrum import MixingSpectrum

GRAPHS = {
    "one node": nx.path_graph(1),
    "two nodes": nx.path_graph(2),
    "path": nx.path_graph(7),
    "even ring": nx.cycle_graph(8),
    "odd ring": nx.cycle_graph(7),
    "star": nx.star_graph(6),
    "complete": nx.complete_graph(5),
    "barbell": nx.barbell_graph(5, 2),
    "random": nx.gnp_random_graph(15, 0.35, seed=1),
    # The 8 nodes and 13 edges of Boyd 2006, "Convex Optimization of Graph Laplacian Eigenvalues"
    "boyd": nx.Graph(
        [(0, 1), (1, 2), (2, 3), (0, 4), (1, 7), (1, 3), (4, 5), (4, 6), (2, 6), (3, 7), (5, 6), (6, 7), (1, 6)]
    ),
}


def links_of(graph: nx.Graph) -> np.ndarray:
    return np.array(sorted(tuple(sorted(edge)) for edge in graph.edges), dtype=np.int64).reshape(-1, 2)


def dense(links: np.ndarray, weight: np.ndarray, num_nodes: int) -> np.ndarray:
    matrix = np.zeros((num_nodes, num_nodes))
    for (i, j), w in zip(links, weight, strict=True):
        matrix[i, j] += w
        matrix[j, i] += w
    return matrix + np.diag(1 - matrix.sum(axis=1))


def modulus(matrix: np.ndarray) -> float:
    """The second largest eigenvalue modulus."""
    return float(np.abs(np.linalg.eigvalsh(matrix - 1 / len(matrix))).max())


def found(graph: nx.Graph, name: str) -> np.ndarray:
    """The mixing matrix, dense."""
    return dense(links_of(graph), mixing_weights(name, links_of(graph), len(graph)), len(graph))


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
@pytest.mark.parametrize("name", MIXING)
def test_weights_are_positive_and_mix(name: str, graph: nx.Graph) -> None:
    links = links_of(graph)
    weight = mixing_weights(name, links, len(graph))
    assert weight.shape == (len(links),)
    assert weight.dtype == np.float64
    matrix = dense(links, weight, len(graph))
    assert (weight > 0).all()
    assert (np.diag(matrix) >= 0).all()
    assert modulus(matrix) < 1 - 1e-3
    assert MixingSpectrum(links, weight, len(graph)).spectral_gap == pytest.approx(1 - modulus(matrix), abs=1e-12)


def test_metropolis_counts_neighbours_and_not_the_node_itself() -> None:
    graph = nx.Graph([(0, 1), (1, 2), (1, 3), (2, 3)])
    third, quarter = 1 / 3, 1 / 4
    assert found(graph, "metropolis") == pytest.approx(
        np.array(
            [
                [3 * quarter, quarter, 0, 0],
                [quarter, quarter, quarter, quarter],
                [0, quarter, 1 - quarter - third, third],
                [0, quarter, third, 1 - quarter - third],
            ]
        )
    )


def test_max_degree_weights_are_all_the_same() -> None:
    links = links_of(nx.star_graph(4))
    assert mixing_weights("max_degree", links, 5) == pytest.approx(np.full(4, 1 / 5))


def test_lazy_is_half_way_between_metropolis_and_no_mixing() -> None:
    graph = GRAPHS["even ring"]
    lazy = found(graph, "lazy")
    assert lazy == pytest.approx((np.eye(8) + found(graph, "metropolis")) / 2)
    assert np.linalg.eigvalsh(lazy).min() > 0  # Metropolis itself has -1/3 here


@pytest.mark.parametrize("nodes", [2, 3, 10, 25])
def test_fastest_on_a_path_is_one_half_everywhere(nodes: int) -> None:
    # Boyd, Diaconis, Sun, Xiao 2006, "Fastest mixing Markov chain on a path"
    matrix = found(nx.path_graph(nodes), "fastest")
    assert np.diag(matrix, k=1) == pytest.approx(np.full(nodes - 1, 0.5), abs=1e-3)
    assert modulus(matrix) == pytest.approx(math.cos(math.pi / nodes), abs=1e-6)


@pytest.mark.parametrize("nodes", [5, 6, 11, 20])
def test_fastest_on_a_ring_balances_both_ends_of_the_spectrum(nodes: int) -> None:
    # By symmetry all weights are one w; the eigenvalues are 1 - 2w (1 - cos(2 pi k / N)).
    first, last = 1 - math.cos(2 * math.pi / nodes), 1 - math.cos(2 * math.pi * (nodes // 2) / nodes)
    weight = 1 / (first + last)
    matrix = found(nx.cycle_graph(nodes), "fastest")
    assert np.diag(matrix, k=1) == pytest.approx(np.full(nodes - 1, weight), abs=1e-3)
    assert modulus(matrix) == pytest.approx(1 - 2 * weight * first, abs=1e-5)


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([(0, 1), (1, 2), (2, 3)], math.sqrt(2) / 2),
        ([(0, 1), (1, 2), (1, 3), (2, 3)], 7 / 11),
        ([(0, 1), (0, 3), (0, 4), (1, 2), (2, 3), (2, 4)], 3 / 7),
        ([(0, 1), (0, 2), (0, 4), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)], 1 / 4),
    ],
    ids=["path", "triangle and edge", "bipartite 2 + 3", "wheel"],
)
def test_fastest_on_the_small_examples(edges: list[tuple[int, int]], expected: float) -> None:
    # Boyd, Diaconis, Xiao 2004, figure 1 and table 1
    assert modulus(found(nx.Graph(edges), "fastest")) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["barbell", "random", "boyd"])
def test_fastest_agrees_with_the_projected_subgradient_method(name: str) -> None:
    graph = GRAPHS[name]
    ours, theirs = modulus(found(graph, "fastest")), subgradient_method(graph, steps=1500)
    assert ours <= theirs  # a feasible point can only be worse than the optimum
    assert ours == pytest.approx(theirs, abs=5e-3)


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_fastest_is_never_slower_than_metropolis(graph: nx.Graph) -> None:
    assert modulus(found(graph, "fastest")) <= modulus(found(graph, "metropolis")) + 1e-14


def test_the_derivatives_of_the_barrier_are_those_of_its_value() -> None:
    links = links_of(GRAPHS["boyd"])
    barrier, point = _Barrier(links, 8), np.append(mixing_weights("metropolis", links, 8), 1.3)
    steps = 1e-5 * np.eye(len(point))
    gradient, hessian = barrier.derivatives(point)
    slopes = [(barrier.value(point + step) - barrier.value(point - step)) / 2e-5 for step in steps]
    curvatures = [(barrier.derivatives(point + h)[0] - barrier.derivatives(point - h)[0]) / 2e-5 for h in steps]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6)
    np.testing.assert_allclose(hessian, curvatures, rtol=1e-6, atol=1e-5)


def test_fastest_leaves_exact_averaging_alone_however_many_links() -> None:
    links = links_of(nx.complete_graph(70))
    assert mixing_weights("fastest", links, 70) == pytest.approx(np.full(len(links), 1 / 70))


def test_fastest_refuses_graphs_beyond_its_method() -> None:
    links = links_of(nx.complete_graph(70))[1:]
    with pytest.raises(InputError, match=r"^fastest mixing weights are found for up to 2000 links, got 2414"):
        mixing_weights("fastest", links, 70)


def test_an_unknown_rule_is_named_with_the_nearest() -> None:
    with pytest.raises(
        InputError, match=r"^unknown mixing 'metropols'; did you mean 'metropolis'\? \(known: fastest, l"
    ):
        mixing_weights("metropols", links_of(GRAPHS["path"]), 7)


def subgradient_method(graph: nx.Graph, steps: int) -> float:
    """The least modulus found by the subgradient method of Boyd, Diaconis, Xiao 2004: an oracle, slow but simple."""
    links = links_of(graph)
    i, j = links.T
    weight, best = mixing_weights("metropolis", links, len(graph)), 1.0
    for k in range(1, steps + 1):
        matrix = dense(links, weight, len(graph))
        best = min(best, modulus(matrix))
        values, vectors = np.linalg.eigh(matrix - 1 / len(graph))
        sign, vector = (-1, vectors[:, -1]) if values[-1] >= -values[0] else (1, vectors[:, 0])
        gradient = sign * (vector[i] - vector[j]) ** 2
        weight = np.maximum(weight - 0.1 / math.sqrt(k) * gradient / np.linalg.norm(gradient), 0)
        for node in range(len(graph)):
            at = np.flatnonzero((i == node) | (j == node))
            while weight[at].sum() > 1 + 1e-12:
                active = at[weight[at] > 0]
                weight[active] -= min(weight[active].min(), (weight[active].sum() - 1) / len(active))
    return best
