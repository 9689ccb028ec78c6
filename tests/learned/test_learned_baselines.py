"""The learned baselines: against independent implementations, on what they refuse, and through training and files."""

import dataclasses
import math
from typing import Any

import networkx as nx
import pytest
import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm, spent
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.exchange import NetworkExchange
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import PGExtra
from gnn_l2o.learned import (
    ARCHITECTURES,
    Architecture,
    BaseRulesArchitecture,
    ConstantCoefficients,
    GenericL2OArchitecture,
    L2ODMArchitecture,
    L2OScaleArchitecture,
    L2OSwarmArchitecture,
    LearnedScalarsArchitecture,
    LocalMiLoDoArchitecture,
    LPGExtraArchitecture,
    MatrixMiLoDoArchitecture,
    MiLoDo,
    MiLoDoArchitecture,
    PerNodeArchitecture,
    RNNPropArchitecture,
    TwinL2OArchitecture,
    load_model,
    read_architecture,
    save_weights,
)
from gnn_l2o.learned.node_lstms import NodeLSTMs
from gnn_l2o.learned.own_graph import OwnGraph
from gnn_l2o.learned.unrolled import UNROLLED
from gnn_l2o.nn.edge_preconditioner import bounded_edge_weights
from gnn_l2o.nn.features import curvature_ratio, shrinkage
from gnn_l2o.nn.stability import max_dual_step_size
from gnn_l2o.nn.step_size import bounded_step_size, limits_without_momentum
from gnn_l2o.problems import LeastSquares, Problem
from gnn_l2o.problems.regularizers import L1, Box, Regularizer, Zero
from gnn_l2o.training import Stage, TrainingConfig, TrainingRun

# Degrees 1 to 4, so that the networks of most nodes are padded.
IRREGULAR = nx.Graph([(0, 1), (0, 2), (1, 2), (2, 3), (2, 4), (4, 5)])

SMALL: dict[str, Architecture[Any]] = {
    "milodo": MiLoDoArchitecture(hidden_features=4, warmup=3),
    "matrix_milodo": MatrixMiLoDoArchitecture(hidden_features=4),
    "per_node": PerNodeArchitecture(hidden_features=4),
    "generic_l2o": GenericL2OArchitecture(hidden_features=4),
    "base_rules": BaseRulesArchitecture(hidden_features=6),
    "lpg_extra": LPGExtraArchitecture(depth=12),
    "learned_scalars": LearnedScalarsArchitecture(warmup=3),
    "local_milodo": LocalMiLoDoArchitecture(hidden_features=4, warmup=3),
    "l2o_dm": L2ODMArchitecture(hidden_features=4),
    "l2o_scale": L2OScaleArchitecture(coordinate_features=4, array_features=3, whole_features=5),
    "l2o_swarm": L2OSwarmArchitecture(hidden_features=4),
    "rnnprop": RNNPropArchitecture(hidden_features=4),
    "twin_l2o": TwinL2OArchitecture(hidden_features=4),
}
SMOOTH = ("base_rules", "matrix_milodo", "twin_l2o")  # run without a regularizer only
UNROLLED_KINDS = {kind.name for kind in UNROLLED}  # tests/learned/test_unrolled.py has these
KINDS = pytest.mark.parametrize("kind", [name for name in ARCHITECTURES.names() if name not in UNROLLED_KINDS])


def least_squares(network: Network, regularizer: Regularizer, dim: int = 4) -> LeastSquares:
    nodes = network.num_nodes
    return LeastSquares.from_nodes(list(torch.randn(nodes, 5, dim)), list(torch.randn(nodes, 5)), regularizer)


def regularizer_for(kind: str) -> Regularizer:
    return Zero() if kind in SMOOTH else L1(0.05)


def built(kind: str, problem: Problem, network: Network) -> tuple[Architecture[Any], nn.Module, Algorithm[Any]]:
    """Return a rival with weights that are neither all drawn nor all silent."""
    architecture = SMALL[kind].bind(problem, network)
    weights = architecture.build()
    architecture.initialize(weights, architecture.inits[0], None)
    with torch.no_grad():
        for parameter in weights.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return architecture, weights, architecture.algorithm(weights)


