"""Damaged files for ``fuzz.py``: whole ones of every kind that the commands read, and ways to damage them."""

from __future__ import annotations

import contextlib
import gzip
import io
import re
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import networkx as nx
import numpy as np

from benchmarks.fuzz_lines import EVALUATE, TRAIN, Line
from gnn_l2o.cli import evaluate, train

PRESET = 'description = "One."\n[[run]]\nname = "a"\ndataset = ["lasso:features=6,samples=4"]\nnodes = [4]\n'
VALUES = ["-1", "0", "1e999", "NaN", '"x"', "null", "[]", "{}", "true", "9" * 30, "[" * 5000, "'", "\\u0000"]

Damage = Callable[[bytes, np.random.Generator], bytes]


def flip(content: bytes, random: np.random.Generator) -> bytes:
    """Return the content with up to eight bytes changed."""
    damaged = bytearray(content)
    for place in random.integers(len(content), size=random.integers(1, 9)):
        damaged[place] ^= int(random.integers(1, 256))
    return bytes(damaged)


def truncate(content: bytes, random: np.random.Generator) -> bytes:
    """Return the beginning of the content, perhaps nothing."""
    return content[: random.integers(len(content))]


def replace(content: bytes, random: np.random.Generator) -> bytes:
    """Return the content with another value for a number or word; in packed data, with a part zeroed."""
    words = list(re.finditer(rb'"[^"]*"|[\w.+-]+', content))
    if b"\0" in content or not words:
        start, stop = sorted(random.integers(len(content), size=2))
        return content[:start] + bytes(stop - start) + content[stop:]
    start, stop = words[random.integers(len(words))].span()
    return content[:start] + str(random.choice(VALUES)).encode() + content[stop:]


def lengthen(content: bytes, random: np.random.Generator) -> bytes:
    """Return the content twice."""
    return content * 2


DAMAGES: dict[str, Damage] = {f.__name__: f for f in (flip, truncate, replace, lengthen)}


def repack(damage: Damage) -> Damage:
    """Return a damage to what is packed by gzip, so that its checksum holds."""
    return lambda content, random: gzip.compress(damage(gzip.decompress(content), random))


def damaged_calls(random: np.random.Generator, count: int, folder: Path) -> Iterator[tuple[str, list[str], Path]]:
    """Yield calls that read a damaged file: the command, its arguments and the output folder.

    Args:
        random: the source of randomness.
        count: how many.
        folder: the working directory, prepared for random lines.
    """
    if not count:
        return
    whole = folder / "whole"
    _write_whole(whole, folder / "data")
    files = sorted(FILES)
    for number in range(count):
        name = files[number % len(files)]
        command, line, copied = FILES[name]
        room = folder / f"file{number}"
        shutil.copytree(whole, room) if copied else room.mkdir()
        source = whole / name if (whole / name).exists() else folder / "data" / name
        damaged = room / name if copied else folder / "data" / name
        content, damage = source.read_bytes(), list(DAMAGES.values())[random.integers(len(DAMAGES))]
        if name.endswith(".gz") and random.random() < 0.7:
            damage = repack(damage)
        damaged.write_bytes(damage(content, random))
        yield (
            command,
            [part.replace("ROOM", str(room)) for flag, given in line for part in (flag, *given)],
            room / "out",
        )
        damaged.write_bytes(content)


def _changed(line: Line, *others: tuple[str, list[str]]) -> Line:
    return list({**dict(line), **dict(others)}.items())


_MODEL = _changed(EVALUATE, ("--model", ["ROOM/model"]), ("--algorithms", ["none"]))
_IMAGES = _changed(EVALUATE, ("--dataset", ["mlp:shrink=14,width=1,samples=2,test_samples=2"]), ("--iterations", ["1"]))
_PATCHES = _changed(EVALUATE, ("--dataset", ["bsds500:patch=2,atoms=2"]), ("--iterations", ["1"]))
_RECIPE: Line = [("--recipe", ["ROOM/model/recipe.toml"])]
FILES: dict[str, tuple[str, Line, bool]] = {
    # What is damaged, in a copy of the whole files or among the data; the call that reads it; whether it is a copy.
    "out/results.json": ("evaluate.py", [*EVALUATE, ("--resume", [])], True),
    "model/recipe.toml": ("evaluate.py", _MODEL, True),
    "./model/recipe.toml": ("train_gnn.py", _RECIPE, True),
    "model/weights.safetensors": ("evaluate.py", _MODEL, True),
    "model/checkpoint.pt": ("train_gnn.py", [("--resume", [])], True),
    "preset.toml": ("evaluate.py", [*EVALUATE, ("--preset", ["ROOM/preset.toml"])], True),
    "stages.json": ("train_gnn.py", _changed(TRAIN, ("--stages_config", ["ROOM/stages.json"])), True),
    "graph.npy": ("evaluate.py", _changed(EVALUATE, ("--topology", ["from_file:path=ROOM/graph.npy"])), True),
    "graph.gml": ("evaluate.py", _changed(EVALUATE, ("--topology", ["from_file:path=ROOM/graph.gml"])), True),
    "graph.graphml": ("evaluate.py", _changed(EVALUATE, ("--topology", ["from_file:path=ROOM/graph.graphml"])), True),
    "mnist/train-images-idx3-ubyte.gz": ("evaluate.py", _IMAGES, False),
    "mnist/train-labels-idx1-ubyte.gz": ("evaluate.py", _IMAGES, False),
    "bsds500/patches_16x16.npz": ("evaluate.py", _PATCHES, False),
    "adult/adult_train.csv.gz": ("evaluate.py", _changed(EVALUATE, ("--dataset", ["census:samples=2"])), False),
}


def _write_whole(whole: Path, data: Path) -> None:
    whole.mkdir()
    (whole / "preset.toml").write_text(PRESET)
    shutil.copy("stages.json", whole)
    graph = nx.path_graph(4)
    np.save(whole / "graph.npy", nx.to_numpy_array(graph))
    nx.write_gml(graph, whole / "graph.gml")
    nx.write_graphml(graph, whole / "graph.graphml")
    random = np.random.default_rng(0)
    for name in ("mnist", "bsds500", "adult"):
        (data / name).mkdir()
    for name, count in (("train", 20), ("t10k", 4)):
        for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            header = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
            content = header + random.integers(10, size=shape, dtype=np.uint8).tobytes()
            (data / f"mnist/{name}-{kind}-ubyte.gz").write_bytes(gzip.compress(content))
    patches = random.integers(256, size=(2, 30, 4, 4), dtype=np.uint8)
    np.savez(data / "bsds500/patches_16x16.npz", train=patches[0], test=patches[1])
    row = "39,State-gov,77516,Bachelors,13,Never-married,Adm-clerical,Husband,White,Male,{},0,40,United-States,{}50K\n"
    rows = ",".join("abcdefghijklmno") + "\n" + "".join(row.format(k, "<=" if k % 2 else ">") for k in range(12))
    (data / "adult/adult_train.csv.gz").write_bytes(gzip.compress(rows.encode()))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for main, line, output in ((evaluate.main, EVALUATE, "out"), (train.main, TRAIN, "model")):
            main([*(part for flag, given in line for part in (flag, *given)), "--output", str(whole / output)])
