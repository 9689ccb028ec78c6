"""The neural networks of He et al. 2024; any other ``torch.nn.Module`` can be used as well."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Normalization = Literal["batch", "group"]
Activation = Literal["relu", "sigmoid"]


class MLP(nn.Sequential):
    """Fully connected layers with ReLU between; by default 784-16-16-10, 13,002 parameters (He et al. 2024, E.2).

    Args:
        widths: of the input, of every hidden layer and of the output.
        activation: between the layers, ``"relu"`` or ``"sigmoid"``.

    Shape:
        ``(samples, ...)``, each of ``widths[0]`` numbers, to ``(samples, widths[-1])``.
    """

    def __init__(self, widths: Sequence[int] = (784, 16, 16, 10), activation: Activation = "relu") -> None:
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in itertools.pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU() if activation == "relu" else nn.Sigmoid()]
        super().__init__(*layers[:-1])


class ResNet(nn.Module):
    """The residual network for images of 32 x 32 of He, Zhang, Ren, Sun 2016 (CVPR, 4.2), with projection shortcuts.

    By default that of 8 layers, n = 1 in their 6n + 2, which has the 78,042 parameters of He et al. 2024, E.2.

    Args:
        widths: channels of every stage; each but the first halves height and width.
        blocks: residual blocks of a stage, n.
        channels: of the images.
        classes: how many.
        normalization: ``"batch"`` as in the paper, or ``"group"`` (Wu, He 2018, groups of 8 channels), which has the
            same parameters and normalizes every sample separately, so that losses are means over samples.

    Shape:
        ``(samples, channels, height, width)`` to ``(samples, classes)``.
    """

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 64),
        blocks: int = 1,
        channels: int = 3,
        classes: int = 10,
        normalization: Normalization = "batch",
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(_convolution(channels, widths[0]), _normalization(widths[0], normalization))
        stages, inputs = [], widths[0]
        for stage, outputs in enumerate(widths):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                stages.append(_Block(inputs, outputs, stride, normalization))
                inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(inputs, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.stages(F.relu(self.stem(images))).mean(dim=(2, 3)))


class _Block(nn.Module):
    """Two convolutions and a shortcut around them, a projection where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, normalization: Normalization) -> None:
        super().__init__()
        self.first = nn.Sequential(_convolution(inputs, outputs, stride), _normalization(outputs, normalization))
        self.second = nn.Sequential(_convolution(outputs, outputs), _normalization(outputs, normalization))
        self.shortcut = nn.Sequential()
        if inputs != outputs or stride > 1:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, _normalization(outputs, normalization))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


def _normalization(channels: int, kind: Normalization) -> nn.Module:
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.GroupNorm(channels // 8, channels)
