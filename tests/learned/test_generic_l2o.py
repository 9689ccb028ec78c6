"""Generic L2O against its equation."""

import math

import torch
from torch import Tensor

from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import GenericL2OArchitecture
from gnn_l2o.problems.regularizers import L1, Zero
from tests.learned.runs import after
from tests.learned.small_baselines import IRREGULAR, built, least_squares


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
