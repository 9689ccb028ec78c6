"""LPG-EXTRA against PG-EXTRA and against what its authors do."""

import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import PGExtra
from gnn_l2o.learned import LPGExtraArchitecture
from gnn_l2o.problems.regularizers import L1, Box, Regularizer
from tests.learned.runs import after
from tests.learned.small_baselines import IRREGULAR, built, least_squares


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
