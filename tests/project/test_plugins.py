"""Finding plug-in files, reading what stands behind a name, and the words for what does not fit."""

import importlib
import inspect
import sys
from pathlib import Path

import pytest

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError

FILE = '''
from typing import Literal

def generate(nodes: int, *, seed: int = 0, p: float = 0.5, k: int | None = None, loop: bool = False,
             kind: Literal["big", "small"] | None = "big", text: str = "a=b"):
    """Echo: returns what it was given."""
    return nodes, seed, p, k, loop, kind, text
'''


@pytest.fixture
def topologies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of topologies of a checkout, with one file; the working directory is another folder."""
    monkeypatch.setattr(plugins, "PROJECT", tmp_path / "checkout")
    folder = tmp_path / "checkout" / "topologies"
    folder.mkdir(parents=True)
    (folder / "echo.py").write_text(FILE)
    (folder / "ring.py").write_text(FILE)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


def test_dropping_a_file_in_registers_it(topologies: Path) -> None:
    assert plugins.available("topology") == ["echo", "ring"]
    assert plugins.load("topology", "echo")(3) == (3, 0, 0.5, None, False, "big", "a=b")
    (topologies / "echo.py").unlink()
    assert plugins.available("topology") == ["ring"]


def test_the_working_directory_is_looked_into_by_path_only(topologies: Path) -> None:
    for name in ("ring", "mine"):
        path = Path("topologies") / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("def generate(nodes: int, *, seed: int): return 'mine'")
    assert plugins.load("topology", "ring").path == topologies / "ring.py"
    assert plugins.load("topology", "topologies/ring.py")(3, seed=0) == "mine"
    assert "mine" not in plugins.available("topology")
    with pytest.raises(InputError, match=r"^unknown topology 'mine'; did you mean the file topologies/mine\.py\?"):
        plugins.load("topology", "mine")


def test_an_installed_package_brings_its_own_content(topologies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = topologies.parent / "gnn_l2o" / "_content"
    monkeypatch.setattr(plugins, "PACKAGE", inside.parent)
    (inside / "topologies").mkdir(parents=True)
    (inside / "topologies" / "carried.py").write_text(FILE)
    assert plugins.available("topology") == ["carried"]
    assert plugins.available("dataset") == []


def test_listing_executes_nothing_and_loading_one_file(topologies: Path) -> None:
    for name in ("echo", "ring"):
        (topologies / f"{name}.py").write_text(f"{FILE}\nfrom pathlib import Path\nPath('{name}').touch()")
    assert [p.usage for p in plugins.listing("topology")] == [
        f"{name}:p=0.5,k=none,loop=false,kind=big,text=a=b" for name in ("echo", "ring")
    ]
    plugins.overview()
    assert not list(Path().iterdir())
    plugins.load("topology", "ring")
    assert [path.name for path in Path().iterdir()] == ["ring"]


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("def generate(nodes:", "FILE, line 1: '(' was never closed"),
        ("x = 1", "FILE does not define generate(); every topology file must"),
    ],
)
def test_what_cannot_be_read_is_listed_with_a_note(content: str, note: str, topologies: Path) -> None:
    (topologies / "echo.py").write_text(content)
    broken, whole = plugins.listing("topology")
    assert (broken.usage, broken.note) == ("echo", note.replace("FILE", str(topologies / "echo.py")))
    assert not whole.note
    assert f"  echo\n      cannot be used: {broken.note}\n  ring:p=" in plugins.overview("topology")


def test_files_that_begin_with_an_underscore_are_no_plug_ins(topologies: Path) -> None:
    (topologies / "_shared.py").write_text(FILE)
    assert "_shared" not in plugins.available("topology")
    with pytest.raises(InputError, match=r"^unknown topology '_shared'"):
        plugins.load("topology", "_shared")


def test_a_path_is_accepted_wherever_a_name_is(tmp_path: Path, topologies: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (topologies / "echo.py").rename(tmp_path / "elsewhere" / "mine.py")
    for path in (tmp_path / "elsewhere" / "mine.py", Path("../elsewhere/mine.py")):
        plugin = plugins.load("topology", f"{path}:p=0.25")
        assert plugin.name == "mine"
        assert plugin(3, seed=4)[:3] == (3, 4, 0.25)


def test_parameters_take_their_declared_types(topologies: Path) -> None:
    plugin = plugins.load("topology", "echo:p=1e-3, k=7,loop=True,kind=small,text=x=y")
    assert plugin.parameters == {"p": 1e-3, "k": 7, "loop": True, "kind": "small", "text": "x=y"}
    assert plugins.load("topology", "echo:k=none").parameters == {"k": None}
    assert plugins.load("topology", "echo:").parameters == {}


def test_usage_may_be_typed_as_it_is_shown(topologies: Path) -> None:
    [plugin] = [p for p in plugins.listing("topology") if p.name == "echo"]
    assert plugin.usage == "echo:p=0.5,k=none,loop=false,kind=big,text=a=b"
    assert plugin.description == "Echo: returns what it was given."
    assert plugins.load("topology", plugin.usage)(3) == plugin(3)


def test_a_parameter_without_default_must_be_given(topologies: Path) -> None:
    (topologies / "echo.py").write_text("def generate(nodes: int, *, seed: int, path: str):\n    return path")
    with pytest.raises(InputError, match=r"^topology echo needs path=\.\.\., as in echo:path=VALUE$"):
        plugins.load("topology", "echo")
    [plugin] = [p for p in plugins.listing("topology") if p.name == "echo"]
    assert plugin.usage == "echo:path=PATH"
    assert plugin.defaults == {"path": inspect.Parameter.empty}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("rng", "unknown topology 'rng'; did you mean 'ring'? (known: "),
        ("mine/ring.py", "there is no topology file mine/ring.py"),
        ("echo:q=1", "unknown parameter of topology echo: 'q' (known: k, kind, loop, p, text)"),
        ("echo:tex=1", "unknown parameter of topology echo: 'tex'; did you mean 'text'? (known: "),
        ("echo:seed=1", "unknown parameter of topology echo: 'seed'"),
        ("echo:p", "topology echo: cannot read 'p'; expected key=value"),
        ("echo:p=much", "topology echo: p: expected float, got 'much'"),
        ("echo:k=1.5", "topology echo: k: expected int, got '1.5'"),
        ("echo:loop=yes", "topology echo: loop: expected true or false, got 'yes'"),
        ("echo:kind=bigg", "topology echo: kind: unknown value 'bigg'; did you mean 'big'? (known: big, small)"),
    ],
)
def test_what_does_not_fit_is_named_in_one_line(spec: str, message: str, topologies: Path) -> None:
    with pytest.raises(InputError) as error:
        plugins.load("topology", spec)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 1", "FILE does not define generate(); every topology file must"),
        (
            "\ndef generate(nodes: int): ...",
            "FILE, line 2: generate() must take a seed, as in generate(nodes, *, seed: int)",
        ),
        (
            "def generate(*, seed: int, p=1): ...",
            "FILE, line 1: parameter p of generate() must declare its type",
        ),
        (
            "def generate(n, *, seed: int): ...",
            "FILE, line 1: the first parameter of generate() must be 'nodes', got 'n'",
        ),
        (
            "def generate(nodes, p: float = 0.5, *, seed: int): ...",
            "FILE, line 1: parameter p of generate() must stand behind a *, as keyword argument",
        ),
        (
            "from __future__ import annotations\ndef generate(*, seed: int, p: Mine = 1): ...",
            "FILE, line 2: a declared type cannot be read: name 'Mine' is not defined",
        ),
        ("def generate(nodes, *, seed: int):\nreturn", "FILE, line 2: expected an indented block after"),
        ("def generate(nodes, *, seed: int): ...\n\n1 / 0", "FILE, line 3: ZeroDivisionError: division by zero"),
        (
            "def generate(nodes, *, seed: int): ...\nimport no_such",
            "FILE, line 2: ModuleNotFoundError: No module named",
        ),
    ],
)
def test_files_that_break_the_contract_are_refused_by_line(content: str, message: str, topologies: Path) -> None:
    (topologies / "echo.py").write_text(content)
    with pytest.raises(InputError) as error:
        plugins.load("topology", "echo")
    assert str(error.value).startswith(message.replace("FILE", str(topologies / "echo.py")))
    assert "\n" not in str(error.value)


def test_a_dataset_takes_the_network(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def sample(*, seed: int): ...")
    with pytest.raises(InputError, match=r"line 1: the first parameter of sample\(\) must be 'network', got none$"):
        plugins.load("dataset", str(path))


def test_a_default_that_is_no_literal_is_shown_as_written(topologies: Path) -> None:
    (topologies / "echo.py").write_text("HALF = 0.5\ndef generate(nodes: int, *, seed: int, p: float = HALF): return p")
    assert plugins.listing("topology")[0].usage == "echo:p=HALF"
    assert plugins.load("topology", "echo")(3, seed=0) == 0.5


@pytest.mark.parametrize("kind", plugins.FOLDERS)
def test_all_content_of_the_project_can_be_listed(kind: plugins.Content) -> None:
    entries = plugins.listing(kind)
    assert [entry.name for entry in entries] == plugins.available(kind) != []
    assert all(entry.description and not entry.note and "\n" not in entry.description for entry in entries)


def test_what_is_declared_is_what_the_functions_take() -> None:
    for kind in plugins.FUNCTIONS:
        for plugin in plugins.listing(kind):
            parameters = inspect.signature(plugin.function).parameters.values()
            found = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "seed"}
            assert plugin.defaults == found, plugin.name


def test_descriptions_of_models_and_presets_are_first_lines(topologies: Path) -> None:
    models, presets = topologies.parent / "models", topologies.parent / "presets"
    for name in ("told", "bare"):
        (models / name).mkdir(parents=True)
        (models / name / "recipe.toml").touch()
    (models / "told" / "card.md").write_text("# told\n\nA learned\noptimizer (Lv et al. 2017). It runs.\n\n## More\n")
    presets.mkdir()
    (presets / "good.toml").write_text('description = "First.\\nSecond."')
    (presets / "torn.toml").write_text("description = ")
    assert [(m.name, m.description) for m in plugins.listing("model")] == [
        ("bare", ""),
        ("told", "A learned optimizer (Lv et al. 2017)."),
    ]
    good, torn = plugins.listing("preset")
    assert (good.description, good.note) == ("First.", "")
    assert torn.note.startswith(f"{presets / 'torn.toml'} cannot be read: ")
    assert plugins.overview("model").splitlines() == [
        "models:",
        "  bare",
        "  told",
        "      A learned optimizer (Lv et al. 2017).",
    ]


def test_loading_leaves_no_module_behind_that_anybody_could_import() -> None:
    plugins.load("dataset", "lasso")
    assert "lasso" not in sys.modules and "datasets.lasso" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("lasso")
