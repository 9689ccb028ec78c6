"""Sparse coding of natural images: patches of photographs in a dictionary that was learned on others."""

import dataclasses
import functools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.memory import require_memory
from gnn_l2o._utils.optional import optional
from gnn_l2o.data.files import read_arrays
from gnn_l2o.data.sources import local, recall
from gnn_l2o.data.splits import node_sizes, penalty, require_at_least
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import LeastSquares

FILE = "bsds500/patches_16x16.npz"
TRAIN_PATCHES, TEST_PATCHES = 10_000, 12_000
FLAT = 5.0  # grey levels of 255; patches that deviate less are sky or noise
CODE_WEIGHT = 1.2  # lambda = 1.2 / sqrt(m) for patches of norm 1 and m pixels (Mairal, Bach, Ponce, Sapiro 2009, 4.1)
ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


class Patches(NamedTuple):
    """Grey patches, ``(n, patch, patch)`` each, those to learn on and those to code from different images."""

    train: np.ndarray
    test: np.ndarray
    source: str


class Coding(NamedTuple):
    """What the problems are made of.

    Attributes:
        dictionary: ``(pixels, atoms)``.
        patches: ``(n, pixels)``.
        source: whose images these are, in words.
    """

    dictionary: np.ndarray
    patches: np.ndarray
    source: str


def sample(
    network: Network,
    *,
    seed: int,
    patch: int = 10,
    atoms: int = 200,
    l1_weight: float = 0.05,
    l2_weight: float = 0.0,
    imbalance: float = 0.0,
    path: str | None = None,
    photographs: bool = False,
) -> LeastSquares:
    r"""Sparse coding of natural images (real): LASSO of a patch in a learned dictionary, its pixels over the nodes.

    :math:`f_i(x) = \frac{1}{2 m_i} \|D_i x - b_i\|^2` and
    :math:`r(x) = \lambda_1 \|x\|_1 + \frac{\lambda_2}{2} \|x\|^2`; node i holds m_i of the pixels and their rows of D,
    chosen at random. On ten nodes this is LASSO(10, 200, 10, 0.05), as He et al. 2024, Fig. 4, have it with BSDS500
    (Martin, Fowlkes, Tal, Malik 2001). They do not state how patches are prepared. Here the mean of a patch is removed,
    its deviation is scaled to 1, patches that deviate by less than 5 grey levels of 255 are left out, and an atom has
    mean square 1, as the columns of a synthetic LASSO have. The dictionary is learned on patches of other images than
    b's (Mairal, Bach, Ponce, Sapiro 2009), once, and cached; it does not depend on the seed.

    Args:
        network: whose nodes hold the data.
        seed: of the draws; different seeds code different patches.
        patch: its width and height in pixels.
        atoms: d, the columns of D.
        l1_weight: lambda_1.
        l2_weight: lambda_2.
        imbalance: of the nodes' pixel counts, see :func:`gnn_l2o.data.splits.node_sizes`.
        path: of a folder of images: the dictionary is learned on those in its folder ``train`` and b is from ``test``
            if there are such, otherwise on every other image in the order of their names. By default
            ``$GNN_L2O_DATA/bsds500/patches_16x16.npz`` if it is there, with patches ``train`` and ``test``; otherwise
            the two photographs that come with scikit-learn.
        photographs: take these two even if the others are there: to train an optimizer on other images than it meets.
    """
    if photographs and path is not None:
        raise InputError(f"images are either those in path={path} or scikit-learn's photographs, got both")
    require_at_least(2, patch=patch)
    require_at_least(1, atoms=atoms)
    pixels = patch * patch
    if network.num_nodes > pixels:
        raise InputError(
            f"a patch has {patch} x {patch} = {pixels} pixels, too few for {network.num_nodes} nodes; "
            f"expected patch={int(np.ceil(np.sqrt(network.num_nodes)))} or more"
        )
    require_memory(f"a dictionary of {atoms} atoms", 4 * 8 * pixels * atoms)
    generator = np.random.default_rng(seed)
    coding = _prepare(patch, atoms, path, None if photographs else local(FILE))
    b = coding.patches[generator.integers(len(coding.patches))]
    ends = np.cumsum(node_sizes(pixels, network.num_nodes, imbalance, generator))[:-1]
    rows = np.split(generator.permutation(pixels), ends)
    problem = LeastSquares.from_nodes(
        [coding.dictionary[r] for r in rows], [b[r] for r in rows], penalty(l1_weight, l2_weight)
    )
    return dataclasses.replace(problem, source=coding.source)


