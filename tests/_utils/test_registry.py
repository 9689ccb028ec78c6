"""Classes by name, by entry point and by file, and loading files by path."""

import importlib.metadata
import pickle
import sys
import types
from pathlib import Path

import pytest

import gnn_l2o
from gnn_l2o._utils import registry as module
from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.modules import load_module
from gnn_l2o._utils.registry import Registry
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.handcrafted import HANDCRAFTED, ProxED
from gnn_l2o.learned import TUNED
from tests._utils.gadgets import Gadget, Hammer, Saw

ONE = """
from tests._utils.gadgets import Gadget, Saw

class Base(Gadget):
    name = "base"

class Mine(Base):
    name = "mine"

    def use(self):
        return 7
"""


@pytest.fixture
def gadgets(monkeypatch: pytest.MonkeyPatch) -> Registry[Gadget]:
    monkeypatch.setattr(module, "_REGISTRIES", list(module._REGISTRIES))
    return Registry("gadget", Gadget)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(ONE)
    return Path("mine.py")


def offer(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    """Let an installed package offer gadgets."""

    def entry_points(*, group: str) -> importlib.metadata.EntryPoints:
        offered = [importlib.metadata.EntryPoint(k, v, "gnn_l2o.gadgets") for k, v in points.items()]
        return importlib.metadata.EntryPoints(offered if group == "gnn_l2o.gadgets" else [])

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


def test_a_registered_class_is_found_by_name(gadgets: Registry[Gadget]) -> None:
    assert gadgets.register(Saw) is gadgets.register(Saw) is Saw
    gadgets.register(Hammer)
    assert gadgets["saw"] is Saw and "saw" in gadgets and "sew" not in gadgets
    assert gadgets.names() == list(gadgets) == ["hammer", "saw"]
    assert gadgets.values() == [Hammer, Saw]
    assert len(gadgets) == 2
    with pytest.raises(InputError, match=r"^unknown gadget 'sawn'; did you mean 'saw'\? \(known: hammer, saw\)$"):
        gadgets["sawn"]


def test_a_name_belongs_to_one_class(gadgets: Registry[Gadget]) -> None:
    gadgets.register(Saw)
    other = type("Other", (Hammer,), {"name": "saw"})
    with pytest.raises(InputError, match=r"^gadget 'saw' is registered already, by .*gadgets\.Saw; .* of Other$"):
        gadgets.register(other)
    assert gadgets["saw"] is Saw


def test_a_class_whose_module_is_executed_again_replaces_itself(gadgets: Registry[Gadget]) -> None:
    gadgets.register(Saw)
    again = type("Saw", (Hammer,), {"name": "saw", "__module__": Saw.__module__})
    assert gadgets.register(again) is gadgets["saw"] is again


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (3, "a gadget derives from Gadget, got 3"),
        (Path, "a gadget derives from Gadget, got <class 'pathlib"),
        (Gadget, "Gadget is abstract; a gadget must define use"),
        (type("Bare", (Gadget,), {"use": lambda self: 1}), 'Bare needs a name, as in name = "mine"'),
        (type("Empty", (Hammer,), {"name": ""}), 'Empty needs a name, as in name = "mine"'),
    ],
)
def test_what_cannot_be_a_member_is_refused(gadgets: Registry[Gadget], member: type, message: str) -> None:
    with pytest.raises(InputError) as error:
        gadgets.register(member)
    assert str(error.value).startswith(message)
    assert gadgets.names() == []


def test_the_base_class_decides_where_register_puts_a_class(gadgets: Registry[Gadget]) -> None:
    hammers: Registry[Hammer] = Registry("hammer", Hammer)
    assert gnn_l2o.register(Saw) is Saw
    assert (gadgets.names(), hammers.names()) == ([], ["saw"])
    with pytest.raises(InputError, match=r"derives from no base class that can be registered \(.*Gadget.*Tunable"):
        gnn_l2o.register(Path)  # type: ignore[type-var]


