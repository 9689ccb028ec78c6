"""Learned scalars: constant coefficients, linear in facts of the graph."""

import dataclasses
import math

import torch

from gnn_l2o.graph.exchange import NetworkExchange
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import ConstantCoefficients, LearnedScalarsArchitecture, MiLoDo
from gnn_l2o.nn.edge_preconditioner import bounded_edge_weights
from gnn_l2o.nn.features import curvature_ratio, shrinkage
from gnn_l2o.nn.stability import max_dual_step_size
from gnn_l2o.nn.step_size import bounded_step_size, limits_without_momentum
from gnn_l2o.problems.regularizers import L1
from tests.learned.runs import after
from tests.learned.small_baselines import IRREGULAR, least_squares


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
