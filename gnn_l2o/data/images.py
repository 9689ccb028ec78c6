"""Real images with labels: MNIST and CIFAR-10, from wherever they can be had."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import io
import struct
import tarfile
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from gnn_l2o._utils.errors import InputError
from gnn_l2o.data.sources import Arrays, download, local, recall
from gnn_l2o.data.splits import node_sizes, require_at_least, split

Part = Literal["train", "test"]
Half = Literal["first", "second"]

MNIST_TRAIN, CIFAR10_TRAIN = 60_000, 50_000  # as published; the other 10,000 of each are the test images
FIRST_TRAIN = 3_200  # of the 4,000 images of a small part of CIFAR-10
DIGITS_TRAIN = 1_200  # of the 1,797 digits of scikit-learn; their writers follow each other, so parts share one at most
MNIST_FILES: dict[Part, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
CIFAR10_ARCHIVE, CIFAR10_FIRST = "cifar10/cifar10_jpeg_60000.tar.gz", "cifar10/cifar10_train_first4000.npz"
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True, eq=False)
class Images:
    """Images of several classes; the arrays cannot be written to, since all who ask are given the same.

    Attributes:
        images: ``(n, height, width)`` grey or ``(n, height, width, 3)`` red, green, blue; uint8.
        labels: ``(n,)``, the class of every image, int64.
        source: where they are from, in words.
        stand_in: whether they take the place of others that could not be had.
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
        """Return some images as a network takes them, and their labels: ``(k, channels, height, width)`` and ``(k,)``.

        Args:
            rows: ``(k,)``, which ones.
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
    """Images shared out.

    Attributes:
        nodes: of every node its images and labels, as networks take them.
        test: the same of test images, none of which a node holds.
        source: where all are from, in words.
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
        load: :func:`mnist` or :func:`cifar10`.
        nodes: N.
        seed: of the draws.
        samples: of a node on average; fewer where images that stand in for others are too few, which the source says.
        test_samples: how many test images.
        alpha: split by labels, see :func:`gnn_l2o.data.splits.split`.
        imbalance: of the nodes' sample counts, see :func:`gnn_l2o.data.splits.node_sizes`.
        mean, deviation: of each channel, see :meth:`Images.samples`.
        half: of the training images, which one nodes may hold; by default both. An optimizer trained on one half meets
            images that it has not seen in the other.
        shrink: see there.
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
    asked = generator.permutation(test.labels.size)[:test_samples]
    return Shards(
        [train.samples(part, mean, deviation, shrink) for part in parts],
        test.samples(asked, mean, deviation, shrink),
        f"{source}; accuracy on {test.source}",
    )


def mnist(train: bool) -> Images:
    """Return handwritten digits, ``(n, 28, 28)``: MNIST (LeCun, Cortes, Burges 1998), 60,000 and 10,000 to test.

    They are read from the four original files in ``$GNN_L2O_DATA/mnist`` if they are there, otherwise downloaded from
    openml.org, once. Where that fails too, a warning says so and 1,200 and 597 digits that come with scikit-learn
    (Alpaydin, Kaynak 1998) stand in, of 8 x 8 pixels, each drawn as 3 x 3 pixels within a margin of 2.

    Args:
        train: whether to have the training images; no test image is among them.

    Raises:
        InputError: files that are there cannot be read.
    """
    part: Part = "train" if train else "test"
    paths = [local(f"mnist/{name}") for name in MNIST_FILES[part]]
    found = tuple(path for path in paths if path is not None)
    return _mnist(part, found if len(found) == len(paths) else ())


def cifar10(train: bool) -> Images:
    """Return photographs of ten kinds of things, ``(n, 32, 32, 3)``: CIFAR-10 (Krizhevsky 2009), 50,000 and 10,000.

    From ``$GNN_L2O_DATA/cifar10`` all images as JPEG (``cifar10_jpeg_60000.tar.gz``, which holds
    ``train/airplane/0000.jpg`` and the like) or else the first 4,000 training images (``cifar10_train_first4000.npz``
    with ``images`` and ``labels``), of which the last 800 are for testing; otherwise downloaded from openml.org, of
    which the last 10,000 rows are. What takes long is done once and kept in the cache folder. Where all that fails, a
    warning says so and the digits of :func:`mnist` stand in, grey, each pixel drawn as 4 x 4.

    Args:
        train: whether to have the training images; no test image is among them.

    Raises:
        InputError: files that are there cannot be read.
    """
    part: Part = "train" if train else "test"
    return _cifar10(part, local(CIFAR10_ARCHIVE), local(CIFAR10_FIRST))


