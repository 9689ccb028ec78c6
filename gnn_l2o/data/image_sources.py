"""The sources of images: MNIST and CIFAR-10 from files or a download, and small digits to use in place of them."""

from __future__ import annotations

import functools
import io
import math
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.optional import optional
from gnn_l2o.data.files import Arrays, read_arrays, read_limited
from gnn_l2o.data.images import Images
from gnn_l2o.data.sources import VARIABLE, download, local, recall

Part = Literal["train", "test"]

MNIST_TRAIN, CIFAR10_TRAIN = 60_000, 50_000  # as published; the other 10,000 of each are the test images
FIRST_TRAIN = 3_200  # of the 4,000 images of a small part of CIFAR-10
DIGITS_TRAIN = (
    1_200  # of the 1,797 digits of scikit-learn, ordered by writer: the parts have one writer in common at most
)
MNIST_FILES: dict[Part, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
CIFAR10_ARCHIVE, CIFAR10_FIRST = "cifar10/cifar10_jpeg_60000.tar.gz", "cifar10/cifar10_train_first4000.npz"
MAX_JPEG = 2**16  # bytes; those of 32 x 32 pixels have about 1,000
CLASSES = 10  # of MNIST and of CIFAR-10
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STAND_IN = "or stand_in=true runs on digits of 8 x 8 pixels"


def mnist(train: bool) -> Images:
    """Return handwritten digits, ``(n, 28, 28)``: MNIST (LeCun, Cortes, Burges 1998), 60,000 and 10,000 to test.

    They are read from the four original files in ``$GNN_L2O_DATA/mnist`` if they are there, otherwise downloaded from
    openml.org, once.

    Args:
        train: whether to have the training images; no test image is among them.

    Raises:
        InputError: files that are there cannot be read, or the download fails.
    """
    part: Part = "train" if train else "test"
    paths = [local(f"mnist/{name}") for name in MNIST_FILES[part]]
    found = tuple(path for path in paths if path is not None)
    return _mnist(part, found if len(found) == len(paths) else ())


def cifar10(train: bool) -> Images:
    """Return photographs of ten kinds of things, ``(n, 32, 32, 3)``: CIFAR-10 (Krizhevsky 2009), 50,000 and 10,000.

    From ``$GNN_L2O_DATA/cifar10`` all images as JPEG (``cifar10_jpeg_60000.tar.gz``, which holds
    ``train/airplane/0000.jpg`` and the like) or else the first 4,000 training images (``cifar10_train_first4000.npz``
    with ``images`` and ``labels``), of which the last 800 are for testing; otherwise downloaded from openml.org, where
    the last 10,000 rows are the test images. Decoded images are cached.

    Args:
        train: whether to have the training images; no test image is among them.

    Raises:
        InputError: files that are there cannot be read, or the download fails.
    """
    part: Part = "train" if train else "test"
    return _cifar10(part, local(CIFAR10_ARCHIVE), local(CIFAR10_FIRST))


def digits_for_mnist(train: bool) -> Images:
    """Return the digits that come with scikit-learn (Alpaydin, Kaynak 1998) in the form of MNIST, ``(n, 28, 28)``.

    There are 1,200 and 597 of 8 x 8 pixels, each drawn as 3 x 3 pixels within a margin of 2.

    Args:
        train: whether to have the training images; no test image is among them.
    """
    return _digits("MNIST", train, lambda grey: np.pad(_enlarged(grey, 3), ((0, 0), (2, 2), (2, 2))))


def digits_for_cifar10(train: bool) -> Images:
    """Return the same digits in the form of CIFAR-10, ``(n, 32, 32, 3)``, grey, each pixel drawn as 4 x 4."""
    return _digits("CIFAR-10", train, lambda grey: _enlarged(grey, 4)[..., None].repeat(3, axis=3))


@functools.lru_cache(maxsize=2)
def _mnist(part: Part, files: tuple[Path, ...]) -> Images:
    if files:
        images, labels = _read_idx(files[0], (28, 28)), _read_idx(files[1], ())
        return _checked(images, labels, (28, 28), f"MNIST, {part} images")
    ways = f"set {VARIABLE} to a folder with the four files of mnist/, {STAND_IN}"
    both = recall("mnist", ("openml", 1), lambda: _from_openml("mnist_784", (28, 28), ways))
    return _share(both, part, MNIST_TRAIN, f"MNIST from openml.org, {part} images")


@functools.lru_cache(maxsize=2)
def _cifar10(part: Part, archive: Path | None, first: Path | None) -> Images:
    if archive is not None:
        arrays = recall(f"cifar10_{part}", (archive, part), lambda: _read_archive(archive, part))
        return _checked(arrays["images"], arrays["labels"], (32, 32, 3), f"CIFAR-10, JPEG copy, {part} images")
    if first is not None:
        both = read_arrays(first, "images", "labels")
        return _share(both, part, FIRST_TRAIN, f"first 4,000 training images of CIFAR-10, split, {part} images")
    ways = f"set {VARIABLE} to a folder with {CIFAR10_ARCHIVE} or {CIFAR10_FIRST}, {STAND_IN}"
    both = recall("cifar10", ("openml", 1), lambda: _from_openml("CIFAR_10", (3, 32, 32), ways))
    both["images"] = np.moveaxis(both["images"], 1, 3)
    return _share(both, part, CIFAR10_TRAIN, f"CIFAR-10 from openml.org, rows as they come, {part} images")


def _share(both: Arrays, part: Part, count: int, source: str, stand_in: bool = False) -> Images:
    """Return the first ``count`` images to train, or the others to test."""
    rows = slice(count) if part == "train" else slice(count, None)
    images, labels = both["images"], both["labels"]
    return _checked(images[rows], labels[rows], images.shape[1:], source, stand_in)


def _checked(
    images: np.ndarray, labels: np.ndarray, shape: tuple[int, ...], source: str, stand_in: bool = False
) -> Images:
    """Return images of this shape with their labels.

    Raises:
        InputError: they are others, or not equally many.
    """
    if images.shape[1:] != shape or images.dtype != np.uint8 or len(shape) not in (2, 3):
        raise InputError(f"{source}: expected images {('n', *shape)} of bytes, got {images.shape} {images.dtype}")
    if labels.shape != images.shape[:1] or not len(images):
        raise InputError(f"{source}: expected a label for every image, got {labels.shape} for {len(images)} images")
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= CLASSES:
        raise InputError(f"{source}: expected labels 0, 1, ..., {CLASSES - 1}, got {labels.min()} to {labels.max()}")
    return Images(images, labels.astype(np.int64), source, stand_in)


def _read_idx(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read an IDX file of bytes: two zeros, the type 8, the number of dimensions, these, and the numbers.

    Args:
        file: the path.
        shape: the dimensions behind the first.
    """
    dimensions, size = 1 + len(shape), math.prod(shape)
    header = struct.Struct(f">HBB{dimensions}I")
    content = read_limited(file, header.size + MNIST_TRAIN * size)
    if len(content) < header.size or (found := header.unpack_from(content))[:3] != (0, 8, dimensions):
        raise InputError(f"{file} is not an IDX file of bytes with {dimensions} dimensions")
    _, _, _, count, *others = found
    if tuple(others) != shape or len(content) != header.size + count * size:
        raise InputError(
            f"{file} says that it holds {'x'.join(map(str, (count, *others)))} bytes, and holds "
            f"{len(content) - header.size}; expected {'x'.join(map(str, ('n', *shape)))}"
        )
    return np.frombuffer(content, np.uint8, offset=header.size).reshape(count, *shape)


def _read_archive(archive: Path, part: Part) -> Arrays:
    """Decode the JPEG files of one part, sorted by their names."""
    with optional("data"):
        from PIL import Image
    decoded = {}
    try:
        with tarfile.open(archive) as files:
            for member in files:
                if member.isfile() and member.name.startswith(f"{part}/"):
                    content = files.extractfile(member)
                    assert content is not None  # it is a file
                    with Image.open(io.BytesIO(content.read(MAX_JPEG))) as image:
                        if image.size != (32, 32):
                            raise ValueError(f"{member.name} has {image.width} x {image.height} pixels, not 32 x 32")
                        decoded[member.name] = np.asarray(image.convert("RGB"))
        names = sorted(decoded)
        labels = [CIFAR10_CLASSES.index(name.split("/")[1]) for name in names]
        images = np.stack([decoded[name] for name in names])
    except Exception as error:  # tarfile and pillow raise errors of many kinds for other content
        raise InputError(
            f"cannot read the {part} images in {archive} ({error}); expected {part}/CLASS/NAME.jpg"
        ) from None
    return {"images": images, "labels": np.array(labels, dtype=np.int64)}


def _from_openml(name: str, shape: tuple[int, ...], ways: str) -> Arrays:
    bunch = download(name, 1, ways=ways)
    return {"images": bunch.data.astype(np.uint8).reshape(-1, *shape), "labels": bunch.target.astype(np.int64)}


def _digits(name: str, train: bool, draw: Callable[[np.ndarray], np.ndarray]) -> Images:
    """Return scikit-learn's digits, drawn from ``(n, 8, 8)`` grey levels, in place of the images of that name."""
    with optional("data"):
        from sklearn.datasets import load_digits
    part: Part = "train" if train else "test"
    small, labels = load_digits(return_X_y=True)
    grey = np.rint(small.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)  # from 0, ..., 16
    both = {"images": draw(grey), "labels": labels.astype(np.int64)}
    source = f"scikit-learn's digits of 8 x 8 pixels instead of {name}, {part} images"
    return _share(both, part, DIGITS_TRAIN, source, stand_in=True)


def _enlarged(grey: np.ndarray, scale: int) -> np.ndarray:
    return grey.repeat(scale, axis=1).repeat(scale, axis=2)
