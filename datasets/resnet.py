"""Small photographs: real data from files, or downloaded by scikit-learn."""

from gnn_l2o.data.image_problem import image_classification
from gnn_l2o.data.images import Half
from gnn_l2o.graph.network import Network
from gnn_l2o.problems.neural import NeuralNetwork
from gnn_l2o.problems.neural_models import Normalization, ResNet


def sample(
    network: Network,
    *,
    seed: int,
    samples: int = 500,
    alpha: float | None = None,
    imbalance: float = 0.0,
    test_samples: int = 2000,
    half: Half | None = None,
    normalization: Normalization = "batch",
    stand_in: bool = False,
) -> NeuralNetwork:
    r"""CIFAR-10 (real, 60,000 photographs): training a residual network, 78,042 parameters, no regularizer.

    f_i is the mean cross-entropy over node i's images, r = 0. He et al. 2024, E.2, have ResNet(5, 78042, 500, 0) and
    train optimizers on it; m is 5000 where they show them (Fig. 7). Channels are scaled to mean 0 and deviation 1 over
    all training images; all nodes start at the same random parameters. :func:`.cifar10` says where the images
    are from.

    Args:
        network: whose nodes hold the data.
        seed: of the draws and of the initial parameters; different seeds draw different samples.
        samples: m, of a node on average.
        alpha: split by labels, see :func:`gnn_l2o.data.splits.split`.
        imbalance: of the nodes' sample counts, see :func:`gnn_l2o.data.splits.node_sizes`.
        test_samples: test images, drawn at random, on which accuracy is measured; no node ever holds one.
        half: of the training images, ``"first"`` or ``"second"``: one to train optimizers on, one to test them.
        normalization: ``"batch"`` as in the paper, or ``"group"``, with which the loss of a sample depends on no other.
        stand_in: run on the small digits that come with scikit-learn instead of CIFAR-10, where that cannot be had; see
            :func:`gnn_l2o.data.image_sources.digits_for_cifar10`.
    """
    return image_classification(
        "cifar10",
        lambda shape: ResNet(normalization=normalization),
        network,
        seed=seed,
        samples=samples,
        alpha=alpha,
        imbalance=imbalance,
        test_samples=test_samples,
        half=half,
        stand_in=stand_in,
    )