@functools.lru_cache(maxsize=2)
def _mnist(part: Part, files: tuple[Path, ...]) -> Images:
    if files:
        images, labels = map(_read_idx, files)
        return Images(images, labels.astype(np.int64), f"MNIST, {part} images")
    ways = "set GNN_L2O_DATA to a folder with the four files of mnist/"
    try:
        both = recall("mnist", ("openml", 1), lambda: _from_openml("mnist_784", (28, 28), ways))
    except InputError as error:
        return _digits(part, "MNIST", str(error), scale=3, margin=2)
    return _share(both, part, MNIST_TRAIN, f"MNIST from openml.org, {part} images")


@functools.lru_cache(maxsize=2)
def _cifar10(part: Part, archive: Path | None, first: Path | None) -> Images:
    if archive is not None:
        arrays = recall(f"cifar10_{part}", (archive, part), lambda: _read_archive(archive, part))
        return Images(arrays["images"], arrays["labels"], f"CIFAR-10, JPEG copy, {part} images")
    if first is not None:
        try:
            with np.load(first, allow_pickle=False) as kept:
                both = {"images": kept["images"], "labels": kept["labels"].astype(np.int64)}
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise InputError(f"cannot read {first} ({error}); expected images and labels") from None
        return _share(both, part, FIRST_TRAIN, f"first 4,000 training images of CIFAR-10, parted, {part} images")
    ways = f"set GNN_L2O_DATA to a folder with {CIFAR10_ARCHIVE} or {CIFAR10_FIRST}"
    try:
        both = recall("cifar10", ("openml", 1), lambda: _from_openml("CIFAR_10", (3, 32, 32), ways))
    except InputError as error:
        digits = _digits(part, "CIFAR-10", str(error), scale=4, margin=0)
        return dataclasses.replace(digits, images=digits.images[..., None].repeat(3, axis=3))
    both["images"] = np.moveaxis(both["images"], 1, 3)
    return _share(both, part, CIFAR10_TRAIN, f"CIFAR-10 from openml.org, rows as they come, {part} images")


def _share(both: Arrays, part: Part, count: int, source: str) -> Images:
    """Return the first ``count`` images to train, or the others to test."""
    rows = slice(count) if part == "train" else slice(count, None)
    return Images(both["images"][rows], both["labels"][rows], source)


def _read_idx(file: Path) -> np.ndarray:
    """Read an IDX file of bytes: two zeros, the type 8, the number of dimensions, these, and the numbers."""
    try:
        content = gzip.decompress(file.read_bytes())
        zero, kind, dimensions = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{dimensions}I", content, 4)
        numbers = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    except (OSError, EOFError, zlib.error, struct.error, ValueError) as error:
        raise InputError(f"cannot read {file} ({error}); expected a gzipped IDX file") from None
    if (zero, kind) != (0, 8):
        raise InputError(f"{file} is not an IDX file of bytes: expected it to begin with 0, 0, 8")
    return numbers


def _read_archive(archive: Path, part: Part) -> Arrays:
    """Decode the JPEG files of one part, sorted by their names."""
    decoded = {}
    try:
        with tarfile.open(archive) as files:
            for member in files:
                if member.isfile() and member.name.startswith(f"{part}/"):
                    content = files.extractfile(member)
                    assert content is not None  # it is a file
                    decoded[member.name] = np.asarray(Image.open(io.BytesIO(content.read())).convert("RGB"))
        names = sorted(decoded)
        labels = [CIFAR10_CLASSES.index(name.split("/")[1]) for name in names]
        images = np.stack([decoded[name] for name in names])
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, IndexError) as error:
        raise InputError(
            f"cannot read the {part} images in {archive} ({error}); expected {part}/CLASS/NAME.jpg"
        ) from None
    return {"images": images, "labels": np.array(labels, dtype=np.int64)}


def _from_openml(name: str, shape: tuple[int, ...], ways: str) -> Arrays:
    bunch = download(name, 1, ways=ways)
    return {"images": bunch.data.astype(np.uint8).reshape(-1, *shape), "labels": bunch.target.astype(np.int64)}


def _digits(part: Part, wanted: str, reason: str, *, scale: int, margin: int) -> Images:
    """Return scikit-learn's digits, each of their 8 x 8 pixels drawn ``scale`` times as wide, within a margin."""
    warnings.warn(f"{reason}; digits of 8 x 8 pixels stand in for {wanted}", stacklevel=4)
    small, labels = load_digits(return_X_y=True)
    grey = np.rint(small.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)  # from 0, ..., 16
    large = grey.repeat(scale, axis=1).repeat(scale, axis=2)
    large = np.pad(large, ((0, 0), (margin, margin), (margin, margin)))
    both = {"images": large, "labels": labels.astype(np.int64)}
    source = f"scikit-learn's digits of 8 x 8 pixels instead of {wanted}, {part} images"
    return dataclasses.replace(_share(both, part, DIGITS_TRAIN, source), stand_in=True)
