"""Small neural networks and their samples."""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems import NeuralNetwork

SIZES = (5, 3, 7)
CLASSES = 5  # of linear_layer


class Small(nn.Sequential):
    """4 coordinates to 3 classes, 31 parameters."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 4, bias=False), nn.Linear(4, 1))


class Classifier(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3))


def shards(sizes: tuple[int, ...] = SIZES, *, classes: bool = True, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    random = torch.Generator().manual_seed(seed)
    features = [torch.randn(m, 4, generator=random) for m in sizes]
    return [(f, torch.randint(3, (len(f),), generator=random) if classes else f[:, :1].sin()) for f in features]


def classifier(sizes: tuple[int, ...] = SIZES, *, seed: int = 0, **kwargs: Any) -> NeuralNetwork:
    torch.manual_seed(seed)
    module = kwargs.pop("module", None) or Classifier()
    return NeuralNetwork.from_nodes(module, F.cross_entropy, shards(sizes, seed=seed), **kwargs)


def oracle(module: nn.Module, loss: Any, data: list[tuple[Tensor, Tensor]], x: Tensor) -> tuple[Tensor, Tensor]:
    """Losses and gradients by a loop over nodes, each with a copy of the module."""
    losses, gradients = [], []
    for (features, targets), row in zip(data, x, strict=True):
        own = copy.deepcopy(module).train()
        vector_to_parameters(row, own.parameters())
        value = loss(own(features), targets)
        losses.append(value.detach())
        gradients.append(parameters_to_vector(torch.autograd.grad(value, list(own.parameters()))))
    return torch.stack(losses).unsqueeze(1), torch.stack(gradients)


def joined(first: NeuralNetwork, second: NeuralNetwork) -> NeuralNetwork | None:
    try:
        return NeuralNetwork.concatenate([first, second])
    except InputError:
        return None


def linear_layer(real: bool = False) -> NeuralNetwork:
    """One layer at three nodes; its targets are classes or real numbers."""
    samples = [(torch.randn(12, 3), torch.randn(12, 1) if real else torch.arange(12) % CLASSES) for _ in range(3)]
    return NeuralNetwork.from_nodes(
        nn.Linear(3, 1 if real else CLASSES), F.mse_loss if real else F.cross_entropy, samples
    )
