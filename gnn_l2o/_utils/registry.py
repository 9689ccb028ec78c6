"""Classes by name: built-in ones, those that other packages offer, and those in a user's file."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o._utils.modules import load_module

T = TypeVar("T")

_REGISTRIES: list[Registry[Any]] = []


class Registry(Generic[T]):
    """The classes of one kind, each under the name in its class attribute ``name``.

    A class is found by name after :meth:`register`, or if an installed package offers the class as an entry point in
    the group ``gnn_l2o.<kind>s``; registered names take precedence. The path of a Python file stands for the class
    that the file defines.

    Args:
        kind: what errors call a member, ``"method"``.
        base: the class from which all members derive.
    """

    def __init__(self, kind: str, base: type[Any]) -> None:  # not type[T]: mypy would ask for a concrete class
        self.kind, self.base = kind, base
        self._members: dict[str, type[T]] = {}
        self._files: dict[tuple[Path, str], types.ModuleType] = {}
        _REGISTRIES.append(self)

    @property
    def group(self) -> str:
        """The group of entry points in which other packages offer members, ``"gnn_l2o.methods"``."""
        plural = f"{self.kind}es" if self.kind.endswith("s") else f"{self.kind}s"
        return f"gnn_l2o.{plural.replace(' ', '_')}"

    def register(self, member: type[T]) -> type[T]:
        """Make a class known under its ``name`` and return the class, so that this serves as a decorator.

        Registering a class again, also after its module was executed again, replaces the class.

        Raises:
            InputError: the class is abstract, does not derive from the base class, has no name, or the name is taken.
        """
        self._check(member)
        self._members[self._name(member)] = member
        return member

    def names(self) -> list[str]:
        """Return all names, sorted, without importing what entry points name."""
        return sorted({*self._members, *(point.name for point in self._entry_points())})

    def __contains__(self, name: object) -> bool:
        return name in self._members or any(point.name == name for point in self._entry_points())

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def values(self) -> list[type[T]]:
        """Return all members, sorted by name; this imports what entry points name."""
        return [self[name] for name in self.names()]

    def __getitem__(self, spec: str) -> type[T]:
        """Return a member.

        Args:
            spec: a name; or the path of a Python file that defines one member, ``"mine.py"``, or several, of which
                ``"mine.py::Mine"`` is one.

        Raises:
            InputError: there is no such member, or it breaks the rules of :meth:`register`.
        """
        path, separator, wanted = spec.partition("::")
        if path.endswith(".py"):
            return self._from_file(path, wanted if separator else None)
        if spec in self._members:
            return self._members[spec]
        for point in self._entry_points():
            if point.name == spec:
                return self._from_entry_point(point)
        raise unknown(self.kind, spec, self.names())

    def _check(self, member: Any) -> None:
        if not (inspect.isclass(member) and issubclass(member, self.base)):
            raise InputError(f"a {self.kind} derives from {self.base.__name__}, got {member!r}")
        if inspect.isabstract(member):
            missing = ", ".join(sorted(getattr(member, "__abstractmethods__", ())))
            raise InputError(f"{member.__name__} is abstract; a {self.kind} must define {missing}")
        name = getattr(member, "name", None)
        if not isinstance(name, str) or not name:
            raise InputError(f'{member.__name__} needs a name, as in name = "mine"')
        other = self._members.get(name, member)
        if (other.__module__, other.__qualname__) != (member.__module__, member.__qualname__):
            raise InputError(
                f"{self.kind} {name!r} is registered already, by {other.__module__}.{other.__qualname__}; "
                f"expected another name of {member.__qualname__}"
            )

    def _name(self, member: type[T]) -> str:
        name: str = member.name  # type: ignore[attr-defined]  # checked in _check
        return name

    def _entry_points(self) -> importlib.metadata.EntryPoints:
        return importlib.metadata.entry_points(group=self.group)

    def _from_entry_point(self, point: importlib.metadata.EntryPoint) -> type[T]:
        try:
            member = point.load()
        except (ImportError, AttributeError) as error:
            raise InputError(f"{self.kind} {point.name!r} cannot be imported from {point.value}: {error}") from error
        self._check(member)
        if self._name(member) != point.name:
            raise InputError(f"{point.value} is called {member.name!r}, but offered as {self.kind} {point.name!r}")
        return self.register(member)

    def _from_file(self, path: str, wanted: str | None) -> type[T]:
        module = self._module(path)
        found = {
            name: value
            for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, self.base) and value.__module__ == module.__name__
            if not inspect.isabstract(value) or name == wanted
        }
        if wanted is not None and wanted not in found:
            raise unknown(f"{self.kind} in {path}:", wanted, found)
        if wanted is None and len(found) != 1:
            raise InputError(
                f"{path} defines {len(found)} classes that derive from {self.base.__name__}; expected one"
                + (f", or one by name, as in {path}::{min(found)}" if found else "")
            )
        member = found[next(iter(found)) if wanted is None else wanted]
        self._check(member)
        return member

    def _module(self, path: str) -> types.ModuleType:
        """Return the module of a file, the same one again as long as the file stays as it is."""
        file = Path(path)
        if not file.is_file():
            return load_module(self.kind, path)  # which raises the error
        key = file.resolve(), hashlib.sha256(file.read_bytes()).hexdigest()
        if key not in self._files:
            self._files[key] = load_module(self.kind, path)
        return self._files[key]


def register(member: type[T]) -> type[T]:
    """Make a method, learned optimizer, loss or metric known under the ``name`` in its class. Serves as a decorator.

    The base class decides which of these it is.

    Raises:
        InputError: the class derives from no base class that can be registered, is abstract, has no name, or the name
            is taken.
    """
    kinds = [registry for registry in _REGISTRIES if isinstance(member, type) and issubclass(member, registry.base)]
    if not kinds:
        bases = ", ".join(sorted({registry.base.__name__ for registry in _REGISTRIES}))
        raise InputError(f"{member!r} derives from no base class that can be registered (imported so far: {bases})")
    # Where one base class derives from another, the derived one decides.
    registry = max(kinds, key=lambda r: len(r.base.__mro__))
    return registry.register(member)
