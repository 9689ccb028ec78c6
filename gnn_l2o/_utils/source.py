"""Hashes of the code that determines a result, found from import statements, without executing anything."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import re
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent.parent
_MODULE_NAME = re.compile(rf"({PACKAGE.name}(?:\.\w+)+)(?::\w+)?")
_INSTALLED = ("site-packages", "dist-packages")  # folders in which files that lie side by side are unrelated

Import = tuple[int, str, str]  # the number of leading dots, the module, and what is imported from it, if anything


def source_fingerprint(*things: type | Callable[..., Any]) -> str:
    """Return a hash of the code of classes and functions and of all that their modules import.

    Counted are the modules in which the things are defined, and from there on, again and again, what import statements
    name: modules of this package, modules of the thing's own package, and files beside the thing's own file. Imports
    that only type checkers execute are left out. Comments, docstrings and layout do not count.

    Args:
        things: classes and functions, of this package, of others or of plug-in files.
    """
    digest = hashlib.sha256()
    pending: list[Path] = []
    for origin in (origin for thing in things for origin in _origins(thing)):
        if isinstance(origin, Path):
            pending.append(origin.resolve())
        else:
            digest.update(origin)
    files: dict[Path, str] = {}
    while pending:
        file = pending.pop()
        if file not in files:
            files[file], imports = _read(file.read_text(encoding="utf-8"))
            pending += (_located_once if PACKAGE in file.parents else _located_all)(file, imports)
    for name, code in sorted((file.name, code) for file, code in files.items()):
        digest.update(f"{name} {code} ".encode())
    return digest.hexdigest()[:32]


def _origins(thing: Any) -> Iterator[Path | bytes]:
    """Yield the file of a class or function; where there is none, as at a prompt, its instructions and its bases'."""
    thing = inspect.unwrap(thing)  # otherwise a decorated function is found in the file of the decorator
    functions = [f for f in (thing, *vars(thing).values()) if isinstance(f, types.FunctionType)]
    try:
        names = [inspect.getfile(thing)]
    except (TypeError, OSError):  # its module is not registered
        names = [f.__code__.co_filename for f in functions]
    file = next((Path(name) for name in names if name.endswith(".py") and Path(name).is_file()), None)
    if file is not None:
        yield file
        return
    for code in (f.__code__ for f in functions):
        yield f"{code.co_name} {code.co_code.hex()} {code.co_names} {_constants(code)} ".encode()
    for base in getattr(thing, "__bases__", ()):
        origins = list(_origins(base))
        yield from (o for o in origins if isinstance(o, bytes) or PACKAGE in o.resolve().parents)


def _constants(code: types.CodeType) -> str:
    return " ".join(c.co_code.hex() if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts)


def _located_all(file: Path, imports: tuple[Import, ...]) -> list[Path]:
    """Return the files that the imports of a file name."""
    return list({path.resolve() for found in imports for path in _located(file, found)})


@functools.cache
def _located_once(file: Path, imports: tuple[Import, ...]) -> list[Path]:
    """Return the same for a file of this package, beside which none comes or goes while it runs."""
    return _located_all(file, imports)


def _located(file: Path, found: Import) -> Iterator[Path]:
    """Yield the file that an import in a file names, unless it is one of another library."""
    level, module, name = found
    top = module.partition(".")[0]
    if level:
        root = file.parents[level - 1]
    elif top == PACKAGE.name:
        root = PACKAGE.parent
    else:
        root = next(folder for folder in file.parents if not (folder / "__init__.py").is_file())
        alone = root == file.parent and root.name not in _INSTALLED
        if not alone and root / top not in file.parents:
            return
    base = root.joinpath(*filter(None, module.split(".")))
    # What is imported from a package may be a module of it, or defined in the package's own file.
    yield from (_module(base / name) if name else []) or _module(base)


def _module(path: Path) -> list[Path]:
    """Return the file of a module or package, in a list, empty if there is none."""
    return [f for f in (path.with_name(f"{path.name}.py"), path / "__init__.py") if f.is_file()][:1]


@functools.lru_cache(maxsize=1024)
def _read(text: str) -> tuple[str, tuple[Import, ...]]:
    """Return a hash of a file's code, and what it imports."""
    tree = ast.parse(text)
    imports: dict[Import, None] = {}
    for node in _executed(tree):
        match node:
            case ast.Import():
                imports |= {(0, alias.name, ""): None for alias in node.names}
            case ast.ImportFrom():
                imports |= {(node.level, node.module or "", alias.name): None for alias in node.names}
            case ast.Constant(value=str(value)) if named := _MODULE_NAME.fullmatch(value):  # imported on demand
                imports[0, named[1], ""] = None
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [s for s in body if not _is_text(s)]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), tuple(imports)


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)):
            yield node
            yield from _executed(node)


def _is_text(statement: ast.stmt) -> bool:
    """Tell whether a statement is nothing but a string: a docstring."""
    return isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str)
