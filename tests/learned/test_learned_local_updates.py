"""Learned local updates: what they promise at one node and over networks, whatever their kind."""

from typing import Any

import networkx as nx
import pytest
import torch
from torch import Tensor

from gnn_l2o.decentralized import Diffused, Tracked
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import L2ODMArchitecture, LocalUpdateArchitecture, RNNPropArchitecture
from gnn_l2o.problems import LeastSquares, Zero
from gnn_l2o.testing import check_learned_optimizer
from gnn_l2o.testing.learned import random_algorithm
from tests.learned.local_updates import ONE, RECURRENT, SCALES, quadratic, trajectory

EACH = pytest.mark.parametrize("architecture", RECURRENT.values(), ids=RECURRENT.keys())
EVERY = pytest.mark.parametrize("architecture", (RECURRENT | SCALES).values(), ids=(RECURRENT | SCALES).keys())


@EVERY
def test_at_one_node_both_wrappers_are_the_update_bit_for_bit(architecture: LocalUpdateArchitecture[Any]) -> None:
    algorithm, problem = random_algorithm(architecture), quadratic()
    update, x0 = algorithm.make_update(algorithm.weights), torch.zeros(1, 10).double()
    with torch.no_grad():
        x, memory = x0, update.init(x0, problem.shapes)
        for _ in range(10):
            delta, memory = update.delta(problem.local_gradient(x), x, memory)
            x = x + delta
    for wrapper in (Diffused, Tracked):
        assert torch.equal(trajectory(wrapper(update), problem, ONE, x0, 10)[-1], x)


@EACH
def test_coordinates_may_be_permuted_and_be_any_number(architecture: LocalUpdateArchitecture[Any]) -> None:
    algorithm = random_algorithm(architecture)
    update, generator = algorithm.make_update(algorithm.weights), torch.Generator().manual_seed(1)
    gradients = torch.randn(4, 1, 1000, generator=generator).double()
    order = torch.randperm(1000, generator=generator)

    def moves(rows: Tensor) -> Tensor:
        x = torch.zeros(1, rows.size(2)).double()
        memory = update.init(x, ((rows.size(2),),))
        with torch.no_grad():
            for g in rows:
                delta, memory = update.delta(g, x, memory)
        return delta

    torch.testing.assert_close(moves(gradients[..., order]), moves(gradients)[:, order])
    torch.testing.assert_close(moves(gradients[..., :10]), moves(gradients)[:, :10])


@EACH
def test_equal_losses_on_a_complete_graph_are_one_node(architecture: LocalUpdateArchitecture[Any]) -> None:
    algorithm, problem = random_algorithm(architecture), quadratic()
    many = LeastSquares.from_nodes(list(problem.features) * 5, list(problem.targets) * 5, Zero())
    network = Network.from_networkx(nx.complete_graph(5))
    alone = trajectory(algorithm, problem, ONE, torch.zeros(1, 10).double(), 15)[-1]
    torch.testing.assert_close(
        trajectory(algorithm, many, network, torch.zeros(5, 10).double(), 15)[-1], alone.expand(5, -1)
    )


@EVERY
def test_it_keeps_the_contract_of_learned_optimizers(architecture: LocalUpdateArchitecture[Any]) -> None:
    check_learned_optimizer(architecture)


def test_diffused_keeps_the_contract_too_and_costs_one_round() -> None:
    architecture = RNNPropArchitecture(wrapper="diffused")
    check_learned_optimizer(architecture)
    assert (random_algorithm(architecture).cost.rounds, random_algorithm(RNNPropArchitecture()).cost.rounds) == (1, 2)
    assert random_algorithm(architecture).dual is None


@pytest.mark.parametrize("kind", [L2ODMArchitecture, RNNPropArchitecture])
def test_only_the_variant_that_preserves_zero_stays_at_a_solution(kind: type[LocalUpdateArchitecture[Any]]) -> None:
    network = Network.from_networkx(nx.cycle_graph(4))
    problem = LeastSquares.from_nodes([torch.eye(3).double()] * 4, [torch.ones(3).double()] * 4, Zero())
    solution = torch.ones(4, 3).double()
    for zero_preserving in (False, True):
        algorithm = random_algorithm(kind(zero_preserving=zero_preserving))
        assert algorithm.make_update(algorithm.weights).preserves_zero == zero_preserving
        stays = torch.equal(trajectory(algorithm, problem, network, solution, 5)[-1], solution)
        assert stays == zero_preserving


@EACH
def test_the_gradient_is_a_constant_unless_second_derivatives_are_asked_for(
    architecture: LocalUpdateArchitecture[Any],
) -> None:
    for second in (False, True):
        algorithm = random_algorithm(type(architecture)(second_derivatives=second))
        update = algorithm.make_update(algorithm.weights)
        x = torch.zeros(1, 10, dtype=torch.float64, requires_grad=True)
        delta, _ = update.delta(quadratic().local_gradient(x), x, update.init(x.detach(), ((10,),)))
        (slope,) = torch.autograd.grad(delta.sum(), x, allow_unused=True, materialize_grads=True)
        assert bool((slope != 0).any()) == second


@EACH
def test_in_scaled_variables_it_is_the_optimizer_on_the_scaled_problem(
    architecture: LocalUpdateArchitecture[Any],
) -> None:
    algorithm, problem = random_algorithm(architecture), quadratic()
    scale = torch.linspace(-1, 1, 10).double().exp().unsqueeze(0)
    changed = LeastSquares.from_nodes(list(problem.features * scale), list(problem.targets), Zero())
    plain = trajectory(algorithm, changed, ONE, torch.zeros(1, 10).double(), 20)[-1]
    found = trajectory(algorithm.rescaled(scale), problem, ONE, torch.zeros(1, 10).double(), 20)[-1]
    torch.testing.assert_close(found, scale * plain)
