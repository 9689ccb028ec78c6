"""When a stage of a curriculum ends.

The curriculum is that of Chen et al. (2020, NeurIPS, "Training stronger baselines for learning to optimize").
A stage trains on its own horizon and is judged at the next one. It ends once a number of judgements in a row found no
improvement; the next one begins with the best weights. Training ends with a stage that brought no improvement at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum


class Verdict(Enum):
    """What follows an epoch."""

    CONTINUE = "the stage goes on"
    ADVANCE = "the next stage begins"
    STOP = "training ends"


def verdict(improvements: Sequence[bool], patience: int, epochs: int) -> Verdict:
    """Return what follows the epochs of a stage so far.

    Args:
        improvements: whether each of them improved on the best weights.
        patience: so many without improvement in a row end the stage.
        epochs: that the stage has at most.

    Example:
        >>> verdict([True, False, False], patience=2, epochs=9).name
        'ADVANCE'
    """
    exhausted = len(improvements) >= patience and not any(improvements[-patience:])
    if not exhausted and len(improvements) < epochs:
        return Verdict.CONTINUE
    return Verdict.ADVANCE if any(improvements) else Verdict.STOP


def next_horizon(horizons: Sequence[int], stage: int, last: int) -> int:
    """Return at how many iterations a stage is judged.

    Args:
        horizons: of all stages.
        stage: its number, from 0.
        last: the horizon beyond all stages.
    """
    return horizons[stage + 1] if stage + 1 < len(horizons) else last
