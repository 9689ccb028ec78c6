"""The rule of MiLoDo as a layer."""

import networkx as nx
import pytest
import torch
from torch_geometric.utils import from_networkx

from gnn_l2o.learned import ConstantCoefficients, MiLoDo
from gnn_l2o.nn import MiLoDoConv, Preconditioner
from gnn_l2o.problems.regularizers import L1, Zero
from tests.learned.random_milodo import ARCHITECTURES, least_squares, network_of, random_optimizer
from tests.learned.runs import after


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_layer_does_what_the_algorithm_does(architecture):
    network = network_of("erdos_renyi", 9)
    problem = least_squares(9, L1(0.05))
    algorithm = random_optimizer(architecture)
    conv = MiLoDoConv(algorithm.source)
    x0 = torch.randn(9, 4)
    shuffled = network.edge_index[:, torch.randperm(network.num_edges)]
    state = conv.init(
        x0,
        shuffled,
        problem.gradient(x0),
        smoothness=problem.smoothness(),
        mean_curvature=problem.mean_curvature(),
        prox=problem.prox,
        spectral_gap=network.spectral_gap,
        min_eigenvalue=network.min_eigenvalue,
    )
    with torch.no_grad():
        for k in range(12):
            state = conv(state, shuffled, problem.gradient(state.extrapolated), problem.prox, recompute=k < 8)
    torch.testing.assert_close(state.x, after(algorithm, problem, network, 12, x0).x)


@torch.no_grad()
def test_the_layer_takes_any_source_of_coefficients():
    network, x0 = network_of("star"), torch.randn(8, 4)
    problem = least_squares(8, Zero())
    source = ConstantCoefficients(0.4, 0.3, 0.9)
    conv = MiLoDoConv(source)
    state = conv.init(
        x0,
        network.edge_index,
        problem.gradient(x0),
        smoothness=problem.smoothness(),
        min_eigenvalue=float(network.min_eigenvalue),
    )
    for _ in range(12):
        state = conv(state, network.edge_index, problem.gradient(state.extrapolated))
    torch.testing.assert_close(state.x, after(MiLoDo(source), problem, network, 12, x0).x)
    assert "ConstantCoefficients(step_factor=0.4" in repr(conv)


def test_the_layer_refuses_graphs_it_cannot_serve():
    conv = MiLoDoConv()
    x = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="edge 0->1 but not 1->0; expected both directions"):
        conv.init(x, torch.tensor([[0], [1]]), x)
    with pytest.raises(ValueError, match="self-loops"):
        conv.init(x, torch.tensor([[0, 1, 2], [1, 0, 2]]), x)


@pytest.mark.parametrize("accelerated", [True, False])
@pytest.mark.parametrize("spectral_gap", [True, False])
def test_the_layer_runs_graphs_of_a_batch_as_if_each_were_alone(accelerated, spectral_gap):
    conv = MiLoDoConv(Preconditioner(4, spectral_gap=spectral_gap, accelerated=accelerated)).double()
    conv.preconditioner.reset_parameters()
    graphs = [nx.star_graph(4), nx.path_graph(3)]
    edges = [from_networkx(g).edge_index for g in graphs]
    own = [torch.randn(g.number_of_nodes(), 2) for g in graphs]

    def after_ten(edge_index: torch.Tensor, own: torch.Tensor, batch: torch.Tensor | None = None) -> torch.Tensor:
        state = conv.init(own, edge_index, torch.zeros_like(own), batch=batch)
        for _ in range(10):
            state = conv(state, edge_index, state.extrapolated - own)
        return state.x

    joined = torch.cat([edges[0], edges[1] + 5], dim=1)
    batch = torch.tensor([0] * 5 + [1] * 3)
    torch.testing.assert_close(
        after_ten(joined, torch.cat(own), batch), torch.cat([after_ten(*pair) for pair in zip(edges, own, strict=True)])
    )
    with pytest.raises(ValueError, match="joins nodes of different graphs"):
        conv.init(torch.cat(own), joined, torch.cat(own), batch=batch.flip(0))


def test_the_layer_is_reproducible_and_prints_itself():
    conv = MiLoDoConv()
    first = [p.clone() for p in conv.parameters()]
    conv.reset_parameters()
    assert any(not torch.equal(a, b) for a, b in zip(first, conv.parameters(), strict=True))
    expected = "MiLoDoConv(hidden_features=5, parametrization='scale_free', symmetrize='even', spectral_gap=True, "
    assert repr(MiLoDoConv(Preconditioner(5))).startswith(expected)
