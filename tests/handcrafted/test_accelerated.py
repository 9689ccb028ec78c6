"""FastMix and the methods built on it, against dense loops written from the papers."""

import math
from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.driver import run
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.graph.fast_mix import fast_mix
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import DAPG, ODAPG, ProxMudag
from gnn_l2o.problems import LeastSquares, solve
from gnn_l2o.problems.regularizers import L1, Regularizer
from tests.handcrafted.dense import iterates, metropolis

GRAPHS = {
    "ring": nx.cycle_graph(8),
    "star": nx.star_graph(7),
    "erdos_renyi": nx.gnp_random_graph(8, 0.4, seed=3),
    "bipartite": nx.complete_bipartite_graph(4, 4),  # its least eigenvalue is the one farthest from zero
}
L1_WEIGHT = 0.3


def least_squares(nodes: int = 8, regularizer: Regularizer | None = None, seed: int = 0) -> LeastSquares:
    random = np.random.default_rng(seed)
    features = random.standard_normal((nodes, 6, 4))
    targets = features @ random.standard_normal(4) + random.standard_normal((nodes, 6))
    return LeastSquares.from_nodes(list(features), list(targets), regularizer or L1(L1_WEIGHT))


def dense_fast_mix(w: np.ndarray, x: np.ndarray, times: int) -> np.ndarray:
    """Algorithm 1 of Ye, Chang 2025 with the eta of Liu, Morse, over W made positive semidefinite."""
    values = np.sort(np.linalg.eigvalsh(w))
    shift = max(0.0, -values[0])
    m = (w + shift * np.eye(len(w))) / (1 + shift)
    bound = (max(values[-2], -values[0]) + shift) / (1 + shift)
    eta = (1 - math.sqrt(1 - bound**2)) / (1 + math.sqrt(1 - bound**2))
    before, now = x, x
    for _ in range(times):
        before, now = now, (1 + eta) * m @ now - eta * before
    return now


