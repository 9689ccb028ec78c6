"""The networks of MiLoDo: against dense ones at each node, and what they see of graphs and losses."""

import copy

import networkx as nx
import pytest
import torch
from torch import Tensor

from gnn_l2o.graph.exchange import NetworkExchange
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import MiLoDoArchitecture
from gnn_l2o.nn import CoordinateLSTM, Preconditioner
from gnn_l2o.nn.features import signed_log
from gnn_l2o.nn.step_size import bounded_step_size, limits_with_momentum
from gnn_l2o.problems import LeastSquares
from gnn_l2o.problems.regularizers import L1, Zero
from tests.learned.random_milodo import ARCHITECTURES, least_squares, network_of, random_optimizer
from tests.learned.runs import after


def test_the_coordinate_lstm_is_torchs_cell_and_a_perceptron():
    lstm = CoordinateLSTM(3, 5, 2)
    features, h, c = torch.randn(3, 4, 6), torch.randn(5, 4, 6), torch.randn(5, 4, 6)
    output, (new_h, new_c) = lstm(features, (h, c))
    for row in range(4):
        for k in range(6):
            expected = lstm.cell(features[:, row, k], (h[:, row, k], c[:, row, k]))
            torch.testing.assert_close((new_h[:, row, k], new_c[:, row, k]), expected)
            torch.testing.assert_close(output[:, row, k], lstm.outer(lstm.inner(expected[0]).relu()))


class DensePaperOptimizer:
    """Algorithm 1 of He et al. 2024, node by node and neighbour by neighbour, with networks of each node's own."""

    def __init__(self, preconditioner: Preconditioner, network: Network) -> None:
        self.nodes = [copy.deepcopy(preconditioner) for _ in range(network.num_nodes)]
        self.mixing = network.matrix()
        self.neighbours = [
            [j for j in range(network.num_nodes) if j != i and self.mixing[i, j] > 0] for i in range(network.num_nodes)
        ]

    @staticmethod
    def evaluate(lstm: CoordinateLSTM, inputs: list[Tensor], memory):
        h, c = lstm.cell(torch.stack(inputs, dim=-1), memory)
        return lstm.outer(lstm.inner(h).relu()).squeeze(-1), (h, c)

    def run(self, problem: LeastSquares, weight: float, steps: int) -> Tensor:
        n, d, width = len(self.nodes), problem.dim, self.nodes[0].node.lstm.hidden_features
        zero = torch.zeros(d, width)
        x, y = [torch.zeros(d) for _ in range(n)], [torch.zeros(d) for _ in range(n)]
        memory_m = [(zero, zero)] * n
        memory_s = {(i, j): (zero, zero) for i in range(n) for j in self.neighbours[i]}
        memory_u = dict(memory_s)
        for _ in range(steps):
            z = []
            for i in range(n):
                a, b = problem.features[i], problem.targets[i]
                gradient = a.T @ (a @ x[i] - b) / len(b)
                output, memory_m[i] = self.evaluate(self.nodes[i].node.lstm, [gradient, y[i]], memory_m[i])
                p = output.relu()
                v = x[i] - p * (gradient + y[i])
                z.append(v.sign() * (v.abs() - p * weight).clamp(min=0))
            p1, p2 = {}, {}
            for i in range(n):
                phi_s, phi_u = self.nodes[i].edge.lstms
                for j in self.neighbours[i]:
                    s, memory_s[i, j] = self.evaluate(phi_s, [z[i] - z[j]], memory_s[i, j])
                    u, memory_u[i, j] = self.evaluate(phi_u, [z[i] - z[j]], memory_u[i, j])
                    p1[i, j], p2[i, j] = self.mixing[i, j] * s.exp(), self.mixing[i, j] * u.relu()
            for i in range(n):
                x[i] = z[i].clone()
                for j in self.neighbours[i]:
                    y[i] = y[i] + (p1[i, j] + p1[j, i]) / 2 * (z[i] - z[j])
                    x[i] = x[i] - p2[i, j] * (z[i] - z[j])
        return torch.stack(x)


def test_shared_weights_equal_copied_weights_in_a_per_node_implementation():
    architecture = MiLoDoArchitecture(parametrization="paper", symmetrize="mean", hidden_features=5, warmup=100)
    network = network_of("erdos_renyi", 5)
    problem = least_squares(5, L1(0.05))
    algorithm = random_optimizer(architecture)
    with torch.no_grad():
        expected = DensePaperOptimizer(algorithm.source, network).run(problem, 0.05, 10)
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(after(algorithm, problem, network, 10).x, expected)


