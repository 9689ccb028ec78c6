"""Modules that normalize, whose parameters are frozen, and how accurate they are."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parameters_to_vector

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems import NeuralNetwork
from tests.problems.small_networks import Classifier, classifier, oracle, shards


class Normalized(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 3))


def test_every_node_normalizes_with_the_statistics_of_its_own_samples() -> None:
    module, data = Normalized(), shards((4, 8))  # the four padded with themselves have the same statistics
    before = copy.deepcopy(module.state_dict())
    problem = NeuralNetwork.from_nodes(module, F.cross_entropy, data)
    x = problem.initial_point() + 0.1 * torch.randn(2, problem.dim)
    loss, gradient = oracle(module, F.cross_entropy, data, x)
    torch.testing.assert_close(problem.loss(x), loss)
    torch.testing.assert_close(problem.gradient(x), gradient)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_running_statistics_are_those_of_all_nodes_samples() -> None:
    data = shards((6, 6))
    problem = NeuralNetwork.from_nodes(Normalized(), F.cross_entropy, data, test=shards((50,), seed=3)[0])
    x = problem.initial_point()[0] + 0.1
    trained = problem.model(x)
    assert not trained.training
    assert torch.equal(parameters_to_vector(trained.parameters()), x)
    hidden = trained[0](torch.cat([f for f, _ in data]))
    torch.testing.assert_close(trained[1].running_mean, hidden.mean(dim=0))
    torch.testing.assert_close(trained[1].running_var, hidden.var(dim=0))
    features, classes = problem.tests[0]
    share = sum(int(trained(f[None]).argmax() == c) for f, c in zip(features, classes, strict=True)) / 50
    assert problem.accuracy(x[None]).tolist() == pytest.approx([share])


def test_accuracies_of_problems_side_by_side() -> None:
    first = classifier(test=shards((20,), seed=3)[0])
    second = classifier((4, 4), test=shards((30,), seed=4)[0])
    batch = NeuralNetwork.concatenate([first.repeat(2), second]).repeat(2)
    x = torch.randn(6, first.dim)
    alone = [(first, first, second)[k % 3].accuracy(x[k : k + 1]) for k in range(6)]
    torch.testing.assert_close(batch.accuracy(x), torch.cat(alone))
    assert classifier().accuracy(x[:1]) is None


def test_samples_to_judge_by_are_of_all_parts_of_a_node() -> None:
    problem = classifier((100, 3, 40))
    rows = problem._spread_out(10)
    assert rows.count.flatten().tolist() == [10, 3, 10]
    assert torch.equal(rows.features[0], problem.features[0, ::10])
    assert torch.equal(rows.features[1, :3], problem.features[1, :3])
    assert torch.equal(rows.features[2], problem.features[2, :40:4])


def test_frozen_parameters_are_constants() -> None:
    module = Classifier()
    module[0].requires_grad_(False)
    problem = classifier(module=module)
    assert problem.dim == 12
    trained = problem.model(problem.initial_point()[0] + 1)
    assert torch.equal(trained[0].weight, module[0].weight)
    assert torch.equal(trained[2].bias, module[2].bias + 1)
    other = copy.deepcopy(module)
    other[0].weight.add_(1)
    with pytest.raises(InputError, match=r"the module\.0\.weight has other numbers"):
        NeuralNetwork.concatenate([problem, classifier(module=other)])
