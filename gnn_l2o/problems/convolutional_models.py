"""Small convolutional networks, the optimizees of Open-L2O (Chen et al. 2022, arXiv:2103.12828)."""

from __future__ import annotations

from torch import nn


class ConvNet(nn.Sequential):
    """Two convolutions with batch normalization, ReLU and pooling, and a linear layer.

    For digits of 28 x 28 it has 18,218 parameters; for photographs of 32 x 32, with 3 channels and stride 2, 13,706.

    Args:
        channels: of the images.
        size: their height and width.
        stride: of both convolutions.
        classes: how many.

    Shape:
        ``(samples, channels, size, size)`` to ``(samples, classes)``.
    """

    def __init__(self, channels: int = 1, size: int = 28, stride: int = 1, classes: int = 10) -> None:
        layers = (*_layer(channels, 16, 3, stride), *_layer(16, 32, 5, stride))
        for width in (3, 5):
            size = ((size - width) // stride + 1) // 2
        super().__init__(*layers, nn.Flatten(), nn.Linear(32 * size**2, classes))


class LeNet(nn.Sequential):
    """LeNet-5 (LeCun et al. 1998) for photographs of 32 x 32, with sigmoids and batch normalization: 62,050 parameters.

    Args:
        channels: of the images.
        classes: how many.

    Shape:
        ``(samples, channels, 32, 32)`` to ``(samples, classes)``.
    """

    def __init__(self, channels: int = 3, classes: int = 10) -> None:
        super().__init__(
            *_layer(channels, 6, 5, activation=nn.Sigmoid()),
            *_layer(6, 16, 5, activation=nn.Sigmoid()),
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120),
            nn.Sigmoid(),
            nn.Linear(120, 84),
            nn.Sigmoid(),
            nn.Linear(84, classes),
        )


def _layer(
    inputs: int, outputs: int, width: int, stride: int = 1, activation: nn.Module | None = None
) -> tuple[nn.Module, ...]:
    """Return a convolution, its normalization and activation, ReLU by default, and pooling."""
    convolution = nn.Conv2d(inputs, outputs, width, stride)
    return convolution, nn.BatchNorm2d(outputs), activation or nn.ReLU(), nn.MaxPool2d(2)
