"""CIFAR-10 from every place it may be at, on small files."""

import io
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.utils import Bunch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.data import image_sources
from gnn_l2o.data.image_sources import cifar10, digits_for_cifar10
from tests.data.images.files import forget, write_archive


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