@torch.no_grad()
def after(algorithm: Algorithm[Any], problem: Problem, network: Network, steps: int, x0: Tensor | None = None) -> Any:
    x0 = torch.zeros(problem.num_nodes, problem.dim) if x0 is None else x0
    states = run(algorithm, problem, network, x0)
    for _ in range(steps):
        next(states)
    return next(states)


def side_by_side(problems: list[Problem], network: Network) -> tuple[Problem, Network]:
    return type(problems[0]).concatenate(problems), Network.concatenate([network] * len(problems))


# Networks of every node's own


def torch_networks(lstms: NodeLSTMs, node: int, inputs: int) -> tuple[nn.LSTMCell, nn.Linear, nn.Linear]:
    """Return a node's network as PyTorch has it, with the first ``inputs`` inputs."""
    cell = nn.LSTMCell(inputs, lstms.hidden_features)
    inner = nn.Linear(lstms.hidden_features, lstms.hidden_features)
    outer = nn.Linear(lstms.hidden_features, lstms.outer_weight.size(1))
    with torch.no_grad():
        cell.weight_ih.copy_(lstms.weight_ih[node, :, :inputs])
        cell.weight_hh.copy_(lstms.weight_hh[node])
        cell.bias_ih.copy_(lstms.bias_ih[node].squeeze(1))
        cell.bias_hh.copy_(lstms.bias_hh[node].squeeze(1))
        inner.weight.copy_(lstms.inner_weight[node])
        inner.bias.copy_(lstms.inner_bias[node].squeeze(1))
        outer.weight.copy_(lstms.outer_weight[node])
        outer.bias.copy_(lstms.outer_bias[node].squeeze(1))
    return cell, inner, outer


class OwnNetwork:
    """One network of one node with its memory, applied to a batch of rows."""

    def __init__(self, lstms: NodeLSTMs, node: int, inputs: int, rows: int) -> None:
        self.cell, self.inner, self.outer = torch_networks(lstms, node, inputs)
        self.memory = (torch.zeros(rows, lstms.hidden_features),) * 2

    def __call__(self, *inputs: Tensor) -> Tensor:
        self.memory = self.cell(torch.stack(inputs, dim=1), self.memory)
        return self.outer(self.inner(self.memory[0]).relu())


@torch.no_grad()
def paper_milodo(networks: Any, problem: LeastSquares, graph: nx.Graph, weight: float, steps: int) -> Tensor:
    """Algorithm 1 of He et al. 2024 with Eqs. (22)-(28), node by node and neighbour by neighbour."""
    nodes, dim = len(graph), problem.dim
    neighbours = {i: sorted(graph[i]) for i in range(nodes)}
    m = [OwnNetwork(networks.step, i, 2, dim) for i in range(nodes)]
    s = [OwnNetwork(networks.dual, i, len(neighbours[i]), dim) for i in range(nodes)]
    u = [OwnNetwork(networks.primal, i, len(neighbours[i]), dim) for i in range(nodes)]
    x, y = [torch.zeros(dim) for _ in range(nodes)], [torch.zeros(dim) for _ in range(nodes)]
    for _ in range(steps):
        z, tilde, primal = [], {}, {}
        for i in range(nodes):
            a, b = problem.features[i], problem.targets[i]
            gradient = a.T @ (a @ x[i] - b) / len(b)
            p = m[i](gradient, y[i])[:, 0].relu()
            v = x[i] - p * (gradient + y[i])
            z.append(v.sign() * (v.abs() - p * weight).clamp(min=0))
        for i in range(nodes):
            apart = [z[i] - z[j] for j in neighbours[i]]
            duals, primals = s[i](*apart).exp(), u[i](*apart).relu()
            for k, j in enumerate(neighbours[i]):
                tilde[i, j], primal[i, j] = duals[:, k], primals[:, k]
        for i in range(nodes):
            y[i] = y[i] + sum((tilde[i, j] + tilde[j, i]) / 2 * (z[i] - z[j]) for j in neighbours[i])
            x[i] = z[i] - sum(primal[i, j] * (z[i] - z[j]) for j in neighbours[i])
    return torch.stack(x)


