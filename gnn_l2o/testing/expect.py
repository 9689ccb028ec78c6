"""How a contract test says what was violated."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor


def expect(condition: bool, what: str) -> None:
    """Raise an error unless the condition holds.

    Raises:
        AssertionError: it does not; ``what`` says what was expected and what was got.
    """
    if not condition:
        raise AssertionError(what)


def expect_close(got: Tensor, wanted: Tensor, tolerance: float, what: str) -> None:
    """Expect tensors of one shape that differ by no more than ``tolerance`` times the largest magnitude (or 1).

    Raises:
        AssertionError: they differ more; the message has the largest difference.
    """
    expect(got.shape == wanted.shape, f"{what}: expected shape {tuple(wanted.shape)}, got {tuple(got.shape)}")
    scale = max(1.0, float(wanted.abs().max())) if wanted.numel() else 1.0
    difference = float((got - wanted).abs().max()) if wanted.numel() else 0.0
    expect(difference <= tolerance * scale, f"{what}: the largest difference is {difference:.3g}")


@contextlib.contextmanager
def unchanged_randomness(what: str) -> Iterator[None]:
    """Expect that the global random generators of Python, NumPy and PyTorch are left as they are.

    Raises:
        AssertionError: one was used or seeded.
    """
    before = _random_states()
    yield
    used = [name for name, state in _random_states().items() if state != before[name]]
    expect(not used, f"{what} changes the global random state of {', '.join(used)}; expected a generator of its own")


def _random_states() -> dict[str, Any]:
    return {
        "random": random.getstate(),
        "numpy": repr(np.random.get_state(legacy=False)["state"]),  # noqa: NPY002
        "torch": torch.get_rng_state().numpy().tobytes(),
    }
