"""A short evaluation, and what disturbs a run."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

STAGES = [{"lr": 0.01, "truncation_length": 2, "iterations": 4, "epochs": 2}]
EVALUATION = [
    *("--dataset", "lasso:features=3,samples=2", "--nodes", "3", "--instances", "2", "--iterations", "9"),
    *("--model", "none", "--algorithms", "prox_ed", "--limits", "none", "--tuning_budget", "2"),
    *("--tuning_instances", "1"),
]
Main = Callable[[list[str]], int]


class Killed(BaseException):
    """Ends a run as no handler of errors expects it."""


def at_call(monkeypatch: pytest.MonkeyPatch, room: Any, name: str, number: int, happens: Callable[[], object]) -> None:
    """Let something happen when a function is called for the n-th time, before it does what it does."""
    original, calls = getattr(room, name), itertools.count(1)

    def watched(*args: Any, **settings: Any) -> Any:
        if next(calls) == number:
            happens()
        return original(*args, **settings)

    monkeypatch.setattr(room, name, watched)


def raises(error: BaseException) -> Callable[[], None]:
    def throw() -> None:
        raise error

    return throw
