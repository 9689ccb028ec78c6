"""Which faults there are, and how probable they are."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from gnn_l2o._utils.errors import InputError, unknown

MAX_BITS = 32
Sets = tuple[tuple[tuple[int, int], ...], ...]
"""For every round the links that are there, by the numbers of their ends."""


@dataclass(frozen=True)
class Faults:
    """What goes wrong in the rounds of a run; nothing by default.

    A round here is an exchange between all neighbours, in which whatever a node sends to a neighbour travels together:
    it arrives or fails together. What fails in a round depends on the seed, the number of the round and the numbers of
    link and node alone.

    Set-up exchanges and the minima, maxima and averages over the graph are sent again until they arrive; they know no
    faults. Faults of vectors leave the few numbers that travel with them as they are.

    Attributes:
        drop: the probability that the exchange over a link fails in a round. Links acknowledge, so that both ends know.
        burst: the mean number of successive rounds in which a link fails (Gilbert 1960, Elliott 1963: a link is good
            or bad, with transition probabilities for which it is bad with probability ``drop``); ``None``: failures of
            different rounds are independent.
        one_way: the probability that a message gets lost of which the sender believes that it arrived; the message in
            the other direction is independent of it.
        sleep: the probability that a node takes part in no exchange of the round: all its links fail.
        delay: the probability that a message does not arrive in time, so that its receiver uses the last one again that
            it received over the link.
        links: time-varying graphs. A whole number B: in every B successive rounds each link is there once, in a
            random one of them. Or the links of one round after the other, ``((0, 1), (1, 2)), ((0, 2),)``, which are
            repeated.
        bits: vectors are rounded to so many bits a coordinate (:class:`~gnn_l2o.graph.faults.compression.Compression`).
        keep: of vectors only this share of the coordinates is sent, the largest in magnitude.
        feedback: whether that is done with error feedback.
        noise: Gaussian noise on every vector that is received, with this standard deviation relative to the root mean
            square of the vector that was sent; independent for each receiver.
        seed: of all that is random.

    Raises:
        InputError: a value is out of its range, or two do not fit together.

    Example:
        >>> Faults.parse("drop=0.1, sleep=0.05")
        Faults('drop=0.1,sleep=0.05')
    """

    drop: float = 0.0
    burst: float | None = None
    one_way: float = 0.0
    sleep: float = 0.0
    delay: float = 0.0
    links: int | Sets | None = None
    bits: int | None = None
    keep: float | None = None
    feedback: bool = True
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("drop", "one_way", "sleep", "delay"):
            _require(name, self, lambda p: 0 <= p < 1, "a probability of at least 0 and below 1")
        if self.burst is not None:
            shortest = max(1.0, self.drop / (1 - self.drop))  # shorter ones would have to follow each other at once
            _require("burst", self, lambda b: shortest <= b < math.inf, f"at least {shortest:.3g} rounds")
            if self.drop == 0:
                raise InputError("burst needs a drop, as in 'drop=0.1,burst=5'")
        if self.links is not None and not isinstance(self.links, int):
            object.__setattr__(self, "links", _sets(self.links))
        else:
            _require("links", self, lambda b: b >= 1, "a whole number of rounds of at least 1", whole=True)
        _require("bits", self, lambda b: 2 <= b <= MAX_BITS, f"a whole number from 2 to {MAX_BITS}", whole=True)
        if self.keep is not None:
            _require("keep", self, lambda share: 0 < share <= 1, "a share above 0 and at most 1")
        if not self.feedback and self.bits is None and self.keep is None:
            raise InputError("feedback=no needs bits or keep, whose errors it is about")
        _require("noise", self, lambda s: 0 <= s < math.inf, "a finite number of at least 0")
        _require("seed", self, lambda s: s >= 0, "a whole number of at least 0", whole=True)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the faults that a text describes, ``"drop=0.1,sleep=0.05"``; none for an empty one.

        Raises:
            InputError: a name is unknown or given twice, or a value cannot be read or is out of its range.
        """
        known = {f.name: _READ[str(f.type)] for f in dataclasses.fields(cls)}
        values: dict[str, Any] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if name not in known:
                raise unknown("fault", name, known)
            if not equals or not value:
                raise InputError(f"expected a value of {name}, as in '{name}=...', got {part!r}")
            if name in values:
                raise InputError(f"{name} is given twice; expected it once")
            values[name] = _read(name, value, *known[name])
        return cls(**values)

    @property
    def is_one_sided(self) -> bool:
        """Whether the ends of a link may come to different differences, so that each has edge variables of its own."""
        return bool(self.one_way or self.delay or self.noise)

    def __str__(self) -> str:
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if getattr(self, f.name) != f.default}
        return ",".join(f"{name}={'no' if value is False else value}" for name, value in values.items())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


def _truth(text: str) -> bool:
    return {"yes": True, "no": False}[text]


_READ: dict[str, tuple[Callable[[str], Any], str]] = {
    "float": (float, "a number"),
    "float | None": (float, "a number"),
    "int": (int, "a whole number"),
    "int | None": (int, "a whole number"),
    "int | Sets | None": (int, "a whole number"),
    "bool": (_truth, "yes or no"),
}


def _read(name: str, value: str, convert: Callable[[str], Any], expected: str) -> Any:
    try:
        return convert(value)
    except (ValueError, KeyError):
        raise InputError(f"{name}={value}: expected {expected}") from None


def _require(name: str, faults: Faults, holds: Callable[[Any], bool], expected: str, *, whole: bool = False) -> None:
    """Raise an :class:`InputError` unless a value is none or a number for which a condition holds."""
    value = getattr(faults, name)
    if value is None:
        return
    try:
        valid = holds(operator.index(value) if whole else float(value))
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise InputError(f"{name}={value}: expected {expected}")


def _sets(links: Any) -> Sets:
    """Return the links of every round with the smaller end first.

    Raises:
        InputError: they are no sequence of sequences of pairs.
    """
    try:
        pairs = [[tuple(sorted(map(operator.index, pair))) for pair in present] for present in links]
    except TypeError:
        pairs = []
    if not pairs or any(len(pair) != 2 for present in pairs for pair in present):
        raise InputError(f"links={links!r:.80}: expected a whole number, or for every round pairs of nodes")
    return tuple(tuple((i, j) for i, j in present) for present in pairs)
