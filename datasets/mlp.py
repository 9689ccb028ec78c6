"""Handwritten digits: real data from files, or downloaded by scikit-learn."""

import math

from torch import nn

from gnn_l2o._utils.memory import require_memory
from gnn_l2o.data.image_problem import image_classification
from gnn_l2o.data.images import Half
from gnn_l2o.data.splits import require_at_least
from gnn_l2o.graph.network import Network
from gnn_l2o.problems.neural import NeuralNetwork
from gnn_l2o.problems.neural_models import MLP, Activation
from gnn_l2o.problems.open_l2o_models import draw_small


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
    layers: int = 2,
    activation: Activation = "relu",
    deviation: float | None = None,
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
        width: of the hidden layers. With shrink=4 there are 1,242 parameters.
        layers: how many are hidden. Open-L2O trains optimizers with width=20, layers=1 and activation="sigmoid" (15,910
            parameters), and tests them with activation="relu" or layers=2 (16,330), all with deviation=0.01.
        activation: between the layers, ``"relu"`` or ``"sigmoid"``.
        deviation: standard deviation of the initial weights, with biases 0; by default both are drawn as torch does.
        stand_in: run on the small digits that come with scikit-learn instead of MNIST, where that cannot be had; see
            :func:`gnn_l2o.data.image_sources.digits_for_mnist`.
    """
    require_at_least(1, width=width, layers=layers)
    # The point of a node and its gradient, in double precision.
    require_memory(f"width={width}", 2 * 8 * network.num_nodes * layers * width**2)

    def make_module(shape: tuple[int, ...]) -> nn.Module:
        module = MLP((math.prod(shape), *[width] * layers, 10), activation)
        return module if deviation is None else draw_small(module, deviation)

    return image_classification(
        "mnist",
        make_module,
        network,
        seed=seed,
        samples=samples,
        alpha=alpha,
        imbalance=imbalance,
        test_samples=test_samples,
        half=half,
        stand_in=stand_in,
        shrink=shrink,
    )
