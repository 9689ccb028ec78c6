"""The unrolled networks: against dense formulas, over nodes, untrained, released, and in training."""

import dataclasses
import math
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import spent
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import ARCHITECTURES, load_model, read_architecture
from gnn_l2o.learned.model import model_folder, model_recipe, with_run_settings
from gnn_l2o.learned.unrolled import UNROLLED, Unrolled, UnrolledArchitecture
from gnn_l2o.learned.unrolled.thresholds import soft_with_support
from gnn_l2o.limits import RECOVERY
from gnn_l2o.problems import L1, LeastSquares, SparseRecovery
from gnn_l2o.problems.dictionary import analytic_weights
from gnn_l2o.problems.nmse import sample_nmse, set_nmse
from gnn_l2o.problems.sparse_signal import SparseSignal, draw_dictionary

M, N_FEATURES, LAYERS = 16, 28, 6
LONE = Network.from_edges([], 1)
RING = Network.from_networkx(nx.cycle_graph(8))
NAMES = [kind.name for kind in UNROLLED]
KINDS = pytest.mark.parametrize("kind", NAMES)
EXCHANGING = [name for name in NAMES if name not in ("lista", "lfista")]


def problem_on(
    nodes: int, seed: int = 0, dictionary: int = 5, size: tuple[int, int] = (M, N_FEATURES)
) -> SparseRecovery:
    matrix, signal = draw_dictionary(*size, np.random.default_rng(dictionary)), SparseSignal(0.15)
    target, b = signal.draw(matrix, 1, np.random.default_rng(seed))
    return SparseRecovery.of(matrix, b[0], target[0], nodes, L1(0.01), signal=signal)


def network_of(kind: str, *, spread: float = 0.0, **settings: Any) -> Unrolled:
    """A network that begins at its classical algorithm, with noise on its weights."""
    architecture = ARCHITECTURES[kind](depth=LAYERS, **settings).bind(problem_on(1), LONE)
    assert isinstance(architecture, UnrolledArchitecture)
    weights = architecture.build().double()
    architecture.emit_classical(weights, problem_on(1).dictionary)
    with torch.no_grad():
        for parameter in weights.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
    return architecture.algorithm(weights)


@torch.no_grad()
def after(network: Any, problem: SparseRecovery, graph: Network, layers: int = LAYERS) -> Tensor:
    driver = Driver(network, problem, graph, torch.zeros(problem.num_nodes, problem.dim))
    driver.advance(layers)
    return driver.x


# t1: at a single node, the dense formula


def soft(v: Tensor, t: Tensor | float) -> Tensor:
    return v.sign() * (v.abs() - t).relu()


def selecting(v: Tensor, t: Tensor, layer: int) -> tuple[Tensor, Tensor]:
    """Soft thresholding of a row where the largest entries pass unshrunk, one entry at a time; and which passed."""
    percent = min(1.2 * (layer + 1), 13.0)
    count = math.ceil(percent / 100 * v.numel())
    order = sorted(range(v.numel()), key=lambda j: -abs(float(v[0, j])))
    found, passed = soft(v, t), torch.zeros_like(v)
    for j in order[:count]:
        if v[0, j].abs() > t:
            found[0, j], passed[0, j] = v[0, j], 1.0
    return found, passed


def dense(kind: str, weights: Any, a: Tensor, b: Tensor) -> Tensor:
    """The networks as the papers print them, for one row; a is (m, n), b is (1, m)."""
    x, size = torch.zeros(1, a.size(1)), 1.001 * torch.linalg.matrix_norm(a, ord=2) ** 2
    before, v, others = x, torch.zeros_like(b), torch.zeros_like(x)
    for k, layer in enumerate(weights):
        match kind:
            case "alista":
                x, _ = selecting(x + layer.step * ((b - x @ a.t()) @ analytic_weights(a)), layer.threshold, k)
            case "step_lista":
                step = layer.step / size
                x = soft(x + step * ((b - x @ a.t()) @ a), 0.1 * step)
            case "lista":
                encoded = b @ weights.shared.weight
                x = soft(encoded if k == 0 else encoded + x @ layer.weight.t(), layer.threshold)
            case "lfista":
                encoded = b @ weights.shared.weight
                moved = encoded if k == 0 else encoded + x @ layer.last.t() + before @ layer.before.t()
                x, before = soft(moved, layer.threshold), x
            case "lista_cp":
                x = soft(x + (b - x @ a.t()) @ layer.weight, layer.threshold)
            case "lista_cpss":
                x, _ = selecting(x + (b - x @ a.t()) @ layer.weight, layer.threshold, k)
            case "lamp":
                v = b - x @ a.t() + (x != 0).double().sum() / a.size(0) * v
                x = soft(x + v @ layer.weight, layer.factor * (v.square().sum() / a.size(0)).sqrt())
            case "glista":
                z = (1 + layer.amplification * (1 - (layer.scale * x.abs()).relu()).relu()) * x
                found, passed = selecting(z + (b - z @ a.t()) @ layer.weight, layer.threshold, k)
                if k:
                    previous = weights[k - 1].threshold
                    over = layer.overshoot * previous * others / ((found - x).abs() + 0.1)
                    found = found - over * (found - x)
                x, others = found, 1 - passed
    return x


