"""Seeds of instances: data and graphs of their own for every purpose, case and instance."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal

from gnn_l2o.evaluation.record import Case

Purpose = Literal["evaluation", "tuning", "stability"]

SPAN = 2**29
FIRST: dict[Purpose, int] = {"evaluation": 2**31, "tuning": 2**31 + SPAN, "stability": 2**31 + 2 * SPAN}
INSTANCES = 1000
DRAWS = 10


def draws(purpose: Purpose, seed: int, case: Case, number: int) -> Iterator[int]:
    """Yield the seeds that instance ``number`` of a case is drawn with, until one is not trivial: ten.

    Training draws its seeds below 2^31, and each purpose has a range of 2^29 above that, so no two of them meet. Inside
    its range the seeds of a case follow a number that a hash of ``seed`` and the case gives, so that cases differ in
    their data and the instances of a case are distinct. All seeds stay below 2^32, which the generators of numpy and
    scikit-learn ask for.
    """
    digest = hashlib.sha256(repr((seed, *case)).encode()).digest()
    offset = int.from_bytes(digest[:8], "big")
    for attempt in range(DRAWS):
        yield FIRST[purpose] + (offset + INSTANCES * attempt + number) % SPAN