@pytest.mark.parametrize("scale", ["variables", "losses"])
def test_the_scale_free_optimizer_is_scale_free(scale):
    network = network_of("grid")
    problem = least_squares(network.num_nodes, L1(0.05))
    a, b = problem.features, problem.targets
    if scale == "variables":  # x becomes 10 x
        other, factor = LeastSquares.from_nodes(list(a), list(10 * b), L1(0.5)), 10
    else:  # F becomes 49 F
        other, factor = LeastSquares.from_nodes(list(7 * a), list(7 * b), L1(0.05 * 49)), 1
    algorithm = random_optimizer(ARCHITECTURES[0])
    expected = factor * after(algorithm, problem, network, 15).x
    torch.testing.assert_close(after(algorithm, other, network, 15).x, expected)


def test_networks_without_logarithms_see_values_in_the_units_of_nodes():
    value, unit = torch.tensor([[-3.0, 0.0, 6.0]]), torch.tensor([[2.0]])
    for log_features, expected in ((True, signed_log(value, unit)), (False, torch.tensor([[-1.5, 0.0, 3.0]]))):
        preconditioner = Preconditioner(accelerated=True, log_features=log_features)
        for part in (preconditioner.node, preconditioner.edge):
            torch.testing.assert_close(part.scaled(value, unit), expected)


def test_steps_next_to_very_different_nodes_are_shorter():
    path, ring = Network.from_networkx(nx.path_graph(3)), Network.from_networkx(nx.cycle_graph(3))
    problem = least_squares(3, Zero())
    for network in (path, ring):
        known = (
            MiLoDoArchitecture(accelerated=True)
            .algorithm(Preconditioner(accelerated=True))
            .init(problem, network, torch.zeros(3, 4))
        )
        facts, bounds = known.facts, known.bounds
        q = min(1.0, 0.9 * (1 + 1 / (1 + 2 * 0.97)) / (1 - float(network.min_eigenvalue)))
        own_weight = [1 - q * (1 - float(w)) for w in network.self_weight]
        expected = [
            min(
                min(own_weight[i], own_weight[j]) / max(own_weight[i], own_weight[j])
                for j in range(3)
                if network.matrix()[i, j] > 0 and i != j
            )
            for i in range(3)
        ]
        torch.testing.assert_close(facts.self_weight_ratio.flatten(), torch.tensor(expected))
        much, nothing = torch.full((3, 1), 50.0), torch.zeros(3, 1)
        limits = limits_with_momentum(facts, bounds, NetworkExchange(network))
        own = (0.9 + 0.3 * facts.self_weight_ratio**2) * bounds.max_step_size
        torch.testing.assert_close(bounded_step_size(much, much, limits, nothing, bounds), own)
        common = own.min().expand(3, 1)
        torch.testing.assert_close(bounded_step_size(much, -much, limits, nothing, bounds), common)
        torch.testing.assert_close(bounded_step_size(much, nothing, limits, nothing, bounds), (own * common).sqrt())
    assert (facts.self_weight_ratio == 1).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_graphs_side_by_side_do_not_disturb_each_other(architecture):
    networks = [network_of(topology) for topology in ("star", "ring")]
    problems = [least_squares(8, L1(0.05)) for _ in networks]
    algorithm = random_optimizer(architecture)
    together = after(algorithm, LeastSquares.concatenate(problems), Network.concatenate(networks), 12)
    alone = [after(algorithm, *pair, 12).x for pair in zip(problems, networks, strict=True)]
    torch.testing.assert_close(together.x, torch.cat(alone))


def test_the_relative_shrinkage_is_the_share_of_the_first_step_that_the_prox_undoes():
    network, x0 = network_of("ring"), torch.randn(8, 4)
    algorithm = random_optimizer(ARCHITECTURES[-1])
    for weight in (0.0, 0.1, 100.0):
        problem = least_squares(8, L1(weight))
        known = algorithm.init(problem, network, x0)
        for i in range(8):
            a, b = problem.features[i], problem.targets[i]
            move = known.bounds.max_step_size[i] * (a.T @ (a @ x0[i] - b) / 3)
            v = x0[i] - move
            shrunk = v - v.sign() * (v.abs() - known.bounds.max_step_size[i] * weight).clamp(min=0)
            expected = min(1.0, float(shrunk.abs().sum() / move.abs().sum()))
            assert float(known.facts.prox_shrinkage[i]) == pytest.approx(expected)
