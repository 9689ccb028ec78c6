"""Sets of images with labels, and splitting them over nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from gnn_l2o._utils.errors import InputError
from gnn_l2o.data.splits import node_sizes, require_at_least, split

Half = Literal["first", "second"]


@dataclass(frozen=True, eq=False)
class Images:
    """Images of several classes; the arrays are read-only, since they are shared.

    Attributes:
        images: ``(n, height, width)`` grey or ``(n, height, width, 3)`` red, green, blue; uint8.
        labels: ``(n,)``, the class of every image, int64.
        source: their origin, in words.
        stand_in: whether they are used in place of others.
    """

    images: np.ndarray
    labels: np.ndarray
    source: str
    stand_in: bool = False

    def __post_init__(self) -> None:
        for array in (self.images, self.labels):
            array.setflags(write=False)

    def samples(
        self, rows: np.ndarray, mean: Sequence[float], deviation: Sequence[float], shrink: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return some images as input of a network, and their labels: ``(k, channels, height, width)`` and ``(k,)``.

        Args:
            rows: ``(k,)``, the numbers of the images.
            mean: of each channel, where 0 is black and 1 is white; it is subtracted.
            deviation: of each channel, likewise; the rest is divided by it.
            shrink: width and height of the squares of pixels that are averaged to one.

        Raises:
            InputError: images cannot be divided into such squares.
        """
        height, width = self.images.shape[1:3]
        if shrink < 1 or height % shrink or width % shrink:
            raise InputError(f"shrink must divide {height} and {width}, the pixels of an image, got {shrink}")
        chosen = self.images[rows].reshape(len(rows), height // shrink, shrink, width // shrink, shrink, -1)
        chosen = chosen.mean(axis=(2, 4), dtype=np.float32) / np.float32(255)
        scaled = (chosen - np.array(mean, np.float32)) / np.array(deviation, np.float32)
        return np.ascontiguousarray(np.moveaxis(scaled, 3, 1)), self.labels[rows]


class Shards(NamedTuple):
    """Images split over nodes.

    Attributes:
        nodes: of every node its images and labels, as input of networks.
        test: the same of test images, none of which a node holds.
        source: the origin of all, in words.
    """

    nodes: list[tuple[np.ndarray, np.ndarray]]
    test: tuple[np.ndarray, np.ndarray]
    source: str


def shards(
    load: Callable[[bool], Images],
    nodes: int,
    *,
    seed: int,
    samples: int,
    test_samples: int,
    alpha: float | None,
    imbalance: float,
    mean: Sequence[float],
    deviation: Sequence[float],
    half: Half | None = None,
    shrink: int = 1,
) -> Shards:
    """Draw images for every node, and test images.

    Args:
        load: returns the training images if its argument is true, otherwise the test images:
            :func:`~gnn_l2o.data.image_sources.mnist` or another function of its file.
        nodes: N.
        seed: of the draws.
        samples: of a node on average; fewer where images used in place of others are too few, which the source states.
        test_samples: how many test images.
        alpha: split by labels, see :func:`gnn_l2o.data.splits.split`.
        imbalance: of the nodes' sample counts, see :func:`gnn_l2o.data.splits.node_sizes`.
        mean, deviation: of each channel, see :meth:`Images.samples`.
        half: of the training images, the one that nodes may hold; by default both. An optimizer trained on one half
            can be tested on unseen images of the other.
        shrink: width and height of the squares of pixels that are averaged to one.
    """
    require_at_least(1, samples=samples, test_samples=test_samples)
    generator = np.random.default_rng(seed)
    train, test = load(True), load(False)
    middle = train.labels.size // 2
    allowed = {"first": slice(middle), "second": slice(middle, None), None: slice(None)}[half]
    rows = np.arange(train.labels.size)[allowed]
    source = f"{train.source}{f', {half} half' if half else ''}"
    if train.stand_in and nodes <= rows.size < nodes * samples:
        samples = rows.size // nodes
        source += f", {samples} a node, for there are no more"
    sizes = node_sizes(nodes * samples, nodes, imbalance, generator)
    parts = [rows[part] for part in split(train.labels[rows], sizes, generator, alpha)]
    shown = generator.permutation(test.labels.size)[:test_samples]
    return Shards(
        [train.samples(part, mean, deviation, shrink) for part in parts],
        test.samples(shown, mean, deviation, shrink),
        f"{source}; accuracy on {test.source}",
    )
