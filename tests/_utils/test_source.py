"""Hashes of code: what changes them, what does not, and how far imports are followed."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gnn_l2o._utils import source
from gnn_l2o._utils.source import source_fingerprint
from gnn_l2o.evaluation.tuning import tune
from gnn_l2o.handcrafted import DSGD

METHOD = '''
"""A method."""

from typing import TYPE_CHECKING

import numpy
import helper
from gnn_l2o.handcrafted import DSGD

if TYPE_CHECKING:
    import typed

class Mine(DSGD):
    """Mine."""

    def step(self, x):
        # a comment
        return helper.half(x)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(METHOD)
    (tmp_path / "helper.py").write_text("import third\n\ndef half(x):\n    return x / 2\n")
    (tmp_path / "third.py").write_text("from fourth import Part\n")
    (tmp_path / "fourth").mkdir()
    (tmp_path / "fourth" / "__init__.py").write_text("from .parts import Part\n")
    (tmp_path / "fourth" / "parts.py").write_text("class Part: ...\n")
    for name in ("typed", "unused"):
        (tmp_path / f"{name}.py").write_text("x = 1\n")
    return tmp_path


def found(folder: Path, monkeypatch: pytest.MonkeyPatch, register: bool = True) -> str:
    """The hash of the method in the folder, loaded as a plug-in."""
    monkeypatch.syspath_prepend(folder)
    for name in ("helper", "third", "fourth", "fourth.parts", "mine"):
        sys.modules.pop(name, None)
    spec = importlib.util.spec_from_file_location("mine", folder / "mine.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if register:
        monkeypatch.setitem(sys.modules, "mine", module)
    spec.loader.exec_module(module)
    return source_fingerprint(module.Mine)


@pytest.mark.parametrize(
    ("file", "old", "new", "matters"),
    [
        ("mine.py", "helper.half(x)", "helper.half(x) + 0", True),
        ("mine.py", "# a comment", "# another comment\n", False),
        ("mine.py", '"""Mine."""', '"""Other."""', False),
        ("mine.py", '"""A method."""', "", False),
        ("helper.py", "x / 2", "x / 3", True),
        ("helper.py", "x / 2", "(x /  2)", False),
        ("third.py", "Part", "Part as Piece", True),
        ("fourth/__init__.py", "parts", "parts ", False),
        ("fourth/parts.py", "...", "y = 1", True),
        ("typed.py", "1", "2", False),
        ("unused.py", "1", "2", False),
    ],
)
@pytest.mark.parametrize("register", [True, False])
def test_code_counts_and_comments_do_not(
    file: str, old: str, new: str, matters: bool, register: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = found(folder, monkeypatch, register)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    assert (found(folder, monkeypatch, register) != before) == matters


def files_of(monkeypatch: pytest.MonkeyPatch, *things: Callable[..., Any]) -> set[str]:
    read: set[str] = set()
    original = Path.read_text

    def read_text(self: Path, *args: Any, **kwargs: Any) -> str:
        read.add(str(self.relative_to(source.PACKAGE) if source.PACKAGE in self.parents else self))
        return original(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", read_text)
        source_fingerprint(*things)
    return read


def test_tuning_depends_on_no_figure_and_on_no_other_library(monkeypatch: pytest.MonkeyPatch) -> None:
    read = files_of(monkeypatch, tune, DSGD)
    assert {"evaluation/tuning.py", "handcrafted/dsgd.py", "graph/network.py", "problems/neural.py"} <= read
    assert not {"evaluation/figures.py", "handcrafted/nids.py", "__init__.py"} & read
    assert not [name for name in read if name.startswith("/")]


def test_what_is_imported_on_demand_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "mine.py").write_text("import gnn_l2o\n\ndef mine():\n    return gnn_l2o.build_network('ring', 3)\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    import mine  # type: ignore[import-not-found]

    assert "graph/build.py" in files_of(monkeypatch, mine.mine)


def test_classes_typed_at_a_prompt_have_hashes_too() -> None:
    made = []
    for step, base in (("return 1", "DSGD"), ("return 1", "DSGD"), ("return 2", "DSGD"), ("return 1", "object")):
        inside: dict[str, Any] = {"DSGD": DSGD, "__name__": "typed_at_a_prompt"}
        exec(f"class Mine({base}):\n    def step(self):\n        {step}\n", inside)
        made.append(source_fingerprint(inside["Mine"]))
    assert made[0] == made[1]
    assert len(set(made)) == 3


def test_hashes_are_the_same_in_another_process() -> None:
    code = "from gnn_l2o._utils.source import *; print(source_fingerprint(source_fingerprint))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=source.PACKAGE.parent
    )
    assert done.stdout.strip() == source_fingerprint(source_fingerprint)
