"""Directed networks and the methods that push over them: dense oracles, certified optima, and who refuses them."""

import copy
import pickle
from collections.abc import Callable
from itertools import islice
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

import gnn_l2o
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.driver import Driver, run
from gnn_l2o.algorithms.stopping import MaxRounds, Stationary
from gnn_l2o.graph import DirectedNetwork, Network, build_network, distances
from gnn_l2o.handcrafted import HANDCRAFTED
from gnn_l2o.learned import TUNED, available_models, load_model
from gnn_l2o.limits import LIMITS
from gnn_l2o.problems import LeastSquares, solve
from gnn_l2o.problems.regularizers import L1, Regularizer, Zero
from gnn_l2o.testing.runs import initial_points, small_problem

PUSHING = sorted(name for name, method in HANDCRAFTED.items() if method.directed)
FUNNEL = nx.empty_graph(4, nx.DiGraph)
FUNNEL.add_edges_from([(0, 3), (1, 3), (2, 3), (3, 0), (0, 1), (1, 2)])
DIGRAPHS = {
    "ring": nx.cycle_graph(5, create_using=nx.DiGraph),
    "random": nx.gnp_random_graph(8, 0.3, seed=25, directed=True),
    "funnel": FUNNEL,
}
GRAPHS = {**DIGRAPHS, "path": nx.path_graph(5), "star": nx.star_graph(4)}
BY_NAME = pytest.mark.parametrize("name", GRAPHS)
ONE_WAY = pytest.mark.parametrize("name", DIGRAPHS)


def network_of(name: str) -> Network:
    graph = GRAPHS[name]
    return DirectedNetwork.from_networkx(graph) if graph.is_directed() else Network.from_networkx(graph)


def column_stochastic(name: str) -> np.ndarray:
    """C of Nedic, Olshevsky, Shi 2017, Assumption 7: c_ij = 1 / (d_j + 1) where j sends to i, and for i = j."""
    graph = GRAPHS[name].to_directed()
    c = np.zeros((len(graph), len(graph)))
    for j in graph:
        for i in (j, *graph.successors(j)):
            c[i, j] = 1 / (graph.out_degree(j) + 1)
    return c


# The exchange.


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


# The methods, against loops with dense matrices, written from the papers.


def push_diging(c: np.ndarray, problem: LeastSquares, a: float, x: np.ndarray, count: int) -> list[np.ndarray]:
    """Algorithm 2 of Nedic, Olshevsky, Shi 2017."""
    found, u, v, y = [x], x, np.ones(len(c)), gradient(problem, x)
    for _ in range(count):
        u, v = c @ (u - a * y), c @ v
        after = np.linalg.inv(np.diag(v)) @ u
        y = c @ y + gradient(problem, after) - gradient(problem, x)
        x = after
        found.append(x)
    return found


def sonata(c: np.ndarray, problem: LeastSquares, a: float, x: np.ndarray, count: int) -> list[np.ndarray]:
    """Algorithm 3 of Sun, Daneshmand, Scutari 2022, node by node, with linearized losses and step 1 in (73b)."""
    weight = problem.regularizer.weight if isinstance(problem.regularizer, L1) else 0.0
    nodes, found, y, phi = range(len(c)), [x], gradient(problem, x), np.ones(len(c))
    for _ in range(count):
        half = [np.sign(v) * np.maximum(np.abs(v) - a * weight, 0) for v in x - a * y]
        after_phi = np.array([sum(c[i, j] * phi[j] for j in nodes) for i in nodes])
        after = np.stack([sum(c[i, j] * phi[j] * half[j] for j in nodes) / after_phi[i] for i in nodes])
        change = gradient(problem, after) - gradient(problem, x)
        y = np.stack([sum(c[i, j] * (phi[j] * y[j] + change[j]) for j in nodes) / after_phi[i] for i in nodes])
        x, phi = after, after_phi
        found.append(x)
    return found


def gradient(problem: LeastSquares, x: np.ndarray) -> np.ndarray:
    a, b = problem.features.numpy(), problem.targets.numpy()
    return np.stack([a_i.T @ (a_i @ x_i - b_i) / len(b_i) for a_i, b_i, x_i in zip(a, b, x, strict=True)])


ORACLES = {"push_diging": push_diging, "sonata": sonata}


def regularizer(method: str) -> Regularizer:
    return L1(0.2) if HANDCRAFTED[method].composite else Zero()


def test_every_pushing_method_has_an_oracle() -> None:
    assert PUSHING == sorted(ORACLES)


@BY_NAME
@pytest.mark.parametrize("method", PUSHING)
def test_iterates_are_those_of_a_dense_loop(method: str, name: str) -> None:
    c = column_stochastic(name)
    problem = small_problem(len(c), regularizer(method))
    a, x0 = 0.3 / float(problem.smoothness().max()), initial_points(problem)
    states = run(HANDCRAFTED[method](step_size=a), problem, network_of(name), x0)
    expected = ORACLES[method](c, problem, a, x0.numpy(), 20)
    for state, wanted in zip(islice(states, 21), expected, strict=True):
        np.testing.assert_allclose(state.x, wanted, atol=1e-11)


STEPS = {"ring": 0.2, "random": 0.5, "funnel": 0.2, "path": 0.5, "star": 0.5}  # in units of 1/L


