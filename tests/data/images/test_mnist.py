"""MNIST from every place it may be at, on small files; the real one where it is."""

import gzip
import os
import struct
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.utils import Bunch

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.data import image_sources
from gnn_l2o.data.image_sources import digits_for_mnist, mnist
from gnn_l2o.data.images import shards
from gnn_l2o.graph.network import Network
from tests.data.images.files import forget

DATA = os.environ.get("GNN_L2O_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="GNN_L2O_DATA does not say where the images are")


def offline(*args: object, **kwargs: object) -> Bunch:
    warnings.warn("Retrying...", stacklevel=1)
    raise OSError("no route\nto openml.org")


def idx(array: np.ndarray) -> bytes:
    return gzip.compress(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


def write_mnist(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(0)
    made = {}
    for part, name, count in (("train", "train", 6), ("test", "t10k", 3)):
        pictures = generator.integers(256, size=(count, 28, 28), dtype=np.uint8)
        labels = generator.integers(10, size=count, dtype=np.uint8)
        (folder / f"mnist/{name}-images-idx3-ubyte.gz").write_bytes(idx(pictures))
        (folder / f"mnist/{name}-labels-idx1-ubyte.gz").write_bytes(idx(labels))
        made[part] = (pictures, labels)
    return made


def test_mnist_reads_the_original_files(folder: Path) -> None:
    made = write_mnist(folder)
    for train, part in ((True, "train"), (False, "test")):
        found = mnist(train)
        np.testing.assert_array_equal(found.images, made[part][0])
        np.testing.assert_array_equal(found.labels, made[part][1])
        assert (found.images.dtype, found.labels.dtype) == (np.uint8, np.int64)
        assert found.source == f"MNIST, {part} images"


def test_what_all_are_given_cannot_be_written_to(folder: Path) -> None:
    write_mnist(folder)
    with pytest.raises(ValueError, match="read-only"):
        mnist(True).images[0] = 0


@pytest.mark.parametrize(
    "content", [b"no gzip", *(gzip.compress(bytes(each), mtime=0) for each in ([0], [0, 0, 9, 1, 0, 0, 0, 0]))]
)
def test_files_that_are_no_images_are_refused(folder: Path, content: bytes) -> None:
    write_mnist(folder)
    (folder / "mnist/train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte.gz") as error:
        mnist(True)
    assert "\n" not in str(error.value)


IMAGES, LABELS = "mnist/train-images-idx3-ubyte.gz", "mnist/train-labels-idx1-ubyte.gz"


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (IMAGES, np.zeros(6), "is not an IDX file of bytes with 3 dimensions"),  # swapped
        (LABELS, np.zeros((6, 28, 28)), "is not an IDX file of bytes with 1 dimensions"),
        (IMAGES, np.zeros((6, 28, 27)), "says that it holds 6x28x27 bytes, and holds 4536; expected nx28x28"),
        (IMAGES, np.zeros((5, 28, 28)), r"expected a label for every image, got \(6,\) for 5 images"),
        (IMAGES, np.zeros((0, 28, 28)), r"expected a label for every image, got \(6,\) for 0 images"),
        (LABELS, np.full(6, 10), "expected labels 0, 1, ..., 9, got 10 to 10"),
    ],
)
def test_files_with_other_images_are_refused(folder: Path, name: str, array: np.ndarray, message: str) -> None:
    write_mnist(folder)
    (folder / name).write_bytes(idx(array.astype(np.uint8)))
    with pytest.raises(InputError, match=message):
        mnist(True)


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content + b"1"])
def test_files_that_are_cut_or_continued_are_refused(folder: Path, change: Callable[[bytes], bytes]) -> None:
    write_mnist(folder)
    for name, shape in ((IMAGES, "6x28x28"), (LABELS, "6")):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(gzip.compress(change(gzip.decompress(content))))
        with pytest.raises(InputError, match=f"says that it holds {shape} bytes, and holds"):
            mnist(True)
        (folder / name).write_bytes(content)