@KINDS
@torch.no_grad()
def test_a_single_node_has_the_dense_formula_bit_for_bit(kind: str) -> None:
    network, problem = network_of(kind, spread=0.05), problem_on(1)
    expected = dense(kind, network.weights, problem.features[0], problem.targets)
    found = after(network, problem, LONE)
    assert (found != 0).any()
    assert torch.equal(found, expected), float((found - expected).abs().max())
    for sums in ("sum", "exact_diffusion"):
        if sums != "exact_diffusion" or kind in EXCHANGING:
            assert torch.equal(after(dataclasses.replace(network, sums=sums), problem, LONE), expected)


# t2: exact sums over the nodes


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


# t3: untrained, the classical algorithm


@pytest.mark.parametrize("kind", ["lista", "lista_cp", "step_lista"])
def test_untrained_networks_are_ista(kind: str) -> None:
    problem = problem_on(1)
    a, b = problem.features[0], problem.targets
    size, x = 1.001 * torch.linalg.matrix_norm(a, ord=2) ** 2, torch.zeros(1, N_FEATURES)
    for _ in range(LAYERS):
        x = soft(x + (b - x @ a.t()) @ a / size, (0.1 if kind == "step_lista" else 0.4) / size)
    torch.testing.assert_close(after(network_of(kind), problem, LONE), x, rtol=0, atol=1e-13)


def test_untrained_lfista_is_fista() -> None:
    problem = problem_on(1)
    a, b = problem.features[0], problem.targets
    size, x, t = 1.001 * torch.linalg.matrix_norm(a, ord=2) ** 2, torch.zeros(1, N_FEATURES), 1.0
    y = x
    for _ in range(LAYERS):
        before, x = x, soft(y + (b - y @ a.t()) @ a / size, 0.4 / size)
        t, last = (1 + math.sqrt(1 + 4 * t * t)) / 2, t
        y = x + (last - 1) / t * (x - before)
    torch.testing.assert_close(after(network_of("lfista"), problem, LONE), x, rtol=0, atol=1e-12)


def test_untrained_lamp_is_amp() -> None:
    problem = problem_on(1)
    expected = after(RECOVERY["amp"], problem, LONE)
    torch.testing.assert_close(after(network_of("lamp"), problem, LONE), expected, rtol=0, atol=1e-7)


def test_untrained_alista_is_ista_with_analytic_weights() -> None:
    problem = problem_on(1)
    a, b = problem.features[0], problem.targets
    size, x = 1.001 * torch.linalg.matrix_norm(a, ord=2) ** 2, torch.zeros(1, N_FEATURES)
    for k in range(LAYERS):
        x, _ = selecting(x + (b - x @ a.t()) @ analytic_weights(a), 0.4 / size, k)
    torch.testing.assert_close(after(network_of("alista"), problem, LONE), x, rtol=0, atol=1e-7)


def test_special_cases_are_bit_for_bit_each_other() -> None:
    problem, cpss = problem_on(8), network_of("lista_cpss")
    plain = dataclasses.replace(cpss, support_rate=0.0)
    assert torch.equal(after(plain, problem, RING), after(network_of("lista_cp"), problem, RING))
    assert torch.equal(after(network_of("glista"), problem, RING), after(cpss, problem, RING))
    assert not torch.equal(after(plain, problem, RING), after(cpss, problem, RING))


def test_the_largest_entries_above_the_threshold_pass() -> None:
    v = torch.tensor([[3.0, -2.0, 1.0, 0.5], [0.4, 0.3, 0.2, 0.1]])
    found = soft_with_support(v, torch.tensor(0.75), 0.3)  # two entries, 0.3 * 4 rounded up
    torch.testing.assert_close(found, torch.tensor([[3.0, -2.0, 0.25, 0.0], [0.0, 0.0, 0.0, 0.0]]))


# t4: released networks

