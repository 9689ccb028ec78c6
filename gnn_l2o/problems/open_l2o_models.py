"""The neural networks that Open-L2O has optimizers train (Chen et al. 2022, JMLR 23(189), arXiv:2103.12828).

Its code passes the logits of all convolutional networks but LeNet through a ReLU, by which classes whose logit is
negative have no gradient. Here logits are what the last layer gives.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError

CLASSES = 10


def draw_small(module: nn.Module, deviation: float) -> nn.Module:
    r"""Draw the weights of all linear and convolutional layers from :math:`N(0, \sigma^2)`; biases are 0.

    Open-L2O has :math:`\sigma = 0.01`, with which all logits are nearly 0 at the start and the loss is nearly ln 10.

    Args:
        module: is changed, and returned.
        deviation: sigma, at least 0.

    Raises:
        InputError: sigma is negative or not finite.
    """
    if not 0 <= deviation < math.inf:
        raise InputError(f"deviation is at least 0, got {deviation}")
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            nn.init.normal_(part.weight, std=deviation)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    return module


class ConvNet(nn.Sequential):
    """Two convolutions, 3 x 3 to 16 channels and 5 x 5 to 32, each with batch normalization, ReLU and max pooling.

    A linear layer follows. On grey images of 28 x 28 pixels with stride 1 there are 18,218 parameters; on photographs
    of 32 x 32 with stride 2 13,706.

    Args:
        shape: of an image, ``(channels, height, width)``.
        stride: of the convolutions.

    Raises:
        InputError: the images are too small for these layers.

    Shape:
        ``(samples, channels, height, width)`` to ``(samples, 10)``.
    """

    def __init__(self, shape: tuple[int, ...] = (1, 28, 28), stride: int = 1) -> None:
        channels, *pixels = shape
        sizes = [_pooled(_pooled(size, 3, stride), 5, stride) for size in pixels]
        if min(sizes) < 1:
            raise InputError(f"images of {pixels[0]} x {pixels[1]} pixels are too small for a stride of {stride}")
        super().__init__(
            *(nn.Conv2d(channels, 16, 3, stride), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 5, stride), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(32 * math.prod(sizes), CLASSES)),
        )


class LeNet(nn.Sequential):
    """LeNet-5 (LeCun et al. 1998) for photographs of 32 x 32: 6, 16 channels, 120, 84 features, sigmoids, max pooling.

    Batch normalization precedes every sigmoid, as in Open-L2O. There are 62,006 parameters and 452 of the
    normalization, scales and shifts, of which Open-L2O has the shifts only.

    Args:
        channels: of the images.

    Shape:
        ``(samples, channels, 32, 32)`` to ``(samples, 10)``.
    """

    def __init__(self, channels: int = 3) -> None:
        super().__init__(
            *(nn.Conv2d(channels, 6, 5), nn.BatchNorm2d(6), nn.Sigmoid(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.BatchNorm2d(16), nn.Sigmoid(), nn.MaxPool2d(2)),
            nn.Flatten(),
            *(nn.Linear(16 * 5 * 5, 120), nn.BatchNorm1d(120), nn.Sigmoid()),
            *(nn.Linear(120, 84), nn.BatchNorm1d(84), nn.Sigmoid()),
            nn.Linear(84, CLASSES),
        )


class NASCell(nn.Module):
    r"""A block of four nodes, as found by neural architecture search: 16 channels, mean pooling, 7,706 parameters.

    .. math::
        h_0 = c_0(a), \quad h_1 = c_1(h_0), \quad h_2 = \mathrm{pool}(h_1) + c_2(h_0), \quad h_3 = h_2 + c_3(h_1) + h_0

    with :math:`c_k` a convolution of 3 x 3 with batch normalization and ReLU, and pool the mean over 3 x 3 pixels of
    which those outside the image count as none. The means of :math:`h_3` over all pixels enter a linear layer.

    Args:
        channels: of the images.
        width: channels of the block.

    Shape:
        ``(samples, channels, height, width)`` to ``(samples, 10)``.
    """

    def __init__(self, channels: int = 3, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_layer(inputs, width) for inputs in (channels, width, width, width))
        self.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        first, second, skip, last = self.layers
        h0 = first(images)
        h1 = second(h0)
        h2 = self.pool(h1) + skip(h0)
        h3 = h2 + last(h1) + h0
        return self.head(h3.mean(dim=(2, 3)))


def _layer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())


def _pooled(size: int, kernel: int, stride: int) -> int:
    """Return how many pixels are left of a side after a convolution and max pooling by two."""
    return ((size - kernel) // stride + 1) // 2
