"""Training a neural network on images, as a problem over a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn

from gnn_l2o.data.image_sources import cifar10, digits_for_cifar10, digits_for_mnist, mnist
from gnn_l2o.data.images import Half, Images, shards
from gnn_l2o.graph.network import Network
from gnn_l2o.problems.neural import NeuralNetwork
from gnn_l2o.problems.neural_module import initialized

ImageSet = Literal["mnist", "cifar10"]


@dataclass(frozen=True)
class _Set:
    load: Callable[[bool], Images]
    stand_in: Callable[[bool], Images]
    mean: tuple[float, ...]  # of each channel over the training images, where 1 is white
    deviation: tuple[float, ...]


SETS: Mapping[str, _Set] = {
    "mnist": _Set(mnist, digits_for_mnist, (0.1307,), (0.3081,)),
    "cifar10": _Set(cifar10, digits_for_cifar10, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}


def image_classification(
    images: ImageSet,
    make_module: Callable[[tuple[int, ...]], nn.Module],
    network: Network,
    *,
    seed: int,
    samples: int,
    alpha: float | None,
    imbalance: float,
    test_samples: int,
    half: Half | None,
    stand_in: bool,
    shrink: int = 1,
) -> NeuralNetwork:
    """Return the problem of training a network on images by the mean cross-entropy, with no regularizer.

    Channels are scaled to mean 0 and deviation 1 over all training images; all nodes start at the same random
    parameters.

    Args:
        images: which.
        make_module: makes the network for images of this shape, ``(channels, height, width)``.
        network: whose nodes hold the data.
        seed: of the draws and of the initial parameters.
        samples, alpha, imbalance, test_samples, half, shrink: see :func:`~gnn_l2o.data.images.shards`.
        stand_in: whether to take the small digits that come with scikit-learn instead.
    """
    chosen = SETS[images]
    data = shards(
        chosen.stand_in if stand_in else chosen.load,
        network.num_nodes,
        seed=seed,
        samples=samples,
        test_samples=test_samples,
        alpha=alpha,
        imbalance=imbalance,
        mean=chosen.mean,
        deviation=chosen.deviation,
        half=half,
        shrink=shrink,
    )
    shape = data.test[0].shape[1:]
    module = initialized(lambda: make_module(shape), seed)
    problem = NeuralNetwork.from_nodes(module, nn.CrossEntropyLoss(), data.nodes, test=data.test)
    return dataclasses.replace(problem, source=data.source)
