"""Images of MNIST and CIFAR-10 from every place they may be at, on small files; the real ones where they are."""

import gzip
import io
import os
import struct
import tarfile
import tracemalloc
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.utils import Bunch

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.data import image_sources, sources
from gnn_l2o.data.image_sources import cifar10, digits_for_cifar10, digits_for_mnist, mnist
from gnn_l2o.data.images import Half, Images, shards
from gnn_l2o.graph.network import Network

DATA = os.environ.get("GNN_L2O_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="GNN_L2O_DATA does not say where the images are")


def forget() -> None:
    image_sources._mnist.cache_clear()
    image_sources._cifar10.cache_clear()


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("mnist", "cifar10"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("GNN_L2O_DATA", str(tmp_path))
    return tmp_path


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


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"\0"), gzip.compress(bytes([0, 0, 9, 1, 0, 0, 0, 0]))])
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


def test_photographs_far_too_large_are_not_decoded(folder: Path) -> None:
    path = write_archive(folder, ["train/frog/0.jpg"])
    content = large_png(20_000, 20_000)
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("train/frog/0.jpg")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    with pytest.raises(InputError, match=r"Image size .400000000 pixels. exceeds limit"):
        cifar10(True)
    with pytest.raises(InputError, match=r"0\.jpg has 64 x 32 pixels, not 32 x 32"):
        write_archive(folder, ["train/frog/0.jpg"], size=(64, 32))
        cifar10(True)


