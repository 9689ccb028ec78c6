"""Images and the convolutional network of Open-L2O: real data from files, or downloaded by scikit-learn."""

from gnn_l2o.data.image_problem import ImageSet, image_classification
from gnn_l2o.data.images import Half
from gnn_l2o.graph.network import Network
from gnn_l2o.problems.neural import NeuralNetwork
from gnn_l2o.problems.open_l2o_models import ConvNet, draw_small


def sample(
    network: Network,
    *,
    seed: int,
    images: ImageSet = "mnist",
    samples: int = 1000,
    alpha: float | None = None,
    imbalance: float = 0.0,
    test_samples: int = 2000,
    half: Half | None = None,
    deviation: float = 0.01,
    stand_in: bool = False,
) -> NeuralNetwork:
    r"""MNIST or CIFAR-10 (real): training a small convolutional network, 18,218 or 13,706 parameters, no regularizer.

    f_i is the mean cross-entropy over node i's images, r = 0. The network is :class:`.ConvNet`, an optimizee of
    Open-L2O (Chen et al. 2022, arXiv:2103.12828), with stride 1 on MNIST and 2 on CIFAR-10.

    Args:
        network: whose nodes hold the data.
        images: ``"mnist"`` or ``"cifar10"``.
        seed: of the draws and of the initial parameters; different seeds draw different samples.
        samples: m, of a node on average.
        alpha: split by labels, see :func:`gnn_l2o.data.splits.split`.
        imbalance: of the nodes' sample counts, see :func:`gnn_l2o.data.splits.node_sizes`.
        test_samples: test images, drawn at random, on which accuracy is measured; no node ever holds one.
        half: of the training images, ``"first"`` or ``"second"``: one to train optimizers on, one to test them.
        deviation: standard deviation of the initial weights; biases start at 0.
        stand_in: run on the small digits that come with scikit-learn instead, where the images cannot be had; see
            :func:`gnn_l2o.data.image_sources.digits_for_mnist`.
    """
    return image_classification(
        images,
        lambda shape: draw_small(ConvNet(shape, 1 if images == "mnist" else 2), deviation),
        network,
        seed=seed,
        samples=samples,
        alpha=alpha,
        imbalance=imbalance,
        test_samples=test_samples,
        half=half,
        stand_in=stand_in,
    )
