"""Finding plug-in files, reading what stands behind a name, and the words for what does not fit."""

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
    """The folder of topologies beside which the user works."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "topologies"
    folder.mkdir()
    (folder / "echo.py").write_text(FILE)
    return folder


def test_dropping_a_file_in_registers_it(topologies: Path) -> None:
    assert {"echo", "ring"} <= set(plugins.available("topology"))
    assert plugins.load("topology", "echo")(3) == (3, 0, 0.5, None, False, "big", "a=b")
    (topologies / "echo.py").unlink()
    assert "echo" not in plugins.available("topology")


def test_the_users_file_goes_before_the_projects(topologies: Path) -> None:
    (topologies / "ring.py").write_text(FILE)
    assert plugins.load("topology", "ring")(3)[0] == 3


def test_files_that_begin_with_an_underscore_are_no_plug_ins(topologies: Path) -> None:
    (topologies / "_shared.py").write_text(FILE)
    assert "_shared" not in plugins.available("topology")
    with pytest.raises(InputError, match=r"^unknown topology '_shared'"):
        plugins.load("topology", "_shared")


def test_a_path_is_accepted_wherever_a_name_is(tmp_path: Path, topologies: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (topologies / "echo.py").rename(tmp_path / "elsewhere" / "mine.py")
    for path in (tmp_path / "elsewhere" / "mine.py", Path("elsewhere/mine.py")):
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
        ("def generate(nodes: int): ...", "generate() in FILE must take a seed, as in generate(..., *, seed: int)"),
        ("def generate(*, seed: int, p=1): ...", "parameter p of generate() in FILE must declare its type"),
    ],
)
def test_files_that_break_the_contract_are_refused(content: str, message: str, topologies: Path) -> None:
    (topologies / "echo.py").write_text(content)
    for attempt in (lambda: plugins.load("topology", "echo"), lambda: plugins.listing("topology")):
        with pytest.raises(InputError) as error:
            attempt()
        assert str(error.value) == message.replace("FILE", str(topologies / "echo.py"))


def test_every_plug_in_of_the_project_can_be_listed() -> None:
    for kind in plugins.FUNCTIONS:
        assert plugins.listing(kind)
        assert all(plugin.description for plugin in plugins.listing(kind))


def test_loading_leaves_no_module_behind_that_anybody_could_import() -> None:
    before = set(sys.modules)
    plugins.load("dataset", "lasso")
    assert not {name for name in set(sys.modules) - before if "lasso" in name}