@BY_NAME
@pytest.mark.parametrize("method", PUSHING)
def test_all_nodes_reach_the_certified_optimum(method: str, name: str) -> None:
    network = network_of(name)
    problem = small_problem(network.num_nodes, regularizer(method))
    algorithm = HANDCRAFTED[method].from_setting(problem, {"step_size": STEPS[name]})
    driver = Driver(algorithm, problem, network, initial_points(problem))
    driver.advance(1000)
    assert float((driver.x - solve(problem).x).abs().max()) < 1e-8
    assert driver.cost.rounds == driver.cost.vectors == 2 * driver.cost.numbers == 2000


EDGES = {"push_diging": 1, "sonata": 2}  # that information travels an iteration: SONATA pushes y after x


@pytest.mark.parametrize("method", PUSHING)
def test_information_travels_along_edges_only(method: str) -> None:
    """In a directed ring it takes a round to the next node, and N - 1 to the one before."""
    nodes, speed = 9, EDGES[method]
    problem = small_problem(nodes, regularizer(method))
    targets = problem.targets.clone()
    targets[2] += 1.0
    changed = LeastSquares.from_nodes(list(problem.features), list(targets), problem.regularizer)
    algorithm, x0 = HANDCRAFTED[method](step_size=0.01), initial_points(problem)
    runs = [run(algorithm, p, build_network("directed_ring", nodes), x0) for p in (problem, changed)]
    next(zip(*runs, strict=True))
    for k, (one, other) in enumerate(islice(zip(*runs, strict=True), 4)):
        heard = [(2 + distance) % nodes for distance in range(speed * k + 2)]
        assert (one.x != other.x).any(dim=1).nonzero().flatten().tolist() == sorted(heard)


# Who runs over a directed graph.


def algorithm_named(name: str, problem: LeastSquares) -> Any:
    if name in LIMITS:
        return LIMITS[name]
    if name in available_models():
        return load_model(name).to(dtype=torch.float64)
    method = {**HANDCRAFTED, **TUNED}[name]
    return method.from_setting(problem, method.settings(1)[0])


@pytest.mark.parametrize("name", sorted({*HANDCRAFTED, *TUNED, *available_models(), *LIMITS}))
def test_whoever_needs_an_undirected_graph_refuses_a_directed_one(name: str) -> None:
    problem = LeastSquares.from_nodes(
        [torch.randn(6, 10)] * 5, [torch.randn(6)] * 5, Zero()
    )  # some want 10 coordinates
    reason = algorithm_named(name, problem).refusal(problem, network_of("ring"))
    if name in {*PUSHING, "diameter", "centralized_fista"}:
        assert reason is None
    else:
        assert reason == "needs an undirected graph; this one is directed (push-sum methods take it)"


def test_an_evaluation_over_directed_and_undirected_graphs() -> None:
    results = gnn_l2o.evaluate(
        models=["milodo_local"],
        datasets=["linear:features=3,samples=6"],
        topologies=["directed_erdos_renyi", "ring"],
        nodes=[5],
        algorithms=[*PUSHING, "prox_ed"],
        limits=["diameter", "tree_fista"],
        instances=1,
        iterations=300,
        tuning_budget=6,
        tuning_instances=1,
    )
    one_way, both_ways = results.cases
    left_out = {s["algorithm"]: s["reason"] for s in results.skipped}
    assert sorted(left_out) == ["milodo_local", "prox_ed", "tree_fista"]
    assert all(s["case"]["topology"] == "directed_erdos_renyi" for s in results.skipped)
    assert set(left_out.values()) == {"needs an undirected graph; this one is directed (push-sum methods take it)"}
    for case in (one_way, both_ways):
        for name in PUSHING:
            found = results.find(case, name, 0)
            assert found is not None
            assert found.final_gap < 1e-6
    network = next(entry for entry in results.networks if entry["case"] == one_way._asdict())
    links: list[list[int]] = network["links"]
    assert {(j, i) for i, j in links} != {(i, j) for i, j in links}


def test_where_nothing_applies_the_reason_is_said() -> None:
    with pytest.raises(InputError, match=r"^nothing to evaluate: needs an undirected graph; this one is directed"):
        gnn_l2o.evaluate(
            algorithms=["prox_ed"], datasets=["linear:features=3"], topologies=["directed_ring"], nodes=[4], limits=[]
        )


def half_square(x: Tensor, target: Tensor) -> Tensor:
    return 0.5 * (x - target).square().sum()


def test_a_function_is_minimized_over_a_directed_network() -> None:
    targets = [np.array([float(k), 1.0]) for k in range(4)]
    network = DirectedNetwork.from_networkx(DIGRAPHS["funnel"])
    result = gnn_l2o.minimize(
        half_square,
        targets,
        network,
        x0=np.zeros(2),
        optimizer="push_diging:step_size=0.2",
        stop=Stationary(1e-9) | MaxRounds(4000),
    )
    assert result.success, result.message
    np.testing.assert_allclose(result.nodes, np.tile([1.5, 1.0], (4, 1)), atol=1e-7)
    with pytest.raises(InputError, match=r"^prox_ed: needs an undirected graph; this one is directed"):
        gnn_l2o.minimize(half_square, targets, network, x0=np.zeros(2), optimizer="prox_ed")
    with pytest.raises(InputError, match=r"or DirectedNetwork\.from_networkx\(graph\) for push-sum methods$"):
        gnn_l2o.minimize(half_square, targets, DIGRAPHS["funnel"], x0=np.zeros(2))
