"""When MiLoDo recomputes coefficients, and the step sizes between."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.exchange import NetworkExchange
from gnn_l2o.learned import ConstantCoefficients, MiLoDo, RecomputeSchedule
from gnn_l2o.learned.schedule import chebyshev_step_factors
from gnn_l2o.nn.stability import max_dual_step_size, min_dual_step_size
from gnn_l2o.problems.regularizers import L1
from tests.learned.random_milodo import ARCHITECTURES, least_squares, network_of, random_optimizer
from tests.learned.runs import after


def test_the_recompute_schedule():
    assert [k for k in range(12) if RecomputeSchedule(warmup=3, every=4).due(k)] == [0, 1, 2, 3, 7, 11]
    assert [k for k in range(12) if RecomputeSchedule(warmup=2, every=0).due(k)] == [0, 1]


@pytest.mark.parametrize("length", [2, 3, 5])
def test_a_schedule_of_step_sizes_is_chebyshevs_polynomial(length):
    factors, smallest = chebyshev_step_factors(length), 0.1
    curvatures = np.linspace(0, 2, 201)  # times c
    left = np.prod([1 - factor * curvatures for factor in factors], axis=0)
    polynomial = np.polynomial.Chebyshev.basis(length, domain=[2 * smallest, 2])
    np.testing.assert_allclose(left, polynomial(curvatures) / polynomial(0.0), atol=1e-12)
    assert chebyshev_step_factors(1) == (1.0,)


def test_frozen_step_sizes_follow_the_schedule_and_dual_step_sizes_allow_for_the_largest():
    network, factors = network_of("ring"), (0.5, 2.0, 1.0)
    problem = least_squares(network.num_nodes, L1(0.05))
    frozen = MiLoDo(ConstantCoefficients(0.2, 0.1, 0.9), RecomputeSchedule(warmup=1), step_factors=factors)
    state = frozen.init(problem, network, torch.zeros(8, 4))
    x, y = torch.zeros(8, 4), torch.zeros(8, 4)
    for k in range(8):
        state = frozen.step(problem, network, state)
        step = 0.2 * state.bounds.max_step_size * (1.0 if k == 0 else factors[k % 3])
        z = problem.prox(x - step * (problem.gradient(x) + y), step)
        x, y = z.clone(), y.clone()
        for link, (i, j) in enumerate(network.link_index.t().tolist()):
            for end, other in ((i, j), (j, i)):
                x[end] -= state.coefficients.mixing_weight[link] * (z[end] - z[other])
                y[end] += state.coefficients.dual_step_size[link] * (z[end] - z[other])
        torch.testing.assert_close(state.x, x)
    alike = replace(state.bounds, max_step_factor=1.0)
    coefficients = state.coefficients
    (step_size,) = NetworkExchange(network).neighbours(numbers=coefficients.preconditioner)
    torch.testing.assert_close(
        2 * max_dual_step_size(state.bounds, step_size, coefficients.mixing_weight),
        max_dual_step_size(alike, step_size, coefficients.mixing_weight),
    )
    torch.testing.assert_close(2 * min_dual_step_size(state.bounds, step_size), min_dual_step_size(alike, step_size))


def test_frozen_coefficients_and_memory_stay_and_recomputed_ones_do_not():
    network = network_of("ring")
    problem = least_squares(network.num_nodes, L1(0.05))
    algorithm = random_optimizer(ARCHITECTURES[0])
    x0 = torch.zeros(problem.num_nodes, problem.dim)
    states = [s for _, s in zip(range(12), run(algorithm, problem, network, x0), strict=False)]
    assert not torch.equal(states[7].coefficients.preconditioner, states[8].coefficients.preconditioner)
    assert states[8].coefficients.preconditioner is states[10].coefficients.preconditioner
    # The tenth iteration checks whether they are too large.
    assert (states[11].coefficients.preconditioner <= states[10].coefficients.preconditioner).all()
    assert states[8].coefficients.dual_step_size is states[11].coefficients.dual_step_size
    assert states[8].memory is states[11].memory


def test_a_step_changes_no_state_it_was_given():
    network = network_of("ring")
    problem = least_squares(network.num_nodes, L1(0.05))
    algorithm = random_optimizer(ARCHITECTURES[1])
    state = after(algorithm, problem, network, 2)
    copied = copy.deepcopy(state)
    with torch.no_grad():
        first, second = (algorithm.step(problem, network, state) for _ in range(2))
    torch.testing.assert_close(vars(state)["x"], copied.x, rtol=0, atol=0)
    torch.testing.assert_close(state.memory.node.lstm, copied.memory.node.lstm, rtol=0, atol=0)
    torch.testing.assert_close(first.x, second.x, rtol=0, atol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_gradient_of_an_unrolled_run_is_right(architecture):
    network = network_of("ring", 3)
    problem = least_squares(3, L1(0.01), dim=2)
    algorithm = random_optimizer(architecture)
    weight = next(p for n, p in algorithm.source.named_parameters() if n.endswith("node.lstm.inner.weight"))
    # From the second step on the scale-free steps follow the secant curvature, which is measured, not differentiated.
    steps = 3 if architecture.parametrization == "paper" else 1

    def final(value: Tensor) -> Tensor:
        changed = {"node.lstm.inner.weight": value}
        with nn.utils.stateless._reparametrize_module(algorithm.source, changed):
            state = algorithm.init(problem, network, torch.ones(3, 2))
            for _ in range(steps):
                state = algorithm.step(problem, network, state)
            return state.x

    assert torch.autograd.gradcheck(final, weight.detach().clone().requires_grad_())
