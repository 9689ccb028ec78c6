"""Classes by name: built-in ones, those that other packages offer, and those in a user's file."""

from __future__ import annotations

import importlib.metadata
from typing import Any, Generic, TypeVar

from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o._utils.modules import load_module

T = TypeVar("T")

_REGISTRIES: list[Registry[Any]] = []


class Registry(Generic[T]):
    """The classes of one kind, each under the name in its class attribute ``name``.

    A class becomes known by :meth:`register`, by an entry point of an installed package in the group
    ``gnn_l2o.<kind>s``, or by the path of a Python file that defines it.

    Args:
        kind: what errors call a member, ``"method"``.
        base: what all members derive from.
    """

    def __init__(self, kind: str, base: type[T]) -> None:
        self.kind, self.base = kind, base
        self._members: dict[str, type[T]] = {}
        _REGISTRIES.append(self)

    @property
    def group(self) -> str:
        """The group of entry points in which other packages offer members, ``"gnn_l2o.methods"``."""
        return f"gnn_l2o.{self.kind.replace(' ', '_')}s"

    def register(self, member: type[T]) -> type[T]:
        """Make a class known under its ``name`` and return it, so that this serves as a decorator.

        Raises:
            InputError: it does not derive from the base class, has no name, or another class has it.
        """
        if not (isinstance(member, type) and issubclass(member, self.base)):
            raise InputError(f"a {self.kind} derives from {self.base.__name__}, got {member!r}")
        name = getattr(member, "name", None)
        if not isinstance(name, str) or not name:
            raise InputError(f'{member.__name__} needs a name, as in name = "mine"')
        other = self._members.setdefault(name, member)
        if (other.__module__, other.__qualname__) != (member.__module__, member.__qualname__):
            raise InputError(f"{self.kind} {name!r} is registered already, by {other.__module__}.{other.__qualname__}")
        self._members[name] = member
        return member

    def names(self) -> list[str]:
        """Return all names, sorted, without importing what entry points name."""
        return sorted({*self._members, *(point.name for point in self._entry_points())})

    def __contains__(self, name: object) -> bool:
        return name in self._members or any(point.name == name for point in self._entry_points())

    def __getitem__(self, spec: str) -> type[T]:
        """Return a member.

        Args:
            spec: a name; or the path of a Python file that defines one member, ``"mine.py"``, or several, of which
                ``"mine.py::Mine"`` is one.

        Raises:
            InputError: there is no such member.
        """
        path, separator, wanted = spec.partition("::")
        if path.endswith(".py"):
            return self._from_file(path, wanted if separator else None)
        if spec in self._members:
            return self._members[spec]
        for point in self._entry_points():
            if point.name == spec:
                return self.register(point.load())
        raise unknown(self.kind, spec, self.names())

    def _entry_points(self) -> importlib.metadata.EntryPoints:
        return importlib.metadata.entry_points(group=self.group)

    def _from_file(self, path: str, wanted: str | None) -> type[T]:
        module = load_module(self.kind, path)
        found = {
            name: value
            for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, self.base) and value.__module__ == module.__name__
        }
        if wanted is not None:
            if wanted not in found:
                raise unknown(f"{self.kind} in {path}:", wanted, found)
            return found[wanted]
        if len(found) != 1:
            raise InputError(
                f"{path} defines {len(found)} classes that derive from {self.base.__name__}; expected one"
                + (f", or {path}::{min(found)}" if found else "")
            )
        return next(iter(found.values()))


def register(member: type[T]) -> type[T]:
    """Make a method, loss, metric or other class of your own known under its ``name``.

    Its base class decides of which kind it is. Serves as a decorator.

    Raises:
        InputError: it derives from the base class of no kind, has no name, or its name is taken.
    """
    kinds = [registry for registry in _REGISTRIES if isinstance(member, type) and issubclass(member, registry.base)]
    if not kinds:
        bases = ", ".join(sorted({registry.base.__name__ for registry in _REGISTRIES}))
        raise InputError(f"{member!r} derives from no base class that can be registered (imported so far: {bases})")
    # The most special base decides where one kind derives from another.
    registry = max(kinds, key=lambda r: len(r.base.__mro__))
    return registry.register(member)