def test_entry_points_are_known_without_an_import(gadgets: Registry[Gadget], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "offered_gadgets", None)  # importing it would raise ImportError
    offer(monkeypatch, axe="offered_gadgets:Axe")
    assert gadgets.names() == ["axe"] and "axe" in gadgets
    with pytest.raises(InputError, match=r"^gadget 'axe' cannot be imported from offered_gadgets:Axe: "):
        gadgets["axe"]
    package = types.ModuleType("offered_gadgets")
    package.Axe = type("Axe", (Hammer,), {"name": "axe"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "offered_gadgets", package)
    assert gadgets["axe"] is gadgets["axe"] is package.Axe
    package.Axe.name = "ax"
    assert "axe" in gadgets.names()


def test_entry_points_keep_to_their_names(gadgets: Registry[Gadget], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "offered_gadgets", types.SimpleNamespace(Saw=Saw, hut=3))
    offer(monkeypatch, axe="offered_gadgets:Saw", hut="offered_gadgets:hut", saw="offered_gadgets:hut")
    with pytest.raises(InputError, match=r"^offered_gadgets:Saw is called 'saw', but offered as gadget 'axe'$"):
        gadgets["axe"]
    with pytest.raises(InputError, match=r"^a gadget derives from Gadget, got 3$"):
        gadgets["hut"]
    gadgets.register(Saw)
    assert gadgets["saw"] is Saw  # what is registered takes precedence


def test_groups_of_entry_points_are_plurals() -> None:
    registries = {registry.group for registry in module._REGISTRIES}
    assert "gnn_l2o.methods" in registries
    assert Registry("loss", Gadget).group == "gnn_l2o.losses"
    assert Registry("learned optimizer", Gadget).group == "gnn_l2o.learned_optimizers"
    del module._REGISTRIES[-2:]


def test_a_file_stands_for_its_one_class(gadgets: Registry[Gadget], mine: Path) -> None:
    found = gadgets[str(mine)]
    assert found.name == "mine" and found().use() == 7
    assert gadgets[str(mine)] is found is gadgets["mine.py::Mine"] is gadgets[str(mine.resolve())]
    assert type(pickle.loads(pickle.dumps(found()))) is found
    assert gadgets.names() == []  # a path makes no name known
    mine.write_text(ONE.replace("7", "8"))
    assert gadgets[str(mine)]().use() == 8


def test_a_file_with_several_classes_needs_the_name_of_one(gadgets: Registry[Gadget], mine: Path) -> None:
    mine.write_text(ONE + '\nclass Yours(Mine):\n    name = "yours"\n')
    assert gadgets["mine.py::Yours"].name == "yours"
    for spec, message in {
        "mine.py": r"^mine\.py defines 2 classes that derive from Gadget; expected one, or one by .* mine\.py::Mine$",
        "mine.py::Your": r"^unknown gadget in mine\.py: 'Your'; did you mean 'Yours'\? \(known: Mine, Yours\)$",
        "mine.py::Base": r"^Base is abstract; a gadget must define use$",
    }.items():
        with pytest.raises(InputError, match=message):
            gadgets[spec]


def test_files_without_a_class_or_with_a_name_that_is_taken_are_refused(gadgets: Registry[Gadget], mine: Path) -> None:
    gadgets.register(Saw)
    mine.write_text(ONE.replace('"mine"', '"saw"'))
    with pytest.raises(
        InputError, match=r"^gadget 'saw' is registered already, by .*Saw; expected another name of Mine"
    ):
        gadgets["mine.py"]
    mine.write_text("x = 1")
    with pytest.raises(InputError, match=r"^mine\.py defines 0 classes that derive from Gadget; expected one$"):
        gadgets["mine.py"]
    with pytest.raises(InputError, match=r"^there is no gadget file nowhere\.py$"):
        gadgets["nowhere.py"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 1\n\n1 / 0", ", line 3: ZeroDivisionError: division by zero"),
        ("def f():\n    raise OSError('two\\nlines')\n\nf()", ", line 2: OSError: two lines"),
        ("x = (", ", line 1: SyntaxError: '(' was never closed"),
        ("import json\njson.loads('x')", ", line 2: JSONDecodeError: "),
    ],
)
def test_a_file_that_raises_is_named_by_line(mine: Path, content: str, message: str) -> None:
    mine.write_text(content)
    before = set(sys.modules)
    with pytest.raises(InputError) as error:
        load_module("gadget", mine)
    assert str(error.value).startswith(f"{mine.resolve()}{message}")
    assert error.value.__cause__ is not None
    assert not [name for name in set(sys.modules) - before if "plugin" in name]


def test_a_file_of_another_kind_is_refused(mine: Path) -> None:
    mine.rename("mine.txt")
    with pytest.raises(InputError, match=r"^mine\.txt is no Python file; the name of a gadget file ends in \.py$"):
        load_module("gadget", "mine.txt")


def test_all_methods_with_parameters_are_registered() -> None:
    assert {**HANDCRAFTED, **TUNED}.items() <= {name: METHODS[name] for name in METHODS}.items()
    assert METHODS["prox_ed"] is ProxED