@pytest.mark.parametrize("times", [1, 2, 5])
def test_fast_mix_is_its_recursion_on_every_graph_of_a_batch(times: int) -> None:
    x = torch.randn(8 * len(GRAPHS), 3)
    ours = fast_mix(Network.concatenate([Network.from_networkx(g) for g in GRAPHS.values()]), x, times)
    for graph, before, after in zip(GRAPHS.values(), x.split(8), ours.split(8), strict=True):
        expected = dense_fast_mix(metropolis(graph), before.numpy(), times)
        torch.testing.assert_close(after, torch.from_numpy(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS.keys())
def test_fast_mix_keeps_means_and_leaves_a_consensus_as_it_is(graph: nx.Graph) -> None:
    network, x = Network.from_networkx(graph), torch.randn(8, 3)
    torch.testing.assert_close(fast_mix(network, x, 7).mean(dim=0), x.mean(dim=0), rtol=0, atol=1e-13)
    agreed = x[:1].expand(8, 3).contiguous()
    assert torch.equal(fast_mix(network, agreed, 7), agreed)


def test_each_mixing_is_a_round() -> None:
    network = Network.from_networkx(GRAPHS["ring"])
    fast_mix(network, torch.randn(8, 3), 5)
    assert (network.traffic.rounds, network.traffic.vectors) == (5, 5)


@pytest.mark.parametrize("graph", [*GRAPHS.values(), nx.cycle_graph(40), nx.path_graph(30)], ids=str)
def test_fast_mix_shrinks_by_what_the_paper_states(graph: nx.Graph) -> None:
    w, network = metropolis(graph), Network.from_networkx(graph)
    shift = max(0.0, -np.linalg.eigvalsh(w)[0])
    second = (np.linalg.eigvalsh(w)[-2] + shift) / (1 + shift)
    x = torch.eye(len(graph)) - 1 / len(graph)  # every deviation from consensus
    for times in (1, 3, 10, 30, 100):
        left = torch.linalg.matrix_norm(fast_mix(network, x, times), ord=2)
        assert left <= math.sqrt(14) * (1 - (1 - 1 / math.sqrt(2)) * math.sqrt(1 - second)) ** times


def test_fast_mix_outruns_mixing_on_a_long_ring() -> None:
    network, x = Network.from_networkx(nx.cycle_graph(40)), torch.eye(40) - 1 / 40
    mixed = x
    for _ in range(100):
        mixed = network.mix(mixed)
    slow, fast = (torch.linalg.matrix_norm(v, ord=2) for v in (mixed, fast_mix(network, x, 100)))
    assert fast < 1e-2 * slow


def test_negative_eigenvalues_would_grow_but_for_the_shift() -> None:
    graph = nx.cycle_graph(50)
    values, vectors = np.linalg.eigh(metropolis(graph))
    network, worst = Network.from_networkx(graph), torch.from_numpy(vectors[:, :1])
    s = math.sqrt(1 - values[-2] ** 2)
    eta = (1 - s) / (1 + s)
    assert abs((1 + eta) * values[0] - eta) > 1.3  # one round over W itself
    assert fast_mix(network, worst, 1).norm() < 1


# The methods as Ye et al. print them, X all iterates, one row a node.


def paper_dapg(mix, g, prox, x0, count, step_size, momentum):  # type: ignore[no-untyped-def]
    x, y, s = [x0], x0, g(x0)
    for _ in range(count):
        x.append(mix(prox(y - step_size * s, step_size)))
        new = mix(x[-1] + momentum * (x[-1] - x[-2]))
        s, y = mix(s + g(new) - g(y)), new
    return x


def paper_prox_mudag(mix, g, prox, x0, count, step_size, momentum):  # type: ignore[no-untyped-def]
    x, y, s = [x0], x0, g(x0)
    for _ in range(count):
        x.append(prox(y - step_size * s, step_size))
        new = mix(x[-1] + momentum * (x[-1] - x[-2]))
        s, y = mix(s + g(new) - g(y)), new
    return x


def paper_odapg(mix, g, prox, x0, count, step_size, coupling):  # type: ignore[no-untyped-def]
    x, y, z, s = x0, x0, [x0], g(x0)
    for _ in range(count):
        new = coupling * z[-1] + (1 - coupling) * y
        s, x = mix(s + g(new) - g(x)), new
        z.append(mix(prox(z[-1] - step_size * s, step_size)))
        y = mix(coupling * z[-1] + (1 - coupling) * y)
    return z


METHODS: dict[type[Tunable[Any]], tuple[Callable[..., Any], dict[str, float]]] = {
    DAPG: (paper_dapg, {"step_size": 0.5, "momentum": 0.7}),
    ProxMudag: (paper_prox_mudag, {"step_size": 0.5, "momentum": 0.7}),
    ODAPG: (paper_odapg, {"step_size": 2.0, "coupling": 0.2}),
}
EACH = pytest.mark.parametrize("method", METHODS, ids=[method.name for method in METHODS])


@pytest.mark.parametrize("mixings", [1, 3])
@EACH
def test_it_is_what_the_paper_prints(method: type[Tunable[Any]], mixings: int) -> None:
    paper, setting = METHODS[method]
    problem, graph, x0 = least_squares(), GRAPHS["erdos_renyi"], torch.randn(8, 4)
    a, b, w = problem.features.numpy(), problem.targets.numpy(), metropolis(graph)

    def gradient(x: np.ndarray) -> np.ndarray:
        return np.stack([a_i.T @ (a_i @ x_i - b_i) / len(b_i) for a_i, b_i, x_i in zip(a, b, x, strict=True)])

    def soft(v: np.ndarray, step: float) -> np.ndarray:
        return np.sign(v) * np.maximum(np.abs(v) - step * L1_WEIGHT, 0)

    algorithm = method.from_setting(problem, {**setting, "mixings": float(mixings)})
    scaled = {name: getattr(algorithm, name) for name in setting}
    ours = iterates(algorithm, problem, Network.from_networkx(graph), x0, 40)
    expected = paper(lambda v: dense_fast_mix(w, v, mixings), gradient, soft, x0.numpy(), 40, **scaled)
    assert any((problem.prox(x, scaled["step_size"]) == 0).any() for x in ours)  # the prox did something
    for x, y in zip(ours, expected, strict=True):
        torch.testing.assert_close(x, torch.from_numpy(y), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("graph", ["ring", "erdos_renyi"])
@EACH
def test_it_reaches_the_certified_optimum_at_every_node(method: type[Tunable[Any]], graph: str) -> None:
    problem, network = least_squares(), Network.from_networkx(GRAPHS[graph])
    optimum = solve(problem).x
    assert not problem.regularizer.free(optimum).all()  # the regularizer matters at the solution
    algorithm = method.from_setting(problem, {**METHODS[method][1], "mixings": 4.0})
    x = iterates(algorithm, problem, network, torch.randn(8, 4), 400)[-1]
    torch.testing.assert_close(x, optimum.expand(8, 4), rtol=0, atol=1e-10)


@EACH
def test_trackers_keep_the_mean_of_the_gradients(method: type[Tunable[Any]]) -> None:
    problem, network = least_squares(), Network.from_networkx(GRAPHS["ring"])
    algorithm = method.from_setting(problem, {**METHODS[method][1], "mixings": 2.0})
    states = run(algorithm, problem, network, torch.randn(8, 4))
    for _ in range(20):
        state: Any = next(states)
        torch.testing.assert_close(state.s.mean(dim=0), state.gradient.mean(dim=0), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("method", [DAPG, ProxMudag])
def test_alone_a_node_does_accelerated_proximal_gradient_descent(method: type[DAPG] | type[ProxMudag]) -> None:
    problem, network, x = least_squares(1), Network.from_edges([], 1), torch.randn(1, 4)
    step, momentum, y = 0.9 / float(problem.smoothness()), 0.6, x
    for ours in iterates(method(step, momentum, 2.0), problem, network, x, 30):
        torch.testing.assert_close(ours, x, rtol=1e-12, atol=1e-12)
        v = y - step * problem.gradient(y)
        new = v.sign() * (v.abs() - step * L1_WEIGHT).clamp(min=0)
        x, y = new, new + momentum * (new - x)


def test_few_mixings_break_prox_mudag_on_a_long_ring_where_dapg_holds() -> None:
    problem, network, x0 = least_squares(40), Network.from_networkx(nx.cycle_graph(40)), torch.zeros(40, 4)
    step = 0.1 / float(problem.smoothness().max())
    assert iterates(ProxMudag(step, 0.8, 1.0), problem, network, x0, 200)[-1].abs().max() > 1e6
    assert iterates(DAPG(step, 0.8, 1.0), problem, network, x0, 200)[-1].abs().max() < 10


@EACH
def test_the_number_of_mixings_is_whole(method: type[Tunable[Any]]) -> None:
    with pytest.raises(InputError, match=rf"{method.name} needs a whole number of mixings, got 1\.5; try 2"):
        method(**{**METHODS[method][1], "mixings": 1.5})
