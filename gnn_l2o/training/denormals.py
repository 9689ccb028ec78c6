"""Computing without denormal numbers."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def flush_denormals() -> Iterator[None]:
    """Let the CPU take denormal numbers for 0 while the context is open; afterwards it does what it did before.

    Iterates that have converged in single precision go on shrinking through denormal numbers, which slow down the CPU.
    """
    before = denormals_are_flushed()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def denormals_are_flushed() -> bool:
    """Tell whether the CPU takes denormal numbers for 0, which torch can set but does not tell."""
    denormal = torch.full((1,), torch.finfo(torch.float64).tiny / 4, dtype=torch.float64)
    return not bool((denormal * 2).any())