@functools.lru_cache(maxsize=4)
def _prepare(patch: int, atoms: int, path: str | None, file: Path | None) -> Coding:
    with optional("data"):
        import sklearn
    train, test, source = _patches(patch, path, file)
    examples = _normalized(train)
    # Scikit-learn is part of the key: its releases need not learn the same.
    key = (torch.from_numpy(examples), atoms, CODE_WEIGHT, sklearn.__version__)
    cached = recall("dictionary", key, lambda: {"dictionary": _learn(examples, atoms)})
    return Coding(cached["dictionary"], _normalized(test), source)


def _learn(examples: np.ndarray, atoms: int) -> np.ndarray:
    """Return a dictionary in which patches, ``(n, pixels)``, are sparse: ``(pixels, atoms)``."""
    with optional("data"):
        from sklearn.decomposition import MiniBatchDictionaryLearning
        from sklearn.exceptions import ConvergenceWarning
    size = np.sqrt(examples.shape[1])  # the norm of a patch whose pixels have mean square 1
    learning = MiniBatchDictionaryLearning(
        atoms, alpha=CODE_WEIGHT, batch_size=256, max_iter=2, fit_algorithm="cd", random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # one code among thousands may be inexact
        state = np.random.get_state()  # noqa: NPY002  # scikit-learn draws from the global generator besides its own
        try:
            learning.fit(examples)
        finally:
            np.random.set_state(state)  # noqa: NPY002
    return size * learning.components_.T  # they have norm 1


def _normalized(patches: np.ndarray) -> np.ndarray:
    """Return patches with mean 0 and deviation 1, without flat ones: ``(n, patch, patch)`` to ``(n', pixels)``."""
    rows = patches.reshape(len(patches), -1).astype(np.float64)
    rows = rows - rows.mean(axis=1, keepdims=True)
    deviation = rows.std(axis=1, keepdims=True)
    shown = deviation[:, 0] >= FLAT
    if not shown.any():
        raise InputError(f"all patches are flat: expected some that deviate by {FLAT:g} grey levels or more")
    return rows[shown] / deviation[shown]


def _patches(patch: int, path: str | None, file: Path | None) -> Patches:
    if path is None and file is not None:
        return _from_file(file, patch)
    folder = _photographs() if path is None else Path(path)
    train, test = _in_folder(folder)
    return Patches(
        _cut(train, TRAIN_PATCHES, patch),
        _cut(test, TEST_PATCHES, patch),
        "scikit-learn's photographs, not BSDS500" if path is None else f"the images in {path}",
    )


def _photographs() -> Path:
    """Return the folder of the photographs that come with scikit-learn."""
    with optional("data"):
        import sklearn
    return Path(sklearn.__file__).parent / "datasets" / "images"


def _from_file(file: Path, patch: int) -> Patches:
    train, test = read_arrays(file, "train", "test").values()
    if train.ndim != 3 or test.ndim != 3 or train.dtype.kind not in "uif" or test.dtype.kind not in "uif":
        raise InputError(f"{file} holds {train.shape} and {test.shape}; expected patches (n, height, width) of numbers")
    largest = min(train.shape[1:] + test.shape[1:])
    if patch > largest:
        raise InputError(f"patch must be at most {largest}, the patches in {file}, got {patch}; path=FOLDER has larger")
    return Patches(train[:TRAIN_PATCHES, :patch, :patch], test[:TEST_PATCHES, :patch, :patch], "patches of BSDS500")


def _in_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the images to learn on and those to code."""
    parts = [_images(folder / name) for name in ("train", "test")]
    if not all(parts):
        files = _images(folder)
        parts = [files[::2], files[1::2]]
    train, test = parts
    if not test:
        raise InputError(f"{folder} holds {len(train)} images ({', '.join(ENDINGS)}); expected a folder with 2 or more")
    return train, test


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in ENDINGS)


def _cut(files: Sequence[Path], number: int, patch: int) -> np.ndarray:
    """Return patches from random places, equally many (or differing by one) of each image."""
    generator = np.random.default_rng(0)
    shares = np.diff(np.arange(len(files) + 1) * number // len(files))
    return np.concatenate([_cut_one(f, n, patch, generator) for f, n in zip(files, shares, strict=True) if n])


def _cut_one(file: Path, number: int, patch: int, generator: np.random.Generator) -> np.ndarray:
    image = _read(file)
    height, width = image.shape
    if min(height, width) < patch:
        raise InputError(f"{file} has {width} x {height} pixels, too few for patches of {patch} x {patch}")
    top = generator.integers(height - patch + 1, size=number)
    left = generator.integers(width - patch + 1, size=number)
    return np.lib.stride_tricks.sliding_window_view(image, (patch, patch))[top, left]


def _read(file: Path) -> np.ndarray:
    """Return a photograph in grey, ``(height, width)``."""
    with optional("data"):
        from PIL import Image
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # from 89 megapixels on
            with Image.open(file) as image:
                return np.asarray(image.convert("L"))
    except Exception as error:  # pillow raises errors of many kinds for broken files
        raise InputError(f"cannot read the image {file} ({error})") from None
