"""Imports run one way, from higher floors to lower ones."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "gnn_l2o"
FLOORS = (
    ("_version",),
    ("_utils",),
    ("plugins",),
    ("problems",),
    ("graph",),
    ("nn",),
    ("algorithms", "local_updates"),
    ("decentralized",),
    ("handcrafted", "learned", "limits"),
    ("step_sizes",),
    ("data",),
    ("training", "evaluation", "applications"),
    ("distributed",),
    ("testing", "cli"),
)
HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
EXCUSE = "# Type only:"
"""Begins the comment, on the line before, of an import upwards that exists for type checkers alone and says why."""


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Every import of the package in a module: its line, and what is imported with a dot in front of each name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] == "gnn_l2o")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide what is imported"
            if node.module == "gnn_l2o":
                yield from ((node.lineno, f"gnn_l2o.{alias.name}") for alias in node.names)
            elif node.module and node.module.startswith("gnn_l2o."):
                yield node.lineno, node.module


def violations(room: str, source: str) -> list[str]:
    """Imports of a module in this room that run upwards or sideways, or name the roof."""
    lines = source.splitlines()
    found = []
    for line, name in imports(source):
        excused = line > 1 and lines[line - 2].strip().startswith(EXCUSE)
        target = name.split(".")[1] if "." in name else ""
        if target not in HEIGHT:
            found.append(f"line {line}: {name} is the root package, which imports all rooms")
        elif target != room and HEIGHT[target] >= HEIGHT[room] and not excused:
            found.append(f"line {line}: {name} is not below {room}")
    return found


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_run_downwards(file: Path) -> None:
    assert not violations(room_of(file), file.read_text(encoding="utf-8"))


def test_every_room_has_a_floor() -> None:
    assert {room_of(file) for file in FILES} <= set(HEIGHT)


def test_the_version_imports_nothing() -> None:
    tree = ast.parse((PACKAGE / "_version.py").read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_the_root_package_imports_nothing_but_the_version_at_once() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    at_once = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert [module for module in at_once if module and module.startswith("gnn_l2o")] == ["gnn_l2o._version"]


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("graph", "from gnn_l2o.problems.problem import Problem"),
        ("learned", "def f():\n    import gnn_l2o.nn.rule"),
        ("testing", "from gnn_l2o import plugins"),
        ("problems", "if TYPE_CHECKING:\n    # Type only: it is given one.\n    from gnn_l2o.graph import Network"),
    ],
)
def test_imports_of_lower_floors_pass(room: str, source: str) -> None:
    assert not violations(room, source)


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("problems", "from gnn_l2o.graph import Network"),
        ("problems", "if TYPE_CHECKING:\n    from gnn_l2o.graph import Network"),
        ("handcrafted", "from gnn_l2o import learned"),
        ("nn", "def f():\n    import gnn_l2o.algorithms.base"),
        ("training", "from gnn_l2o.evaluation import evaluate"),
        ("evaluation", "import gnn_l2o"),
        ("evaluation", "from gnn_l2o import __version__"),
        ("_utils", "from gnn_l2o.plugins import load"),
    ],
)
def test_other_imports_are_caught(room: str, source: str) -> None:
    assert len(violations(room, source)) == 1
