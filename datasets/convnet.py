"""Digits or small photographs: real data from files, or downloaded by scikit-learn."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal

from torch import nn

from gnn_l2o.data.image_sources import cifar10, digits_for_cifar10, digits_for_mnist, mnist
from gnn_l2o.data.images import Half, shards
from gnn_l2o.graph.network import Network
from gnn_l2o.problems.convolutional_models import ConvNet
from gnn_l2o.problems.neural import NeuralNetwork
from gnn_l2o.problems.neural_module import initialized

# Mean and deviation of the channels of the training images, as in mlp.py and resnet.py.
SCALES = {
    "mnist": ((0.1307,), (0.3081,)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}
SOURCES = {"mnist": (mnist, digits_for_mnist), "cifar10": (cifar10, digits_for_cifar10)}
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mnist": ConvNet,
    "cifar10": functools.partial(ConvNet, channels=3, size=32, stride=2),
}


def sample(
    network: Network,
    *,
    seed: int,
    images: Literal["mnist", "cifar10"] = "mnist",
    samples: int = 500,
    alpha: float | None = None,
    imbalance: float = 0.0,
    test_samples: int = 2000,
    half: Half | None = None,
    stand_in: bool = False,
) -> NeuralNetwork:
    r"""MNIST or CIFAR-10 (real): training a network of two convolutions, 18,218 or 13,706 parameters, no regularizer.

    The ConvNet of Open-L2O (Chen et al. 2022, JMLR 23, arXiv:2103.12828), without a ReLU on its outputs. f_i is the
    mean cross-entropy over node i's images, r = 0. Batch normalization takes the statistics of all images of a node.
    Pixels are scaled as in mlp and resnet; all nodes start at the same random parameters.

    Args:
        network: whose nodes hold the data.
        seed: of the draws and of the initial parameters; different seeds draw different samples.
        images: digits of MNIST, or photographs of CIFAR-10, on which convolutions have stride 2.
        samples: m, of a node on average.
        alpha: split by labels, see :func:`gnn_l2o.data.splits.split`.
        imbalance: of the nodes' sample counts, see :func:`gnn_l2o.data.splits.node_sizes`.
        test_samples: test images, drawn at random, on which accuracy is measured; no node ever holds one.
        half: of the training images, ``"first"`` or ``"second"``: one to train optimizers on, one to test them.
        stand_in: run on the small digits that come with scikit-learn instead, where the images cannot be had.
    """
    source, substitute = SOURCES[images]
    mean, deviation = SCALES[images]
    data = shards(
        substitute if stand_in else source,
        network.num_nodes,
        seed=seed,
        samples=samples,
        test_samples=test_samples,
        alpha=alpha,
        imbalance=imbalance,
        mean=mean,
        deviation=deviation,
        half=half,
    )
    module = initialized(NETWORKS[images], seed)
    problem = NeuralNetwork.from_nodes(module, nn.CrossEntropyLoss(), data.nodes, test=data.test)
    return dataclasses.replace(problem, source=data.source)
