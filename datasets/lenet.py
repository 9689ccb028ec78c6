"""Small photographs: real data from files, or downloaded by scikit-learn."""

import dataclasses

from torch import nn

from gnn_l2o.data.image_sources import cifar10, digits_for_cifar10
from gnn_l2o.data.images import Half, shards
from gnn_l2o.graph.network import Network
from gnn_l2o.problems.convolutional_models import LeNet
from gnn_l2o.problems.neural import NeuralNetwork
from gnn_l2o.problems.neural_module import initialized

# Of red, green and blue in the training images, as in resnet.py.
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def sample(
    network: Network,
    *,
    seed: int,
    samples: int = 500,
    alpha: float | None = None,
    imbalance: float = 0.0,
    test_samples: int = 2000,
    half: Half | None = None,
    stand_in: bool = False,
) -> NeuralNetwork:
    r"""CIFAR-10 (real, 60,000 photographs): training LeNet-5 with sigmoids, 62,050 parameters, no regularizer.

    An optimizee of Open-L2O (Chen et al. 2022, JMLR 23, arXiv:2103.12828). f_i is the mean cross-entropy over node i's
    images, r = 0. Batch normalization takes the statistics of all images of a node. Channels are scaled as in resnet;
    all nodes start at the same random parameters.

    Args:
        network: whose nodes hold the data.
        seed: of the draws and of the initial parameters; different seeds draw different samples.
        samples: m, of a node on average.
        alpha: split by labels, see :func:`gnn_l2o.data.splits.split`.
        imbalance: of the nodes' sample counts, see :func:`gnn_l2o.data.splits.node_sizes`.
        test_samples: test images, drawn at random, on which accuracy is measured; no node ever holds one.
        half: of the training images, ``"first"`` or ``"second"``: one to train optimizers on, one to test them.
        stand_in: run on the small digits that come with scikit-learn instead of CIFAR-10, where that cannot be had.
    """
    data = shards(
        digits_for_cifar10 if stand_in else cifar10,
        network.num_nodes,
        seed=seed,
        samples=samples,
        test_samples=test_samples,
        alpha=alpha,
        imbalance=imbalance,
        mean=MEAN,
        deviation=DEVIATION,
        half=half,
    )
    problem = NeuralNetwork.from_nodes(initialized(LeNet, seed), nn.CrossEntropyLoss(), data.nodes, test=data.test)
    return dataclasses.replace(problem, source=data.source)