def large_png(width: int, height: int) -> bytes:
    """Return the beginning of an image that says it has so many pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">II", zlib.crc32(header), 100) + b"IDAT"


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


def write_archive(folder: Path, names: list[str], size: tuple[int, int] = (32, 32)) -> Path:
    """An archive of JPEG images, each of one colour that its place in the list decides."""
    path = folder / "cifar10" / "cifar10_jpeg_60000.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for k, name in enumerate(names):
            stream = io.BytesIO()
            Image.new("RGB", size, (40 * k, 100, 0)).save(stream, "JPEG", quality=95)
            member = tarfile.TarInfo(name)
            member.size = stream.tell()
            stream.seek(0)
            archive.addfile(member, stream)
    return path


def test_cifar10_reads_the_archive_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["test/truck/0000.jpg", "train/frog/0001.jpg", "train/frog/0000.jpg", "train/airplane/0000.jpg"]
    write_archive(folder, names)
    train, test = cifar10(True), cifar10(False)
    assert (train.images.shape, train.images.dtype, train.labels.dtype) == ((3, 32, 32, 3), np.uint8, np.int64)
    assert train.labels.tolist() == [0, 6, 6]
    assert test.labels.tolist() == [9]
    np.testing.assert_allclose(train.images.mean(axis=(1, 2))[:, 0], [120, 80, 40], atol=3)  # red, sorted by name
    np.testing.assert_allclose(test.images.mean(axis=(1, 2))[0], [0, 100, 0], atol=3)
    assert train.source == "CIFAR-10, JPEG copy, train images"
    forget()
    monkeypatch.setattr(image_sources, "_read_archive", None)
    np.testing.assert_array_equal(cifar10(True).images, train.images)


@pytest.mark.parametrize("names", [["test/frog/0.jpg"], ["train/mouse/0.jpg"], ["train/frog.jpg"]])
def test_an_archive_with_other_files_is_refused(folder: Path, names: list[str]) -> None:
    write_archive(folder, names)
    with pytest.raises(InputError, match=r"cannot read the train images in .*expected train/CLASS/NAME.jpg") as error:
        cifar10(True)
    assert "\n" not in str(error.value)


def test_a_broken_archive_is_refused(folder: Path) -> None:
    path = write_archive(folder, ["train/frog/0.jpg"])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot read the train images"):
        cifar10(True)


def test_the_first_images_of_cifar10_are_split(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_sources, "FIRST_TRAIN", 3)
    pictures = np.random.default_rng(0).integers(256, size=(5, 32, 32, 3), dtype=np.uint8)
    np.savez(folder / "cifar10/cifar10_train_first4000.npz", images=pictures, labels=np.arange(5, dtype=np.uint8))
    train, test = cifar10(True), cifar10(False)
    np.testing.assert_array_equal(train.images, pictures[:3])
    np.testing.assert_array_equal(test.images, pictures[3:])
    assert test.labels.tolist() == [3, 4]
    assert test.labels.dtype == np.int64
    assert test.source == "first 4,000 training images of CIFAR-10, split, test images"


def test_cifar10_from_openml_has_its_channels_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GNN_L2O_DATA", raising=False)
    monkeypatch.setattr(image_sources, "CIFAR10_TRAIN", 1)
    pixels = np.random.default_rng(0).integers(256, size=(2, 3072))  # all of red, then green, then blue
    bunch = Bunch(data=pixels.astype(float), target=np.array(["3", "7"], dtype=object))
    monkeypatch.setattr("sklearn.datasets.fetch_openml", lambda *args, **kwargs: bunch)
    train, test = cifar10(True), cifar10(False)
    assert train.images.shape == test.images.shape == (1, 32, 32, 3)
    for channel in range(3):
        np.testing.assert_array_equal(train.images[0, :, :, channel].ravel(), pixels[0, 1024 * channel :][:1024])
    assert (train.labels.tolist(), test.labels.tolist()) == ([3], [7])


def test_small_digits_stand_in_for_cifar10() -> None:
    train, test = digits_for_cifar10(True), digits_for_cifar10(False)
    assert (train.images.shape, test.images.shape) == ((1200, 32, 32, 3), (597, 32, 32, 3))
    assert train.stand_in
    assert "instead of CIFAR-10" in train.source
    small, _ = load_digits(return_X_y=True)
    for channel in range(3):
        both = np.concatenate([train.images, test.images])[..., channel]
        np.testing.assert_allclose(both[:, 1::4, 1::4].reshape(-1, 64) / 255 * 16, small, atol=0.05)


def test_a_variable_that_names_no_folder_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GNN_L2O_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"GNN_L2O_DATA is .*nowhere, which is not a folder"):
        mnist(True)


def test_samples_are_scaled_with_channels_first(folder: Path) -> None:
    write_archive(folder, ["train/frog/0.jpg", "train/frog/1.jpg"])
    train = cifar10(True)
    features, labels = train.samples(np.array([1]), (0.1, 0.2, 0.3), (0.5, 1.0, 2.0))
    assert (features.shape, features.dtype) == ((1, 3, 32, 32), np.float32)
    assert labels.tolist() == [6]
    for channel, (mean, deviation) in enumerate(((0.1, 0.5), (0.2, 1.0), (0.3, 2.0))):
        expected = (train.images[1, :, :, channel] / 255 - mean) / deviation
        np.testing.assert_allclose(features[0, channel], expected, rtol=1e-5, atol=1e-6)


def test_halves_share_no_image() -> None:
    pixels = np.arange(40, dtype=np.uint8).reshape(40, 1, 1)

    def load(train: bool) -> Images:
        return Images(pixels if train else pixels[:3] + 200, np.arange(40 if train else 3) % 2, "numbered")

    def held(half: Half | None) -> set[int]:
        parts = shards(
            load,
            4,
            seed=0,
            samples=5,
            test_samples=2,
            alpha=1.0,
            imbalance=0.0,
            mean=[0],
            deviation=[1 / 255],
            half=half,
        )
        numbers = np.concatenate([images.flatten() for images, _ in parts.nodes]).round().astype(int)
        labels = np.concatenate([labels for _, labels in parts.nodes])
        assert (labels == numbers % 2).all()
        assert parts.test[0].min() >= 199
        return set(numbers.tolist())

    assert held("first") == set(range(20))
    assert held("second") == set(range(20, 40))
    assert held(None) & set(range(20)) and held(None) & set(range(20, 40))


def test_pixels_can_be_averaged_in_squares() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 6, 2), dtype=np.uint8)
    images = Images(pixels, np.array([2, 0, 1]), "drawn")
    small, labels = images.samples(np.array([2, 0]), [0.5, 0.2], [0.3, 2.0], shrink=2)
    assert small.shape == (2, 2, 2, 3)
    expected = pixels[0, 2:4, 0:2, 1].mean() / 255
    assert small[1, 1, 1, 0] == pytest.approx((expected - 0.2) / 2.0, rel=1e-5)
    assert labels.tolist() == [1, 2]
    with pytest.raises(InputError, match="shrink must divide 4 and 6, the pixels of an image, got 3"):
        images.samples(np.array([0]), [0.5, 0.2], [0.3, 2.0], shrink=3)


def test_a_cache_that_is_broken_is_made_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path))
    made = sources.recall("thing", 1, lambda: {"a": np.arange(3)})
    np.testing.assert_array_equal(sources.recall("thing", 1, dict)["a"], made["a"])
    assert sources.recall("thing", 2, dict) == {}
    for file in (tmp_path / "data").iterdir():
        file.write_bytes(b"PK broken")
    with pytest.warns(UserWarning, match="computed again"):
        assert sources.recall("thing", 1, lambda: {"a": np.arange(4)})["a"].size == 4


def test_a_cache_that_cannot_be_written_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cannot be cached"):
        assert sources.recall("thing", 1, lambda: {"a": np.arange(3)})["a"].size == 3


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