GATES = {  # NMSE in dB over a set, and as a mean over the signals
    "alista": (-33.0, -55.0),
    "lista_cpss": (-32.0, -52.0),
    "lamp": (-23.0, -48.0),
    "lfista": (-15.0, -16.0),
    "lista": (-14.0, -15.0),
    "lista_cp": (-14.0, -17.0),
    "glista": (-32.0, -48.0),
    "step_lista": (-7.5, -8.5),
    "alista_noisy": (-18.0, -20.0),
    "lista_cpss_noisy": (-19.0, -21.5),
    "glista_noisy": (-19.0, -21.5),
    "lista_cpss_ill": (-15.0, -30.0),
    "glista_ill": (-15.0, -30.0),
    "lamp_ill": (-15.0, -22.0),
}


@pytest.mark.parametrize("name", GATES)
def test_released_networks_recover_new_signals(name: str) -> None:
    (dataset,) = model_recipe(model_folder(name))["training"]["dataset"]
    network, problem = load_model(name), plugins.load("dataset", dataset)(LONE, seed=0)
    assert isinstance(network, Unrolled) and isinstance(problem, SparseRecovery)
    network = network.to(dtype=torch.float64)
    given, target = problem.samples_of(512, np.random.default_rng(11))
    graph = Network.concatenate([LONE] * 512)
    with torch.no_grad():
        state = network.first_state(given, graph, torch.zeros_like(target))
        for _ in range(network.depth):
            state = network.next_state(given, graph, state)
    over_set, of_signals = GATES[name]
    assert set_nmse(state.x, target) < over_set
    assert sample_nmse(state.x, target).mean() < of_signals


def test_the_network_for_a_ring_recovers_over_a_ring() -> None:
    network, problem = load_model("alista_ring"), plugins.load("dataset", "sparse_recovery")(RING, seed=0)
    assert isinstance(network, Unrolled) and isinstance(problem, SparseRecovery)
    assert (network.sums, network.depth) == ("exact_diffusion", 60)
    problems = [plugins.load("dataset", "sparse_recovery")(RING, seed=900 + k) for k in range(20)]
    many, graphs = SparseRecovery.concatenate(problems), Network.concatenate([RING] * 20)
    x = after(network.to(dtype=torch.float64), many, graphs, 60)
    assert graphs.traffic.rounds == 60
    assert set_nmse(x, many.target.repeat_interleave(8, dim=0)) < -15


# t5: nodes have no order


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


# What they refuse


@KINDS
def test_networks_refuse_what_they_cannot_recover(kind: str) -> None:
    network = network_of(kind)
    plain = LeastSquares.from_nodes([[[1.0]]] * 8, [[1.0]] * 8, L1(0.1))
    assert "recovers sparse signals" in str(network.refusal(plain, RING))
    other = problem_on(8, dictionary=6)
    if kind in ("alista", "step_lista"):
        assert network.refusal(other, RING) is None
        after(network, other, RING)
        return
    reason = str(network.refusal(other, RING))
    assert f"belong to the dictionary {problem_on(8).dictionaries[0]}, this one is {other.dictionaries[0]}" in reason
    with pytest.raises(InputError, match="belong to the dictionary"):
        after(network, other, RING)


@pytest.mark.parametrize(
    ("kind", "count"),
    {
        "alista": 2 * 16,
        "step_lista": 16,
        "lista": 256 * 512 + 15 * 512**2 + 16,  # 4.06 million
        "lista_cp": 16 * (256 * 512 + 1),  # 2.10 million, as the next two
        "lista_cpss": 16 * (256 * 512 + 1),
        "lamp": 16 * (256 * 512 + 1),
        "lfista": 256 * 512 + 15 * 2 * 512**2 + 16,  # 8.00 million
        "glista": 16 * (256 * 512 + 512 + 3),
    }.items(),
)
def test_networks_of_the_published_size_have_the_published_numbers_of_weights(kind: str, count: int) -> None:
    problem = problem_on(1, size=(256, 512))
    weights = ARCHITECTURES[kind]().bind(problem, LONE).build()
    assert sum(p.numel() for p in weights.parameters()) == count


def test_a_network_has_as_many_steps_as_layers() -> None:
    with pytest.raises(InputError, match="has 6 layers; expected at most as many iterations"):
        after(network_of("alista"), problem_on(1), LONE, LAYERS + 1)


def test_matrices_need_a_dictionary() -> None:
    with pytest.raises(InputError, match="needs the size of its dictionary"):
        read_architecture({"kind": "lista_cp"}).build()


def test_settings_of_a_run_may_be_texts() -> None:
    network = with_run_settings(network_of("alista"), "sums=exact_diffusion,rounds=3")
    assert isinstance(network, Unrolled) and (network.sums, network.rounds) == ("exact_diffusion", 3)
    with pytest.raises(InputError, match="sums of alista 'gosip'; did you mean 'gossip'"):
        with_run_settings(network_of("alista"), "sums=gosip")


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
