"""Finds the files of ``topologies/``, ``datasets/``, ``models/`` and ``presets/``, and loads the first two, by path.

These folders hold content, not packages: dropping a file in is registering it. A file's one public function takes its
parameters as keyword arguments with a type and a default; they are what may follow its name on the command line,
``erdos_renyi:p=0.3``.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gnn_l2o._utils.errors import InputError, unknown

Kind = Literal["topology", "dataset"]

FOLDERS: Mapping[str, str] = {
    "topology": "topologies",
    "dataset": "datasets",
    "model": "models",
    "preset": "presets",
}
FUNCTIONS: Mapping[Kind, str] = {"topology": "generate", "dataset": "sample"}
PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Plugin:
    """A plug-in's function together with the parameters chosen for it.

    Attributes:
        spec: what named it, ``"erdos_renyi:p=0.3"``.
        name: the file's name without its ending.
        function: what the file defines, ``generate`` or ``sample``.
        parameters: those that were given.
    """

    spec: str
    name: str
    function: Callable[..., Any]
    parameters: Mapping[str, Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs, **self.parameters)

    @property
    def description(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").split("\n")[0]

    @property
    def defaults(self) -> dict[str, Any]:
        """The parameters that may be given, with their defaults (``inspect.Parameter.empty``: must be given)."""
        return {p.name: p.default for p in _parameters(self.function)}

    @property
    def usage(self) -> str:
        """The name with all its parameters at their defaults, as a user may type it: ``"grid:rows=none"``."""
        values = ",".join(f"{name}={_spell(name, default)}" for name, default in self.defaults.items())
        return f"{self.name}:{values}" if values else self.name


def folders(kind: str) -> list[Path]:
    """Return where plug-ins of this kind are looked for: the working directory's folder, then the project's."""
    places = [Path.cwd() / FOLDERS[kind], PROJECT / FOLDERS[kind]]
    return [p for k, p in enumerate(places) if p.is_dir() and p not in places[:k]]


def available(kind: Kind) -> list[str]:
    """Return the names of all plug-ins of this kind, sorted."""
    return sorted({f.stem for folder in folders(kind) for f in folder.glob("*.py") if not f.stem.startswith("_")})


def listing(kind: Kind) -> list[Plugin]:
    """Return every plug-in of this kind with no parameters chosen, sorted by name: what ``--list`` shows.

    Example:
        >>> [(p.usage, p.description[:4]) for p in listing("topology") if p.name == "grid"]
        [('grid:rows=none', 'Grid')]
    """
    return [Plugin(name, name, _function(kind, _find(kind, name)), {}) for name in available(kind)]


def overview() -> str:
    """Return all topologies and datasets with their parameters and one line of description, as a text."""
    lines = []
    for kind in FUNCTIONS:
        lines += ["", f"{FOLDERS[kind]}:", *(f"  {p.usage}\n      {p.description}" for p in listing(kind))]
    return "\n".join(lines[1:])


def load(kind: Kind, spec: str) -> Plugin:
    """Return the plug-in that ``spec`` names.

    Args:
        kind: ``"topology"`` or ``"dataset"``.
        spec: a name or the path of a ``.py`` file, then perhaps ``:`` and parameters, ``name:key=value,key=value``.

    Raises:
        InputError: there is no such plug-in, it has no such parameter, or a value does not fit.
    """
    head, _, tail = spec.partition(":")
    path = _find(kind, head)
    function = _function(kind, path)
    return Plugin(spec, path.stem, function, _parse(kind, path.stem, function, tail))


def _find(kind: Kind, head: str) -> Path:
    if head.endswith(".py"):
        if not Path(head).is_file():
            raise InputError(f"there is no {kind} file {head}")
        return Path(head).resolve()
    for folder in folders(kind):
        if (folder / f"{head}.py").is_file() and not head.startswith("_"):
            return folder / f"{head}.py"
    raise unknown(kind, head, available(kind))


def _function(kind: Kind, path: Path) -> Callable[..., Any]:
    function = getattr(_load_module(path), FUNCTIONS[kind], None)
    if not callable(function):
        raise InputError(f"{path} does not define {FUNCTIONS[kind]}(); every {kind} file must")
    if "seed" not in inspect.signature(function).parameters:
        raise InputError(f"{FUNCTIONS[kind]}() in {path} must take a seed, as in {FUNCTIONS[kind]}(..., *, seed: int)")
    for parameter in _parameters(function):
        if parameter.annotation is inspect.Parameter.empty:
            raise InputError(f"parameter {parameter.name} of {FUNCTIONS[kind]}() in {path} must declare its type")
    return function


def _load_module(path: Path) -> types.ModuleType:
    # A private name, so that a file called datasets/lasso.py shadows no module of anybody's.
    name = f"_gnn_l2o_plugin_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the keyword parameters that a user may set: all but the seed, which has a flag of its own."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [p for p in inspect.signature(function).parameters.values() if p.kind is keyword and p.name != "seed"]


def _parse(kind: Kind, name: str, function: Callable[..., Any], text: str) -> dict[str, Any]:
    allowed = {p.name: p for p in _parameters(function)}
    hints = typing.get_type_hints(function)
    given: dict[str, Any] = {}
    for item in filter(None, text.split(",")):
        key, equals, value = item.partition("=")
        key = key.strip()
        if not equals:
            raise InputError(f"{kind} {name}: cannot read {item!r}; expected key=value")
        if key not in allowed:
            raise unknown(f"parameter of {kind} {name}:", key, allowed)
        given[key] = _convert(f"{kind} {name}: {key}", value.strip(), hints[key])
    missing = [k for k, p in allowed.items() if p.default is inspect.Parameter.empty and k not in given]
    if missing:
        raise InputError(f"{kind} {name} needs {missing[0]}=..., as in {name}:{missing[0]}=VALUE")
    return given


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
    try:
        return hint(text)
    except ValueError:
        raise InputError(f"{what}: expected {hint.__name__}, got {text!r}") from None


def _spell(name: str, default: Any) -> str:
    """The inverse of :func:`_convert`; a parameter without a default is shown in capitals."""
    if default is inspect.Parameter.empty:
        return name.upper()
    return str(default).lower() if default is None or isinstance(default, bool) else str(default)
