"""Files like those of real data sets, but small."""

import functools
import gzip
import struct
import tempfile
from pathlib import Path

import numpy as np

IMAGE_DATASETS = {
    "convnet": "convnet:samples=3,test_samples=5",
    "lenet": "lenet:samples=3,test_samples=5",
    "mlp": "mlp:samples=20,test_samples=30",
    "nas_cell": "nas_cell:samples=3,test_samples=5",
    "resnet": "resnet:samples=3,test_samples=5",
}
"""The datasets that need the files of :func:`image_folder`, with few images."""


@functools.cache
def image_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder with files like those of MNIST and CIFAR-10, but few images, and these of noise."""
    folder = tempfile.TemporaryDirectory()
    mnist, cifar10 = Path(folder.name) / "mnist", Path(folder.name) / "cifar10"
    mnist.mkdir()
    cifar10.mkdir()
    generator = np.random.default_rng(0)
    for part, count in (("train", 600), ("t10k", 40)):
        for what, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            numbers = generator.integers(256 if len(shape) > 1 else 10, size=shape, dtype=np.uint8)
            header = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
            (mnist / f"{part}-{what}-ubyte.gz").write_bytes(gzip.compress(header + numbers.tobytes(), 1))
    pictures = generator.integers(256, size=(3240, 32, 32, 3), dtype=np.uint8)
    np.savez(cifar10 / "cifar10_train_first4000.npz", images=pictures, labels=np.arange(3240) % 10)
    return folder
