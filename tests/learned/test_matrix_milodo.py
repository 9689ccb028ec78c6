"""MiLoDo with matrices for preconditioners."""

import dataclasses
import math
from itertools import islice
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.linalg import fractional_matrix_power
from torch import Tensor, nn

from gnn_l2o._utils.blocks import Blocks
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import spent
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import MatrixMiLoDo, MatrixMiLoDoArchitecture, RecomputeSchedule
from gnn_l2o.nn import CoordinateLSTM, MiLoDoState
from gnn_l2o.nn.whitening import EVEN, FLOOR, MEMORY, Whitening, _InverseRoot
from gnn_l2o.problems import LeastSquares, NeuralNetwork, ResNet, Stochastic
from gnn_l2o.problems.regularizers import L1

SHAPES = ((3, 5), (5,), (7, 2), (4, 3, 1, 2), (1,))
NODES, DIM = 4, 59


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def as_matrices(row: Tensor) -> list[np.ndarray]:
    """The blocks of one node's row, the shorter side first."""
    found, start = [], 0
    for shape in SHAPES:
        size = math.prod(shape)
        matrix = row[start : start + size].numpy().reshape(shape[0] if len(shape) > 1 else 1, -1)
        found.append(matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T)
        start += size
    return found


@pytest.fixture
def whitening() -> Whitening:
    whitening = Whitening(Blocks(SHAPES))
    for seed in range(3):
        whitening = whitening.seen(draw(NODES, DIM, seed=seed))
    return whitening


def test_blocks_are_cut_and_joined_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gnn_l2o._utils.blocks.LARGEST", 4)
    blocks = Blocks((*SHAPES, (9, 10), (11, 8)))
    value = draw(NODES, sum(blocks.sizes))
    matrices = blocks.matrices(value)
    torch.testing.assert_close(blocks.join(matrices), value, rtol=0, atol=0)
    sides = [(1, 3, 5), (1, 1, 5), (1, 2, 7), (1, 4, 6), (1, 1, 1), (3, 3, 10), (2, 4, 11)]
    assert [tuple(m.shape[1:]) for m in matrices] == sides


def test_roots_are_those_of_the_mean_products(whitening: Whitening) -> None:
    means, peaks = [v @ v.T for v in as_matrices(draw(NODES, DIM)[2])], [0.0] * len(SHAPES)
    for seed in range(3):
        products = [v @ v.T for v in as_matrices(draw(NODES, DIM, seed=seed)[2])]
        means = [MEMORY * c + (1 - MEMORY) * p for c, p in zip(means, products, strict=True)]
        peaks = [max(peak, np.linalg.eigvalsh(c)[-1]) for peak, c in zip(peaks, means, strict=True)]
    direction = draw(NODES, DIM, seed=9)
    images = as_matrices(whitening.apply(direction)[2])
    for k, (c, v) in enumerate(zip(means, as_matrices(direction[2]), strict=True)):
        floor = EVEN * np.linalg.eigvalsh(c)[-1] + FLOOR * peaks[k]
        root = math.sqrt(v.shape[1]) * fractional_matrix_power(c + floor * np.eye(len(c)), -0.5)
        largest = np.linalg.eigvalsh(root)[-1]
        assert whitening.largest[2, k].item() == pytest.approx(largest, rel=1e-9)
        np.testing.assert_allclose(images[k], root @ v / largest, rtol=1e-9, atol=1e-12)


def test_a_whitening_is_positive_definite_with_a_largest_eigenvalue_of_one(whitening: Whitening) -> None:
    images = torch.stack([whitening.apply(unit.expand(NODES, -1)) for unit in torch.eye(DIM)], dim=2)
    torch.testing.assert_close(images, images.mT)
    values = torch.linalg.eigvalsh(images)
    assert values.min() > 0.1  # EVEN allows a sixth
    torch.testing.assert_close(values[:, -1], torch.ones(NODES))


def test_steps_stay_bounded_where_gradients_vanish(whitening: Whitening) -> None:
    before = whitening.largest
    for _ in range(400):
        whitening = whitening.seen(torch.zeros(NODES, DIM))
    assert (whitening.largest <= 2e4 * before).all()  # 1 / sqrt(FLOOR), and EVEN


def test_a_node_without_a_gradient_does_not_move() -> None:
    whitening = Whitening(Blocks(SHAPES)).seen(torch.zeros(1, DIM))
    assert (whitening.apply(torch.zeros(1, DIM)) == 0).all()


