"""Images as samples: scaled, averaged in squares, and halves that share none."""

from pathlib import Path

import numpy as np
import pytest

from gnn_l2o._utils.errors import InputError
from gnn_l2o.data.image_sources import cifar10
from gnn_l2o.data.images import Half, Images, shards
from tests.data.images.files import write_archive


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