@pytest.mark.parametrize("graph", [nx.cycle_graph(5), IRREGULAR], ids=["ring", "irregular"])
def test_per_node_is_the_papers_algorithm_node_by_node(graph: nx.Graph) -> None:
    network = Network.from_networkx(nx.convert_node_labels_to_integers(graph))
    problem = least_squares(network, L1(0.05))
    _, networks, algorithm = built("per_node", problem, network)
    expected = paper_milodo(networks, problem, graph, 0.05, 12)
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(after(algorithm, problem, network, 12).x, expected)


def test_per_node_starts_as_exact_diffusion() -> None:
    network = Network.from_networkx(IRREGULAR)
    problem = least_squares(network, Zero())
    architecture = PerNodeArchitecture(hidden_features=4).bind(problem, network)
    networks = architecture.build()
    architecture.initialize(networks, "special", 0.05)
    mixing = 0.5 * (torch.eye(6) + network.matrix())
    x = psi = torch.zeros(6, 4)
    for _ in range(40):  # x+ = (I + W) / 2 (x + psi+ - psi), psi+ = x - a grad f(x) (Yuan et al. 2018)
        new = x - 0.05 * problem.gradient(x)
        x, psi = mixing @ (x + new - psi), new
    torch.testing.assert_close(after(architecture.algorithm(networks), problem, network, 40).x, x)


def test_base_rules_are_equations_12_to_14_node_by_node() -> None:
    network = Network.from_networkx(IRREGULAR)
    problem = least_squares(network, Zero())
    _, weights, algorithm = built("base_rules", problem, network)
    assert weights.m.weight_ih.shape == (6, 24, 8) and weights.s.weight_ih.shape == (6, 24, 16)  # 2 d, |N| d with d = 4
    neighbours = {i: sorted(IRREGULAR[i]) for i in range(6)}
    m = [OwnNetwork(weights.m, i, 8, 1) for i in range(6)]
    s, u = ([OwnNetwork(part, i, 4 * len(neighbours[i]), 1) for i in range(6)] for part in (weights.s, weights.u))
    x, y = torch.zeros(6, 4), torch.zeros(6, 4)
    with torch.no_grad():
        for _ in range(8):
            own = torch.cat([problem.gradient(x), y], dim=1)
            z = torch.stack([x[i] - m[i](*own[i].reshape(-1, 1))[0] for i in range(6)])
            apart = [torch.cat([z[i] - z[j] for j in neighbours[i]]).reshape(-1, 1) for i in range(6)]
            y = torch.stack([y[i] + s[i](*apart[i])[0] for i in range(6)])
            x = torch.stack([z[i] - u[i](*apart[i])[0] for i in range(6)])
    torch.testing.assert_close(after(algorithm, problem, network, 8).x, x)


def test_the_papers_sizes() -> None:
    network = build_network("ring", 10)
    smooth = least_squares(network, Zero(), dim=10)

    def count(architecture: Architecture[Any]) -> int:
        return sum(p.numel() for p in architecture.bind(smooth, network).build().parameters())

    cell = 4 * 20 * 20 + 2 * 4 * 20  # hidden weights and both biases of an LSTM cell of width 20
    perceptron = 20 * 20 + 20
    assert count(PerNodeArchitecture()) == 10 * (
        (cell + 80 * 2 + perceptron + 21) + 2 * (cell + 80 * 2 + perceptron + 2 * 21)
    )
    cell, perceptron = 4 * 100 * 100 + 2 * 4 * 100, 100 * 100 + 100 + 10 * 101
    assert count(BaseRulesArchitecture()) == 10 * 3 * (cell + 400 * 20 + perceptron)
    assert count(LPGExtraArchitecture(depth=50)) == 100
    assert [count(LearnedScalarsArchitecture(linear=linear)) for linear in (False, True)] == [4, 36]