def test_no_more_is_unpacked_than_such_a_file_holds(folder: Path) -> None:
    write_mnist(folder)
    (folder / IMAGES).write_bytes(gzip.compress(bytes(16 + 60_001 * 28 * 28), compresslevel=1))
    tracemalloc.start()
    with pytest.raises(InputError, match="holds more than 47,040,016 bytes"):
        mnist(True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * 47_040_016  # read() joins its parts once


def test_mnist_is_downloaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GNN_L2O_DATA", raising=False)
    monkeypatch.setattr(image_sources, "MNIST_TRAIN", 4)
    pixels = np.random.default_rng(0).integers(256, size=(6, 784))

    def download(name: str, *, version: int, as_frame: bool, parser: str) -> Bunch:
        assert (name, version, as_frame, parser) == ("mnist_784", 1, False, "liac-arff")
        return Bunch(data=pixels.astype(float), target=np.array(list("504192"), dtype=object))

    monkeypatch.setattr("sklearn.datasets.fetch_openml", download)
    train = mnist(True)
    monkeypatch.setattr("sklearn.datasets.fetch_openml", offline)
    test = mnist(False)  # from the cache
    forget()
    np.testing.assert_array_equal(mnist(True).images, train.images)
    np.testing.assert_array_equal(np.concatenate([train.images, test.images]).reshape(6, 784), pixels)
    assert (train.labels.tolist(), test.labels.tolist()) == ([5, 0, 4, 1], [9, 2])
    assert (train.labels.dtype, train.source) == (np.int64, "MNIST from openml.org, train images")


@pytest.mark.parametrize(
    ("name", "data"), [("mlp", "mnist_784"), ("resnet", "CIFAR_10"), ("convnet", "mnist_784"), ("lenet", "CIFAR_10")]
)
def test_images_that_cannot_be_had_are_an_error_unless_digits_are_asked_for(
    name: str, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GNN_L2O_DATA", raising=False)
    monkeypatch.setattr("sklearn.datasets.fetch_openml", offline)
    network = Network.from_edges([(0, 1)])
    ways = rf"cannot download {data} .*no route to openml.org\); set GNN_L2O_DATA to a folder with .*stand_in=true"
    with pytest.raises(InputError, match=ways) as error:
        plugins.load("dataset", f"{name}:samples=3,test_samples=5")(network, seed=0)
    assert "\n" not in str(error.value)
    problem = plugins.load("dataset", f"{name}:samples=3,test_samples=5,stand_in=true")(network, seed=0)
    assert "scikit-learn's digits of 8 x 8 pixels instead of" in problem.source


def test_small_digits_stand_in_for_mnist() -> None:
    train, test = digits_for_mnist(True), digits_for_mnist(False)
    assert (train.images.shape, test.images.shape) == ((1200, 28, 28), (597, 28, 28))
    assert train.images.dtype == np.uint8
    assert "instead of MNIST" in train.source
    small, labels = load_digits(return_X_y=True)
    both = np.concatenate([train.images, test.images])
    np.testing.assert_allclose(both[:, 3:-2:3, 3:-2:3].reshape(-1, 64) / 255 * 16, small, atol=0.05)
    assert both[:, :2].max() == both[:, :, -2:].max() == 0
    np.testing.assert_array_equal(np.concatenate([train.labels, test.labels]), labels)


def test_nodes_share_what_there_is_where_digits_stand_in() -> None:
    asked = {"seed": 0, "test_samples": 5, "alpha": None, "imbalance": 0.0, "mean": (0.0,), "deviation": (1.0,)}
    enough = shards(digits_for_mnist, 10, samples=120, **asked)
    too_few = shards(digits_for_mnist, 10, samples=121, half="first", **asked)
    assert [len(labels) for _, labels in enough.nodes] == [120] * 10
    assert [len(labels) for _, labels in too_few.nodes] == [60] * 10
    assert "a node" not in enough.source
    assert "first half, 60 a node, for there are no more" in too_few.source


def test_a_variable_that_names_no_folder_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GNN_L2O_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"GNN_L2O_DATA is .*nowhere, which is not a folder"):
        mnist(True)


@needs_data
def test_mnist_is_what_was_published() -> None:
    train, test = mnist(True), mnist(False)
    assert (train.images.shape, test.images.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(train.labels).tolist() == counts
    assert abs(train.images.mean() / 255 - 0.13066) < 1e-5
    seen = {picture.tobytes() for picture in train.images}
    assert not any(picture.tobytes() in seen for picture in test.images)
