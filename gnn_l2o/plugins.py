"""Finds the content of ``topologies/``, ``datasets/``, ``models/`` and ``presets/``, and loads files of the first two.

These folders hold content, not packages: adding a file to one of them registers the file. The one public function of a
topology or dataset takes its parameters as keyword arguments with a type and a default; the same parameters may follow
the name on the command line, ``erdos_renyi:p=0.3``. A path stands for a file outside these folders.

Listing reads the files and executes none of them.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o._utils.modules import load_module
from gnn_l2o._utils.parse import read_toml
from gnn_l2o._utils.signature import REQUIRED, Signature, read_signature

Kind = Literal["topology", "dataset"]
Content = Literal["topology", "dataset", "model", "preset"]

FOLDERS: Mapping[str, str] = {"topology": "topologies", "dataset": "datasets", "model": "models", "preset": "presets"}
FUNCTIONS: Mapping[Kind, str] = {"topology": "generate", "dataset": "sample"}

PACKAGE = Path(__file__).resolve().parent
PROJECT = PACKAGE.parent


@dataclass(frozen=True)
class Entry:
    """One line of a listing.

    Attributes:
        name: of the file or folder, without an ending.
        path: of the file or folder.
        description: one line, perhaps empty.
        note: why the entry cannot be used as it is; empty if it can.
    """

    name: str
    path: Path
    description: str = ""
    note: str = ""

    @property
    def usage(self) -> str:
        """What to type, with all parameters at their defaults."""
        return self.name


@dataclass(frozen=True)
class Plugin(Entry):
    """A topology or dataset together with the parameters chosen for its function.

    Attributes:
        kind: ``"topology"`` or ``"dataset"``.
        spec: what named the plug-in, ``"erdos_renyi:p=0.3"``.
        parameters: those that were given.
        signature: what the function declares; ``None`` if the file cannot be read, see ``note``.
    """

    kind: Kind = "topology"
    spec: str = ""
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    signature: Signature | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs, **self.parameters)

    @cached_property
    def function(self) -> Callable[..., Any]:
        """What the file defines, ``generate`` or ``sample``; the file is executed when this is first asked for.

        Raises:
            InputError: executing the file raises an exception.
        """
        function: Callable[..., Any] = getattr(load_module(self.kind, self.path), FUNCTIONS[self.kind])
        return function

    @property
    def place(self) -> str:
        """Where the function stands, ``"mine.py, line 3"``."""
        return f"{self.path}, line {self.signature.line}" if self.signature else str(self.path)

    @property
    def defaults(self) -> dict[str, Any]:
        """The parameters that may be given, with their defaults (``inspect.Parameter.empty``: must be given)."""
        declared = {} if self.signature is None else self.signature.defaults
        return {name: default for name, default in declared.items() if name != "seed"}  # the seed has its own flag

    @property
    def usage(self) -> str:
        """The name with all its parameters at their defaults, as a user may type it: ``"grid:rows=none"``."""
        values = ",".join(f"{name}={_spell(name, default)}" for name, default in self.defaults.items())
        return f"{self.name}:{values}" if values else self.name


def folders(kind: Content) -> list[Path]:
    """Return where content of this kind is found by name: in the installed package, in a checkout beside it."""
    inside = PACKAGE / "_content"
    folder = (inside if inside.is_dir() else PROJECT) / FOLDERS[kind]
    return [folder] if folder.is_dir() else []


def available(kind: Content) -> list[str]:
    """Return the names of all content of this kind, sorted."""
    return sorted(_paths(kind))


@typing.overload
def listing(kind: Kind) -> list[Plugin]: ...
@typing.overload
def listing(kind: Literal["model", "preset"]) -> list[Entry]: ...
def listing(kind: Content) -> list[Plugin] | list[Entry]:
    """Return all content of this kind, sorted by name; plug-ins with no parameters chosen. Executes nothing.

    What cannot be read has a :attr:`~Entry.note` that says why.

    Example:
        >>> [(p.usage, p.description[:4]) for p in listing("topology") if p.name == "grid"]
        [('grid:rows=none', 'Grid')]
    """
    paths = sorted(_paths(kind).items())
    if kind == "topology" or kind == "dataset":
        return [_listed(kind, path) for _, path in paths]
    return [Entry(name, path, *_described(kind, path)) for name, path in paths]


def overview(*kinds: Content) -> str:
    """Return all content of these kinds with parameters and one line of description, as a text.

    Args:
        kinds: by default topologies and datasets.
    """
    lines = []
    for kind in kinds or FUNCTIONS:
        lines += ["", f"{FOLDERS[kind]}:"]
        for entry in listing(kind):
            text = f"cannot be used: {entry.note}" if entry.note else entry.description
            lines.append(f"  {entry.usage}" + (f"\n      {text}" if text else ""))
    return "\n".join(lines[1:])


def load(kind: Kind, spec: str) -> Plugin:
    """Return the plug-in that ``spec`` names, after executing its file and no other.

    Args:
        kind: ``"topology"`` or ``"dataset"``.
        spec: a name or the path of a ``.py`` file, then perhaps ``:`` and parameters, ``name:key=value,key=value``.

    Raises:
        InputError: there is no such plug-in, the file breaks the contract or raises an exception, the function has no
            such parameter, or a value does not fit.
    """
    head, _, tail = spec.partition(":")
    path = _find(kind, head)
    signature = _checked(kind, path)
    plugin = Plugin(path.stem, path, signature.doc.split("\n")[0], "", kind, spec, {}, signature)
    loaded = dataclasses.replace(plugin, parameters=_parse(plugin, tail))
    loaded.__dict__["function"] = plugin.function  # so that the file is executed once
    return loaded


def _paths(kind: Content) -> dict[str, Path]:
    if kind == "model":
        return {f.parent.name: f.parent for folder in folders(kind) for f in folder.glob("*/recipe.toml")}
    ending = "toml" if kind == "preset" else "py"
    return {f.stem: f for folder in folders(kind) for f in folder.glob(f"*.{ending}") if not f.stem.startswith("_")}


def _find(kind: Kind, head: str) -> Path:
    if head.endswith(".py"):
        if not Path(head).is_file():
            raise InputError(f"there is no {kind} file {head}")
        return Path(head).resolve()
    paths = _paths(kind)
    if head in paths:
        return paths[head]
    near = Path(FOLDERS[kind]) / f"{head}.py"
    if head and near.is_file():
        raise InputError(f"unknown {kind} {head!r}; did you mean the file {near}? A file outside is given by its path")
    raise unknown(kind, head, paths)


def _checked(kind: Kind, path: Path) -> Signature:
    """Return what the function of a plug-in declares.

    Raises:
        InputError: the file is not valid Python, or its function has a wrong shape.
    """
    name = FUNCTIONS[kind]
    signature = read_signature(path, name)
    if signature is None:
        raise InputError(f"{path} does not define {name}(); every {kind} file must")
    place, first = f"{path}, line {signature.line}", "nodes" if kind == "topology" else "network"
    takes = [p for p in signature.positional if p != "seed"]
    if "seed" not in (*signature.positional, *signature.defaults):
        raise InputError(f"{place}: {name}() must take a seed, as in {name}({first}, *, seed: int)")
    if takes[:1] != [first] and (takes or kind == "dataset"):
        got = f"got {takes[0]!r}" if takes else "got none"
        raise InputError(f"{place}: the first parameter of {name}() must be {first!r}, {got}")
    if takes[1:]:
        raise InputError(f"{place}: parameter {takes[1]} of {name}() must stand behind a *, as keyword argument")
    for parameter, annotation in signature.annotations.items():
        if annotation is None and parameter != "seed":
            raise InputError(f"{place}: parameter {parameter} of {name}() must declare its type")
    return signature


def _listed(kind: Kind, path: Path) -> Plugin:
    try:
        signature = _checked(kind, path)
    except InputError as error:
        return Plugin(path.stem, path, note=str(error), kind=kind, spec=path.stem)
    return Plugin(path.stem, path, signature.doc.split("\n")[0], "", kind, path.stem, {}, signature)


def _described(kind: Literal["model", "preset"], path: Path) -> tuple[str, str]:
    """Return the description of a model or preset, and a note."""
    try:
        if kind == "preset":
            return str(read_toml(path).get("description", "")).strip().split("\n")[0], ""
        card = path / "card.md"
        paragraphs = card.read_text(encoding="utf-8").split("\n\n") if card.is_file() else []
    except (InputError, OSError, UnicodeDecodeError) as error:
        return "", str(error)
    text = next((" ".join(p.split()) for p in paragraphs if p.strip() and not p.startswith("#")), "")
    first = re.split(r"\. (?!\d)", text)[0]  # "et al. 2016" is no end of a sentence
    return first.removesuffix(".") + "." if text else "", ""


def _parse(plugin: Plugin, text: str) -> dict[str, Any]:
    what, allowed = f"{plugin.kind} {plugin.name}", plugin.defaults
    hints = _type_hints(plugin)
    given: dict[str, Any] = {}
    for item in filter(None, text.split(",")):
        key, equals, value = item.partition("=")
        key = key.strip()
        if not equals:
            raise InputError(f"{what}: cannot read {item!r}; expected key=value")
        if key not in allowed:
            raise unknown(f"parameter of {what}:", key, allowed)
        given[key] = _convert(f"{what}: {key}", value.strip(), hints[key])
    missing = [key for key, default in allowed.items() if default is REQUIRED and key not in given]
    if missing:
        raise InputError(f"{what} needs {missing[0]}=..., as in {plugin.name}:{missing[0]}=VALUE")
    return given


def _type_hints(plugin: Plugin) -> dict[str, Any]:
    function = plugin.function
    try:
        return typing.get_type_hints(function)
    except Exception as error:  # a name that is not there, or no type
        raise InputError(f"{plugin.place}: a declared type cannot be read: {error}") from None


def _convert(what: str, text: str, hint: Any) -> Any:
    """Turn text into the type a plug-in declares: int, float, str, bool, a Literal, any of them or None."""
    options = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        if text not in options:
            raise InputError(f"{what}: {unknown('value', text, options)}")
        return text
    if typing.get_origin(hint) in (types.UnionType, typing.Union):  # the second is that of a Literal and None
        if text.lower() == "none":
            return None
        return _convert(what, text, next(t for t in options if t is not types.NoneType))
    if hint is bool:
        if text.lower() not in ("true", "false"):
            raise InputError(f"{what}: expected true or false, got {text!r}")
        return text.lower() == "true"
    if hint not in (int, float, str):
        raise InputError(f"{what}: expected the type int, float, str, bool or a Literal in the file, got {hint}")
    try:
        value = hint(text)
    except ValueError:
        raise InputError(f"{what}: expected {hint.__name__}, got {text!r}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{what}: expected a finite number, got {text!r}")
    return value


def _spell(name: str, default: Any) -> str:
    """The inverse of :func:`_convert`; a parameter without a default is shown in capitals."""
    if default is REQUIRED:
        return name.upper()
    return str(default).lower() if default is None or isinstance(default, bool) else str(default)
