"""Photographs and LeNet: real data from files, or downloaded by scikit-learn."""

from gnn_l2o.data.image_problem import image_classification
from gnn_l2o.data.images import Half
from gnn_l2o.graph.network import Network
from gnn_l2o.problems.neural import NeuralNetwork
from gnn_l2o.problems.open_l2o_models import LeNet, draw_small


def sample(
    network: Network,
    *,
    seed: int,
    samples: int = 1000,
    alpha: float | None = None,
    imbalance: float = 0.0,
    test_samples: int = 2000,
    half: Half | None = None,
    deviation: float = 0.01,
    stand_in: bool = False,
) -> NeuralNetwork:
    r"""CIFAR-10 (real): training LeNet with sigmoids, 62,006 parameters and those of normalization, no regularizer.

    f_i is the mean cross-entropy over node i's images, r = 0. The network is :class:`.LeNet`, an optimizee of Open-L2O
    (Chen et al. 2022, arXiv:2103.12828). Batch normalization takes at least two images of a node.

    Args:
        network: whose nodes hold the data.
        seed: of the draws and of the initial parameters; different seeds draw different samples.
        samples: m, of a node on average.
        alpha: split by labels, see :func:`gnn_l2o.data.splits.split`.
        imbalance: of the nodes' sample counts, see :func:`gnn_l2o.data.splits.node_sizes`.
        test_samples: test images, drawn at random, on which accuracy is measured; no node ever holds one.
        half: of the training images, ``"first"`` or ``"second"``: one to train optimizers on, one to test them.
        deviation: standard deviation of the initial weights; biases start at 0.
        stand_in: run on the small digits that come with scikit-learn instead, where the images cannot be had; see
            :func:`gnn_l2o.data.image_sources.digits_for_cifar10`.
    """
    return image_classification(
        "cifar10",
        lambda shape: draw_small(LeNet(shape[0]), deviation),
        network,
        seed=seed,
        samples=samples,
        alpha=alpha,
        imbalance=imbalance,
        test_samples=test_samples,
        half=half,
        stand_in=stand_in,
    )
