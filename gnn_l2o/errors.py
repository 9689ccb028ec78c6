"""Errors that a user can mend, and how they are worded."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input: one line that says what was got, what was expected and the nearest right answer.

    The scripts print it after the name of the offending flag and exit with code 2. Everything else that is raised is
    a defect of the library and keeps its traceback.
    """


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
