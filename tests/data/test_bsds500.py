"""Sparse coding of natural images: the data behind it, from every place it may be at."""

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import LeastSquares, solve
from gnn_l2o.problems.regularizers import L1

SMALL = "patch=4,atoms=20"


def path_graph(nodes: int) -> Network:
    return Network.from_edges([(i, i + 1) for i in range(nodes - 1)], nodes)


@pytest.fixture(autouse=True)
def only_what_comes_with_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GNN_L2O_DATA", raising=False)


def load(monkeypatch: pytest.MonkeyPatch, spec: str = "") -> plugins.Plugin:
    """The dataset with few patches to learn on, so that it is quick."""
    plugin = plugins.load("dataset", f"bsds500:{SMALL}{spec}")
    monkeypatch.setitem(plugin.function.__globals__, "TRAIN_PATCHES", 400)
    monkeypatch.setitem(plugin.function.__globals__, "TEST_PATCHES", 50)
    return plugin


def together(problem: LeastSquares) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the dictionary and pixels, of all nodes, in an order of their own."""
    rows = [f[:m] for f, m in zip(problem.features, problem.count.flatten(), strict=True)]
    pixels = [t[:m] for t, m in zip(problem.targets, problem.count.flatten(), strict=True)]
    return torch.cat(rows).numpy(), torch.cat(pixels).numpy()


def textures(generator: np.random.Generator, count: int, size: int = 16) -> np.ndarray:
    """Grey images of stripes in random directions."""
    phase = generator.uniform(0, 6, size=(count, 1, 1))
    across, down = generator.uniform(-1, 1, size=(2, count, 1, 1))
    y, x = np.mgrid[:size, :size]
    return np.rint(127 + 100 * np.sin(across * x + down * y + phase)).astype(np.uint8)


def write_patches(folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    patches = {"train": textures(np.random.default_rng(7), 300), "test": textures(generator, 30)}
    (folder / "bsds500").mkdir(exist_ok=True)
    np.savez(folder / "bsds500" / "patches_16x16.npz", **patches)
    monkeypatch.setenv("GNN_L2O_DATA", str(folder))
    return patches


def write_images(folder: Path, names: list[str], size: int = 40) -> Path:
    for name, picture in zip(names, textures(np.random.default_rng(3), len(names), size), strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / name)
    return folder


def test_it_is_the_lasso_of_the_paper_by_default() -> None:
    defaults = plugins.load("dataset", "bsds500").defaults
    assert (defaults["patch"], defaults["atoms"], defaults["l1_weight"]) == (10, 200, 0.05)


def test_pixels_are_spread_over_the_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = load(monkeypatch)
    problem = plugin(path_graph(3), seed=0)
    assert isinstance(problem, LeastSquares)
    assert isinstance(problem.regularizer, L1)
    assert sorted(problem.count.flatten().tolist()) == [5, 5, 6]
    rows, pixels = together(problem)
    assert rows.shape == (16, 20)
    np.testing.assert_allclose((rows**2).mean(axis=0), 1)  # every atom has mean square 1
    np.testing.assert_allclose([pixels.mean(), pixels.std()], [0, 1], atol=1e-12)
    other_rows, other_pixels = together(plugin(path_graph(16), seed=0))
    np.testing.assert_allclose(np.sort(rows, axis=0), np.sort(other_rows, axis=0))
    np.testing.assert_allclose(np.sort(pixels), np.sort(other_pixels))  # one seed, one patch


def test_a_code_is_sparse_and_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    problem = plugins.load("dataset", "bsds500:patch=6,atoms=60")(path_graph(4), seed=1)
    solution = solve(problem)
    assert 3 <= (solution.x != 0).sum() <= 30
    assert solution.value < 0.5 * problem.objective(torch.zeros(1, 60))


def test_more_nodes_than_pixels_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="a patch has 4 x 4 = 16 pixels, too few for 17 nodes; expected patch=5"):
        load(monkeypatch)(path_graph(17), seed=0)


def test_patches_of_the_folder_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patches = write_patches(tmp_path, monkeypatch)
    rows = patches["test"][:, :4, :4].reshape(30, 16).astype(float)
    normalized = np.sort((rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True), axis=1)
    plugin = load(monkeypatch)
    for seed in range(5):
        _, pixels = together(plugin(path_graph(5), seed=seed))
        assert np.abs(normalized - np.sort(pixels)).max(axis=1).min() < 1e-12  # one of the test patches


def test_the_dictionary_does_not_depend_on_what_is_coded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_patches(tmp_path, monkeypatch, seed=0)
    first = together(load(monkeypatch)(path_graph(1), seed=0))
    write_patches(tmp_path, monkeypatch, seed=1)
    second = together(load(monkeypatch)(path_graph(1), seed=0))
    np.testing.assert_array_equal(first[0], second[0])
    assert not np.allclose(first[1], second[1])


def test_the_dictionary_is_learned_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_patches(tmp_path, monkeypatch)
    first = load(monkeypatch)(path_graph(2), seed=0)
    again = load(monkeypatch)
    monkeypatch.setitem(again.function.__globals__, "_learn", None)
    assert torch.equal(again(path_graph(2), seed=0).features, first.features)
    other = load(monkeypatch, ",l1_weight=0.5")
    monkeypatch.setitem(other.function.__globals__, "_learn", None)
    assert torch.equal(other(path_graph(2), seed=0).features, first.features)
    monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path / "new"))
    assert torch.equal(load(monkeypatch)(path_graph(2), seed=0).features, first.features)  # and learned alike


def test_a_folder_of_images_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_patches(tmp_path, monkeypatch)
    write_images(tmp_path / "own", ["a.png", "b.JPG", "c.png", "notes/d.png"])
    plugin = load(monkeypatch, f",path={tmp_path / 'own'}")
    inside = plugin.function.__globals__
    train, test = inside["_in_folder"](tmp_path / "own")
    assert [f.name for f in train] == ["a.png", "c.png"]
    assert [f.name for f in test] == ["b.JPG", "d.png"]
    plugin(path_graph(2), seed=0)
    assert "own" in inside["_prepare"](4, 20, str(tmp_path / "own"), inside["local"](inside["FILE"])).source


def test_folders_train_and_test_say_which_is_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path, ["train/a.png", "train/b.png", "test/c.png", "val/d.png"])
    train, test = load(monkeypatch).function.__globals__["_in_folder"](tmp_path)
    assert [f.name for f in train] == ["a.png", "b.png"]
    assert [f.name for f in test] == ["c.png"]


def test_every_image_gives_equally_many_patches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = load(monkeypatch).function.__globals__
    for k in range(3):
        Image.new("L", (9, 5), 10 * k).save(tmp_path / f"{k}.png")
    patches = inside["_cut"](sorted(tmp_path.iterdir()), 20, 4)
    assert patches.shape == (20, 4, 4)
    assert sorted(np.unique(patches[:, 0, 0], return_counts=True)[1]) == [6, 7, 7]


def test_patches_are_cut_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    patches = load(monkeypatch).function.__globals__["_cut"]([tmp_path / "a.png"], 500, 4)
    corners = {int(c) for c in patches[:, 0, 0]}
    assert corners == {int(picture[i, j]) for i in range(3) for j in range(5)}
    np.testing.assert_array_equal(patches - patches[:, :1, :1], np.broadcast_to(picture[:4, :4], patches.shape))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "holds 0 images .* expected a folder with 2 or more"),
        (lambda folder: write_images(folder, ["a.png"]), "holds 1 images .* expected a folder with 2 or more"),
        (
            lambda folder: write_images(folder, ["a.png", "b.png"], size=3),
            "a.png has 3 x 3 pixels, too few for .* 4 x 4",
        ),
        (lambda folder: [(folder / n).write_bytes(b"?") for n in ("a.png", "b.png")], "cannot read the image .*a.png"),
        (
            lambda folder: [Image.new("L", (9, 9), 99).save(folder / n) for n in ("a.png", "b.png")],
            "all patches are flat",
        ),
    ],
)
def test_folders_that_cannot_be_used_are_refused(tmp_path, monkeypatch, make, message) -> None:
    make(tmp_path)
    with pytest.raises(InputError, match=message) as error:
        load(monkeypatch, f",path={tmp_path}")(path_graph(2), seed=0)
    assert "\n" not in str(error.value)


def test_stored_patches_have_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_patches(tmp_path, monkeypatch)
    with pytest.raises(InputError, match=r"patch must be at most 16.*got 17; path=FOLDER"):
        plugins.load("dataset", "bsds500:patch=17")(path_graph(2), seed=0)


def test_a_file_without_patches_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_patches(tmp_path, monkeypatch)
    np.savez(tmp_path / "bsds500" / "patches_16x16.npz", other=np.zeros(3))
    with pytest.raises(InputError, match="expected the arrays train and test") as error:
        load(monkeypatch)(path_graph(2), seed=0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("count", [0, 10, -200, -1])
def test_a_truncated_file_is_refused(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_patches(tmp_path, monkeypatch)
    path = tmp_path / "bsds500" / "patches_16x16.npz"
    path.write_bytes(path.read_bytes()[:count])
    with pytest.raises(InputError, match=f"^cannot read {path} .*expected the arrays train and test$"):
        load(monkeypatch)(path_graph(2), seed=0)


def test_arrays_that_are_no_patches_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_patches(tmp_path, monkeypatch)
    np.savez(tmp_path / "bsds500" / "patches_16x16.npz", train=np.zeros(3), test=np.zeros((2, 4, 4)))
    with pytest.raises(InputError, match=r"holds \(3,\) and \(2, 4, 4\); expected patches"):
        load(monkeypatch)(path_graph(2), seed=0)


def test_photographs_far_too_large_are_not_decoded(tmp_path: Path) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 5_000, 8, 0, 0, 0, 0)  # pillow only warns of 100 megapixels
    chunks = struct.pack(">I", 13) + header + struct.pack(">II", zlib.crc32(header), 100) + b"IDAT"
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    with pytest.raises(InputError, match=r"cannot read the image .*a.png .Image size .100000000 pixels. exceeds limit"):
        plugins.load("dataset", f"bsds500:path={tmp_path}")(path_graph(2), seed=0)


def test_learning_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(monkeypatch)(path_graph(2), seed=0)


def test_photographs_can_be_asked_for_where_there_are_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load(monkeypatch)(path_graph(2), seed=0)
    write_patches(tmp_path, monkeypatch)
    found = load(monkeypatch, ",photographs=true")(path_graph(2), seed=0)
    torch.testing.assert_close(found.features, expected.features, rtol=0, atol=0)
    assert found.source == expected.source == "scikit-learn's photographs, not BSDS500"
    with pytest.raises(InputError, match=r"either those in path=.* or scikit-learn's photographs, got both"):
        load(monkeypatch, f",photographs=true,path={tmp_path}")(path_graph(2), seed=0)