@pytest.mark.parametrize("kind", ["per_node", "base_rules"])
def test_what_is_bound_to_a_graph_refuses_every_other(kind: str) -> None:
    network = Network.from_networkx(IRREGULAR)
    problem = least_squares(network, Zero())
    architecture, _, algorithm = built(kind, problem, network)
    assert str(OwnGraph.of(network)) == architecture.links == "0-1 0-2 1-2 2-3 2-4 4-5"
    assert algorithm.refusal(problem, network) is None
    others = [
        Network.from_edges([(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5)]),  # as many nodes and links
        build_network("ring", 7),
        Network.concatenate([network, Network.from_edges([(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (4, 5)])]),
    ]
    for other in others:
        foreign = least_squares(other, Zero())
        reason = algorithm.refusal(foreign, other)
        assert reason is not None and "bound to their graph of 6 nodes and 6 links" in reason
        with pytest.raises(InputError) as refused:
            algorithm.init(foreign, other, torch.zeros(other.num_nodes, 4))
        assert str(refused.value) == reason


def test_base_rules_refuse_regularizers_and_other_dimensions() -> None:
    network = Network.from_networkx(IRREGULAR)
    _, _, algorithm = built("base_rules", least_squares(network, Zero()), network)
    for problem, message in (
        (least_squares(network, Box(-1, 1)), "for smooth problems"),
        (least_squares(network, Zero(), dim=3), "bound to 4 coordinates; this problem has 3"),
    ):
        assert message in str(algorithm.refusal(problem, network))
        with pytest.raises(InputError, match=message):
            algorithm.init(problem, network, torch.zeros(6, problem.dim))


def test_unbound_architectures_and_broken_links_are_refused() -> None:
    for unbound in (PerNodeArchitecture(), BaseRulesArchitecture(links="0-1")):
        with pytest.raises(InputError, match="needs the links of its graph"):
            unbound.build()
    with pytest.raises(InputError, match=r"links are written as in '0-1 1-2', got '0,1'"):
        PerNodeArchitecture(links="0,1").build()
    with pytest.raises(InputError, match="falls into 2 parts"):
        PerNodeArchitecture(links="0-1 2-3").build()


# LPG-EXTRA


@pytest.mark.parametrize("regularizer", [L1(0.1), Box(-0.2, 0.3)], ids=["l1", "box"])
def test_lpg_extra_with_equal_layers_is_pg_extra(regularizer: Regularizer) -> None:
    network = Network.from_networkx(IRREGULAR)
    problem = least_squares(network, regularizer)
    architecture = LPGExtraArchitecture(depth=30)
    weights, x0 = architecture.build(), torch.randn(6, 4)
    architecture.initialize(
        weights, "pg_extra", 0.7
    )  # a_k = t_k = 0.7, so alpha_k = 0.7 / L and tau_k = alpha_k lambda
    expected = after(PGExtra(0.7 / float(problem.smoothness().max())), problem, network, 30, x0)
    torch.testing.assert_close(after(architecture.algorithm(weights), problem, network, 30, x0).x, expected.x)


@torch.no_grad()
def test_lpg_extra_uses_each_layers_own_numbers_as_the_authors_do() -> None:
    network = Network.from_networkx(IRREGULAR)
    problem = least_squares(network, L1(0.1))
    architecture = LPGExtraArchitecture(depth=5)
    weights = architecture.build()
    weights.log_step.uniform_(-2, 0)
    weights.log_threshold.uniform_(-2, 0)
    largest, w = problem.smoothness().max(), network.matrix()
    alpha, tau = weights.log_step.exp() / largest, weights.log_threshold.exp() * 0.1 / largest
    x, half = torch.zeros(6, 4), (torch.eye(6) + w) / 2
    z = w @ x - alpha[0] * problem.gradient(x)
    last, x = x, z.sign() * (z.abs() - tau[0]).clamp(min=0)
    for k in range(1, 5):
        z = z + w @ x - half @ last - alpha[k] * (problem.gradient(x) - problem.gradient(last))
        last, x = x, z.sign() * (z.abs() - tau[k]).clamp(min=0)
    torch.testing.assert_close(after(architecture.algorithm(weights), problem, network, 5).x, x)


def test_lpg_extra_ends_with_its_last_layer() -> None:
    network = build_network("ring", 4)
    problem = least_squares(network, L1(0.1))
    _, _, algorithm = built("lpg_extra", problem, network)
    assert algorithm.depth == 12
    state = after(algorithm, problem, network, 12)
    with pytest.raises(InputError, match="lpg_extra has 12 layers; expected at most as many iterations"):
        algorithm.step(problem, network, state)


# Learned scalars


@torch.no_grad()
def test_learned_scalars_are_constant_coefficients_until_the_secant_curvature_limits_the_step_size() -> None:
    network = Network.from_networkx(IRREGULAR)
    problem = least_squares(network, L1(0.05))
    architecture = LearnedScalarsArchitecture(linear=False, warmup=1)
    weights = architecture.build()
    weights.emit(0.3, 0.4, 0.6)
    weights.coefficients[1] = 50.0  # everyone's own step
    state = after(architecture.algorithm(weights), problem, network, 25)
    bounds, coefficients, largest = state.bounds, state.coefficients, state.bounds.max_step_size
    torch.testing.assert_close(coefficients.preconditioner, 0.3 * largest)
    torch.testing.assert_close(coefficients.mixing_weight, 0.6 * bounds.max_mixing_weight)
    (ends,) = NetworkExchange(network).neighbours(numbers=0.3 * largest)
    share = coefficients.dual_step_size / max_dual_step_size(bounds, ends, coefficients.mixing_weight)
    constant = MiLoDo(ConstantCoefficients(0.3, float(share[0]), 0.6))
    torch.testing.assert_close(share, share[0].expand_as(share))
    torch.testing.assert_close(state.x, after(constant, problem, network, 25).x)
    weights.emit(0.79, 0.4, 0.6)
    weights.coefficients[1] = 50.0
    recomputed = dataclasses.replace(architecture, warmup=25).algorithm(weights)
    state = after(recomputed, problem, network, 25)
    assert (state.coefficients.preconditioner < 0.78 * largest).any()
    expected = 0.79 * torch.minimum(largest, 2 / state.memory.max_curvature)
    torch.testing.assert_close(state.coefficients.preconditioner, expected)


@torch.no_grad()
def test_learned_scalars_follow_the_graph_linearly() -> None:
    network = Network.from_networkx(IRREGULAR)
    problem = least_squares(network, L1(0.05))
    weights = LearnedScalarsArchitecture().build()
    weights.coefficients.copy_(torch.randn(4, 9))
    state = after(LearnedScalarsArchitecture().algorithm(weights), problem, network, 1)
    facts = state.facts
    ones = torch.ones(network.num_nodes, 1)
    nodes = torch.cat(
        [
            ones,
            network.self_weight,
            facts.self_weight_ratio,
            curvature_ratio(facts),
            shrinkage(facts),
            curvature_ratio(facts) * shrinkage(facts),
            network.spectral_gap.item() * ones,
            facts.min_eigenvalue,
            0.5 * math.log10(network.num_nodes) * ones,
        ],
        dim=1,
    )
    i, j = network.link_index
    edges = torch.cat([ones[i], network.weight, 0.5 * (nodes[i] + nodes[j])[:, 2:]], dim=1)
    step, own = (nodes @ weights.coefficients[row].unsqueeze(1) for row in (0, 1))
    dual, mixing = (edges @ weights.coefficients[row].unsqueeze(1) for row in (2, 3))
    exchange = NetworkExchange(network)
    limits = limits_without_momentum(state.bounds, None, exchange)
    expected = bounded_step_size(step, own, limits, torch.zeros_like(ones), state.bounds)
    torch.testing.assert_close(state.coefficients.preconditioner, expected)
    (ends,) = exchange.neighbours(numbers=expected)
    expected = bounded_edge_weights(dual, mixing, ends, state.bounds)
    found = state.coefficients.dual_step_size, state.coefficients.mixing_weight
    torch.testing.assert_close(found, expected)


# Generic L2O


@torch.no_grad()
def test_generic_l2o_is_equation_3_with_the_means_over_the_neighbours() -> None:
    network = Network.from_networkx(IRREGULAR)
    problem = least_squares(network, Zero())
    _, weights, algorithm = built("generic_l2o", problem, network)
    x0 = torch.randn(6, 4)
    gradient, smoothness = problem.gradient(x0), problem.smoothness()
    unit = gradient.square().mean(1, keepdim=True).sqrt() / smoothness

    def scaled(value: Tensor, size: Tensor) -> Tensor:
        return value.sign() * (1 + 1e4 * value.abs() / size).log() / math.log(1 + 1e4)

    for i in range(6):
        around = sorted(IRREGULAR[i])
        features = [
            scaled(gradient[i], smoothness[i] * unit[i]),
            scaled(gradient[around].mean(0), smoothness[i] * unit[i]),
            scaled(x0[i], unit[i]),
            scaled(x0[around].mean(0) - x0[i], unit[i]),
        ]
        lstm = weights.lstm
        h, _ = lstm.cell(torch.stack(features, dim=1))
        direction, magnitude = lstm.outer(lstm.inner(h).relu()).t()
        expected = x0[i] + unit[i] * direction * magnitude.exp()
        torch.testing.assert_close(after(algorithm, problem, network, 1, x0).x[i], expected)


def test_generic_l2o_starts_still() -> None:
    network = build_network("star", 5)
    problem = least_squares(network, L1(0.1))
    architecture = GenericL2OArchitecture()
    weights = architecture.build()
    architecture.initialize(weights, "still", None)
    x0 = torch.randn(5, 4)
    assert torch.equal(after(architecture.algorithm(weights), problem, network, 3, x0).x, x0)


# What all kinds share


@KINDS
@pytest.mark.parametrize("steps", [1, 7])
def test_what_a_run_costs_is_what_is_declared(kind: str, steps: int) -> None:
    network = Network.from_networkx(IRREGULAR)
    problem = least_squares(network, regularizer_for(kind))
    _, _, algorithm = built(kind, problem, network)
    before = spent(problem, network)
    after(algorithm, problem, network, steps)
    declared = algorithm.total_cost(steps, problem.shapes).on(int(network.diameter))
    assert (spent(problem, network) - before).declarable == declared


@KINDS
@pytest.mark.parametrize("graph", [IRREGULAR, nx.path_graph(2), nx.path_graph(1)], ids=["irregular", "two", "one"])
def test_problems_side_by_side_run_as_each_alone(kind: str, graph: nx.Graph) -> None:
    network = Network.from_networkx(graph)
    problems: list[Problem] = [least_squares(network, regularizer_for(kind)) for _ in range(3)]
    _, _, algorithm = built(kind, problems[0], network)
    together = after(algorithm, *side_by_side(problems, network), 6).x
    alone = torch.cat([after(algorithm, problem, network, 6).x for problem in problems])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("kind", ["milodo", "generic_l2o", "lpg_extra", "learned_scalars"])
def test_shared_weights_run_on_every_graph(kind: str) -> None:
    first = Network.from_networkx(IRREGULAR)
    _, _, algorithm = built(kind, least_squares(first, L1(0.05)), first)
    for network in (build_network("complete", 7), Network.from_edges([], 1), Network.from_edges([(0, 1)])):
        problem = least_squares(network, L1(0.05), dim=3)
        assert algorithm.refusal(problem, network) is None
        assert after(algorithm, problem, network, 5).x.isfinite().all()


@KINDS
def test_a_saved_model_does_the_same_again(kind: str, tmp_path: Any) -> None:
    network = Network.from_networkx(IRREGULAR)
    problem = least_squares(network, regularizer_for(kind))
    architecture, weights, algorithm = built(kind, problem, network)
    weights.float().double()  # the file keeps single precision
    config = TrainingConfig(dataset=("linear",), architecture=architecture)
    (tmp_path / "recipe.toml").write_text(config.to_toml())
    save_weights(tmp_path, weights, architecture)
    loaded = load_model(tmp_path)
    assert loaded.name == tmp_path.name and type(loaded) is type(algorithm)
    expected = after(algorithm, problem, network, 6).x
    torch.testing.assert_close(after(loaded, problem, network, 6).x, expected, rtol=0, atol=0)
    assert read_architecture(architecture.to_dict()) == architecture


def test_weights_of_another_kind_are_refused(tmp_path: Any) -> None:
    scalars, unrolled = SMALL["learned_scalars"], SMALL["lpg_extra"]
    (tmp_path / "recipe.toml").write_text(TrainingConfig(dataset=("lasso",), architecture=scalars).to_toml())
    save_weights(tmp_path, unrolled.build(), unrolled)
    with pytest.raises(InputError, match="kind 'lpg_extra' instead of 'learned_scalars'"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "per_nodes"}, r"unknown learned optimizer 'per_nodes'; did you mean 'per_node'\?"),
        ({"kind": "lpg_extra", "dept": 3}, r"unknown lpg_extra architecture setting 'dept'; did you mean 'depth'\?"),
        ({"kind": "lpg_extra", "depth": 0}, "depth of a lpg_extra lies between 1 and 1000000000, got 0"),
        ({"kind": "lpg_extra", "depth": "many"}, "depth of a lpg_extra is of type int, got 'many'"),
        ({"kind": "learned_scalars", "warmup": True}, "warmup of a learned_scalars is of type int, got True"),
        ({"parametrization": "papers"}, r"unknown parametrization 'papers'; did you mean 'paper'\?"),
    ],
)
def test_bad_architectures_are_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_architecture(table)


