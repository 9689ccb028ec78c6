"""An archive like that of CIFAR-10, with a few images, and what forgets the images that were read."""

import io
import tarfile
from pathlib import Path

from PIL import Image

from gnn_l2o.data import image_sources


def forget() -> None:
    image_sources._mnist.cache_clear()
    image_sources._cifar10.cache_clear()


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
