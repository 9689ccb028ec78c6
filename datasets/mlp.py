"""Handwritten digits: real data from files, or downloaded by scikit-learn."""

import dataclasses
import functools

from torch import nn

from gnn_l2o._utils.memory import require_memory
from gnn_l2o.data.image_sources import digits_for_mnist, mnist
from gnn_l2o.data.images import Half, shards
from gnn_l2o.data.splits import require_at_least
from gnn_l2o.graph.network import Network
from gnn_l2o.problems.neural import NeuralNetwork
from gnn_l2o.problems.neural_models import MLP
from gnn_l2o.problems.neural_module import initialized

MEAN, DEVIATION = (0.1307,), (0.3081,)  # of the training images


def sample(
    network: Network,
    *,
    seed: int,
    samples: int = 1000,
    alpha: float | None = None,
    imbalance: float = 0.0,
    test_samples: int = 2000,
    half: Half | None = None,
    shrink: int = 1,
    width: int = 16,
    stand_in: bool = False,
) -> NeuralNetwork:
    r"""MNIST (real, 70,000 images of digits): training a network 784-16-16-10, 13,002 parameters, no regularizer.

    f_i is the mean cross-entropy over node i's images, r = 0. He et al. 2024, E.2, have MLP(10, 13002, 1000, 0) and
    train optimizers on it; m is 5000 where they show them (Fig. 6). Pixels are scaled to mean 0 and deviation 1 over
    all training images; all nodes start at the same random parameters. :func:`gnn_l2o.data.image_sources.mnist` says
    where the images are from.

    Args:
        network: whose nodes hold the data.
        seed: of the draws and of the initial parameters; different seeds draw different samples.
        samples: m, of a node on average.
        alpha: split by labels, see :func:`gnn_l2o.data.splits.split`.
        imbalance: of the nodes' sample counts, see :func:`gnn_l2o.data.splits.node_sizes`.
        test_samples: test images, drawn at random, on which accuracy is measured; no node ever holds one.
        half: of the training images, ``"first"`` or ``"second"``: one to train optimizers on, one to test them.
        shrink: width and height of the squares of pixels that are averaged to one: 1, 2, 4, 7 or 14.
        width: of both hidden layers. With shrink=4 there are 1,242 parameters.
        stand_in: run on the small digits that come with scikit-learn instead of MNIST, where that cannot be had; see
            :func:`gnn_l2o.data.image_sources.digits_for_mnist`.
    """
    require_at_least(1, width=width)
    # The point of a node and its gradient, in double precision.
    require_memory(f"width={width}", 2 * 8 * network.num_nodes * width**2)
    data = shards(
        digits_for_mnist if stand_in else mnist,
        network.num_nodes,
        seed=seed,
        samples=samples,
        test_samples=test_samples,
        alpha=alpha,
        imbalance=imbalance,
        mean=MEAN,
        deviation=DEVIATION,
        half=half,
        shrink=shrink,
    )
    widths = (data.test[0][0].size, width, width, 10)
    module = initialized(functools.partial(MLP, widths), seed)
    problem = NeuralNetwork.from_nodes(module, nn.CrossEntropyLoss(), data.nodes, test=data.test)
    return dataclasses.replace(problem, source=data.source)