# Training


def training_config(kind: str, **changes: Any) -> TrainingConfig:
    regularized = "linear:features=4,samples=4" if kind in SMOOTH else "lasso:features=4,samples=4"
    config = TrainingConfig(
        dataset=(regularized,),
        topology=("ring",),
        nodes=(4,),
        problems=4,
        validation_problems=2,
        validation_iterations=8,
        batch_size=4,
        stages=(Stage(1e-2, 4, 4, 8),),
        architecture=SMALL[kind],
    )
    return dataclasses.replace(config, **changes)


@pytest.fixture
def single_precision() -> None:
    torch.set_default_dtype(torch.float32)  # what training runs in


@KINDS
@pytest.mark.usefixtures("single_precision")
def test_a_moment_of_training_lowers_the_loss(kind: str, tmp_path: Any) -> None:
    training = TrainingRun(training_config(kind), tmp_path)
    training.run()
    losses = [point.loss for point in training.progress.curve]
    assert losses[-1] < losses[0] - 5e-4
    assert type(load_model(tmp_path)) is type(training.algorithm)


class Killed(BaseException):
    """Stands for the signal: nothing in the library catches it."""


@KINDS
@pytest.mark.usefixtures("single_precision")
def test_a_killed_run_resumes_bit_for_bit(kind: str, tmp_path: Any) -> None:
    config = training_config(kind, stages=(Stage(1e-2, 2, 4, 2),), batch_size=2)
    whole = TrainingRun(config, tmp_path / "whole")
    whole.run()
    calls = iter(range(100))

    def kill(training: TrainingRun) -> None:
        if next(calls) == 3:
            raise Killed

    with pytest.raises(Killed):
        TrainingRun(config, tmp_path / "cut", report=kill, checkpoint_seconds=0).run()
    resumed = TrainingRun(config, tmp_path / "cut", resume=True)
    assert 0 < resumed.progress.iterations < whole.progress.iterations
    resumed.run()
    for name, value in whole.weights.state_dict().items():
        assert torch.equal(resumed.weights.state_dict()[name], value), name


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("per_node", {"topology": ("erdos_renyi",), "nodes": (8,)}, "does not suit a per_node: its networks are bound"),
        ("per_node", {"nodes": (4, 5)}, "this is another one, or a part of it, of 5 nodes and 5 links"),
        ("base_rules", {"dataset": ("lasso:features=4",)}, "does not suit a base_rules: the base rules are for smooth"),
        (
            "matrix_milodo",
            {"dataset": ("lasso:features=4",)},
            "does not suit a matrix_milodo: .* expected no regularizer",
        ),
        ("lpg_extra", {"validation_iterations": 13}, "of depth 12 runs no more iterations than that; .* ask for 13"),
    ],
)
def test_mixtures_that_do_not_suit_are_refused(kind: str, changes: dict[str, Any], message: str, tmp_path: Any) -> None:
    with pytest.raises(InputError, match=message):
        TrainingRun(training_config(kind, **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("generic_l2o", {"initial_step_size": 0.1}, "a generic_l2o has no initial_step_size, got 0.1"),
        ("learned_scalars", {"initial_step_size": 0.9}, "initial_step_size lies between 0 and 0.8, got 0.9"),
        ("lpg_extra", {"init": "special"}, r"unknown init of a lpg_extra 'special'"),
    ],
)
def test_starts_that_a_kind_does_not_know_are_refused(kind: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        training_config(kind, **changes)