@pytest.mark.parametrize("values", [[1.0, 2.0, 5.0], [2.0, 2.0, 2.0], [0.1, 0.1, 3.0]])
def test_the_inverse_root_is_differentiable_where_eigenvalues_meet(values: list[float]) -> None:
    basis, _ = torch.linalg.qr(draw(3, 3))
    matrix = (basis * torch.tensor(values)) @ basis.T
    # The floor counts as constant, so that it is made one here: by a peak that nothing reaches.
    peak = torch.full((1,), 1e9)

    def root(product: Tensor) -> Tensor:
        return _InverseRoot.apply(0.5 * (product + product.T), peak)[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gnn_l2o.nn.whitening.EVEN", 0.0)
        assert torch.autograd.gradcheck(root, (matrix.requires_grad_(),))


def shards(nodes: int = NODES, samples: int = 6) -> list[tuple[Tensor, Tensor]]:
    random = torch.Generator().manual_seed(0)
    features = [torch.randn(samples, 5, generator=random) for _ in range(nodes)]
    return [(f, torch.randint(3, (samples,), generator=random)) for f in features]


def classifier(nodes: int = NODES, **kwargs: Any) -> NeuralNetwork:
    module = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    return NeuralNetwork.from_nodes(module, F.cross_entropy, shards(nodes), **kwargs)


def optimizer(spread: float = 1.0) -> MatrixMiLoDo:
    """Coefficients that vary with the node, edge, block and iteration."""
    architecture = MatrixMiLoDoArchitecture(hidden_features=4)
    weights = architecture.build()
    architecture.initialize(weights, "averaging", None)
    for lstm in (m for m in weights.modules() if isinstance(m, CoordinateLSTM)):
        nn.init.uniform_(lstm.outer.weight, -spread, spread)
    return architecture.algorithm(weights)


def network(nodes: int = NODES) -> Network:
    return Network.from_networkx(nx.path_graph(nodes))


@torch.no_grad()
def after(algorithm: MatrixMiLoDo, problem: Any, graph: Network, steps: int) -> MiLoDoState:
    return next(s for k, s in enumerate(run(algorithm, problem, graph, problem.initial_point())) if k == steps)


def test_shapes_are_those_of_the_parameters() -> None:
    problem = classifier()
    assert problem.shapes == Stochastic(problem, batch_size=2, seed=0).shapes == ((4, 5), (4,), (3, 4), (3,))
    assert LeastSquares.from_nodes([draw(2, 3)], [draw(2)], L1(0.1)).shapes == ((3,),)
    resnet = NeuralNetwork.from_nodes(ResNet(), F.cross_entropy, [(draw(2, 3, 32, 32), torch.tensor([0, 1]))])
    assert resnet.shapes[0] == (16, 3, 3, 3)
    assert sum(map(math.prod, resnet.shapes)) == resnet.dim


def test_a_step_is_the_rule_with_a_matrix_node_by_node() -> None:
    problem, graph, algorithm = classifier(), network(), optimizer()
    before = after(algorithm, problem, graph, 3)
    with torch.no_grad():
        state = algorithm.step(problem, graph, before)
    whitening, gradient = state.memory.whitening, problem.gradient(before.extrapolated)
    z = torch.empty_like(before.x)
    for i in range(NODES):
        direction = gradient[i] + before.y[i]
        images, start = [], 0
        for k, (shape, root) in enumerate(zip(problem.shapes, whitening.root, strict=True)):
            size = math.prod(shape)
            block = direction[start : start + size].view(shape if len(shape) > 1 else (1, -1))
            step = state.coefficients.preconditioner[i, start]
            assert (state.coefficients.preconditioner[i, start : start + size] == step).all()
            matrix = root[i, 0] / whitening.largest[i, k]
            image = matrix @ block if block.size(0) <= block.size(1) else block @ matrix
            images.append((step * image).flatten())
            start += size
        z[i] = before.extrapolated[i] - torch.cat(images)
    x, y = z.clone(), before.y.clone()
    for e, (i, j) in enumerate(graph.link_index.T.tolist()):
        for here, there in ((i, j), (j, i)):
            y[here] += state.coefficients.dual_step_size[e] * (z[here] - z[there])
            x[here] -= state.coefficients.mixing_weight[e] * (z[here] - z[there])
    torch.testing.assert_close(state.z, z)
    torch.testing.assert_close(state.y, y)
    torch.testing.assert_close(state.x, x)
    torch.testing.assert_close(state.extrapolated, x + state.coefficients.momentum * (x - before.x))
    assert (state.coefficients.dual_step_size > 0).all()
    assert len(state.coefficients.dual_step_size[0].unique()) > 1  # they differ from block to block


def test_a_stationary_consensus_with_its_duals_is_a_fixed_point() -> None:
    problem, graph, algorithm = classifier(), network(), optimizer()
    x = problem.initial_point()
    gradient = problem.gradient(x)
    # Were the mean gradient zero, the duals would be minus the own gradients: then nobody moves, whatever is emitted.
    state = dataclasses.replace(algorithm.init(problem, graph, x), y=-gradient)
    for _ in range(3):
        with torch.no_grad():
            state = algorithm.step(problem, graph, state)
        torch.testing.assert_close(state.x, x, rtol=0, atol=1e-12)
        torch.testing.assert_close(state.y, -gradient, rtol=0, atol=1e-12)


def test_the_duals_sum_to_zero() -> None:
    state = after(optimizer(), classifier(), network(), 20)
    assert state.y.abs().max() > 1e-4
    assert state.y.sum(dim=0).abs().max() < 1e-12


def test_problems_side_by_side_run_as_alone() -> None:
    graph, algorithm = network(), optimizer()
    problems = [classifier(), dataclasses.replace(classifier(), features=2 * classifier().features)]
    together = after(algorithm, NeuralNetwork.concatenate(problems), Network.concatenate([graph, graph]), 5).x
    alone = torch.cat([after(algorithm, p, graph, 5).x for p in problems])
    torch.testing.assert_close(together, alone)


def test_turning_the_hidden_units_turns_the_run() -> None:
    """Rows of a block in another order are no other problem: M_i turns with them."""
    problem, graph = classifier(), network()
    swap = torch.tensor([2, 0, 3, 1])
    index = torch.arange(problem.dim)
    w, b, v = index[:20].view(4, 5), index[20:24], index[24:36].view(3, 4)
    turned = torch.cat([w[swap].flatten(), b[swap], v[:, swap].flatten(), index[36:]])
    other = dataclasses.replace(problem, initial=problem.initial[:, turned])
    found = after(optimizer(0.0), other, graph, 6).x
    torch.testing.assert_close(found, after(optimizer(0.0), problem, graph, 6).x[:, turned])


def test_a_network_learns_with_constant_coefficients() -> None:
    problem = Stochastic(classifier(), batch_size=4, seed=0)
    state = after(optimizer(0.0), problem, network(), 60)
    start, end = (problem.objective(x.mean(dim=0, keepdim=True)).item() for x in (problem.initial_point(), state.x))
    assert end < 0.5 * start


def test_what_is_counted_is_what_it_costs() -> None:
    problem, graph, algorithm = classifier(), network(), optimizer()
    after(algorithm, problem, graph, 7)
    assert spent(problem, graph) == algorithm.total_cost(7, problem.shapes)


def test_a_regularizer_is_refused() -> None:
    problem = classifier(regularizer=L1(0.1))
    reason = optimizer().refusal(problem, network())
    assert reason is not None
    assert reason.endswith("expected no regularizer, got L1")
    assert optimizer().refusal(classifier(), network()) is None


@pytest.mark.parametrize("step", [1e-3, 10.0, -1.0])
def test_steps_have_bounds(step: float) -> None:
    with pytest.raises(InputError, match=r"a step lies between 0\.001 and 10 of the first parameters, got"):
        MatrixMiLoDoArchitecture().build().emit(step, 0.4, 0.9, 0.9)


@torch.no_grad()
def test_frozen_matrices_are_those_of_the_last_recomputation() -> None:
    recomputing = optimizer()
    frozen = dataclasses.replace(recomputing, schedule=RecomputeSchedule(warmup=3))
    problem, graph = classifier(), network()
    states = list(islice(run(frozen, problem, graph, problem.initial_point()), 7))
    for k in range(4):
        assert torch.equal(states[k].x, after(recomputing, problem, graph, k).x)
    before, state = states[5], states[6]
    assert state.memory is states[3].memory
    p, whitening = state.coefficients.preconditioner, state.memory.whitening
    direction = problem.gradient(before.extrapolated) + before.y
    torch.testing.assert_close(state.z, before.extrapolated - p * whitening.apply(direction))
    assert not torch.equal(state.x, before.x)
