"""Networks of their own at every node: the paper's algorithm, and rules learned for smooth losses."""

from typing import Any

import networkx as nx
import pytest
import torch
from torch import Tensor, nn

from gnn_l2o.graph.network import Network
from gnn_l2o.learned import PerNodeArchitecture
from gnn_l2o.learned.node_lstms import NodeLSTMs
from gnn_l2o.problems import LeastSquares
from gnn_l2o.problems.regularizers import L1, Zero
from tests.learned.runs import after
from tests.learned.small_baselines import IRREGULAR, built, least_squares


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
