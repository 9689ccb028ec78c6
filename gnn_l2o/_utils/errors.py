"""Errors that a user can correct, and how they are worded."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """Bad input: one line that says what was got, what was expected and the nearest right answer.

    The scripts print the line after the name of the flag at fault and exit with code 2. Every other exception is a
    defect of the library and keeps its traceback.

    Attributes:
        given: the arguments at fault, by name, as noted by :func:`about`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.given: dict[str, object] = {}

    def on_command_line(self) -> str:
        """Return the message after the flags at fault, as a script prints it."""
        flags = [f"--{name}" if value is True else f"--{name} {value}" for name, value in self.given.items()]
        return f"{' '.join(flags)}: {self}" if flags else str(self)


@contextmanager
def about(**given: object) -> Iterator[None]:
    """Note on every :class:`InputError` raised inside which arguments are at fault, for a script to name the flags.

    Example:
        >>> try:
        ...     with about(topology="rng", nodes=10):
        ...         raise unknown("topology", "rng", ["ring"])
        ... except InputError as error:
        ...     print(error.given)
        {'topology': 'rng', 'nodes': 10}
    """
    try:
        yield
    except InputError as error:
        error.given = {**given, **error.given}
        raise


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Return the error for a ``name`` that is not among the ``known`` ones of its ``kind``.

    Example:
        >>> unknown("topology", "rng", ["ring", "star"])
        InputError("unknown topology 'rng'; did you mean 'ring'? (known: ring, star)")
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return InputError(f"unknown {kind} {name!r}{hint} (known: {', '.join(names) or 'none'})")
