"""The samples of neural networks, checked."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems.finite_sum import cast, check_finite, shape_of

Samples = tuple[ArrayLike | Tensor, ArrayLike | Tensor]
"""Features ``(m, ...)`` and targets ``(m, ...)``."""


def as_pair(whose: str, samples: Samples, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return features and targets as tensors on the CPU, real numbers in ``dtype``.

    Args:
        whose: samples they are, for errors.
        samples: the two arrays.
        dtype: of real numbers; integers keep their type.

    Raises:
        InputError: they are not two arrays of finite numbers, of equally many samples.
    """
    expected = f"expected of {whose} features (samples, ...) and as many targets (samples, ...), got"
    if not isinstance(samples, tuple | list) or len(samples) != 2:
        count = f" of {len(samples)}" if isinstance(samples, tuple | list) else ""
        raise InputError(f"{expected} a {type(samples).__name__}{count}")
    try:
        features, targets = (cast(torch.as_tensor(s), "cpu", dtype) for s in samples)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"{expected} {' and '.join(type(s).__name__ for s in samples)} that are no arrays") from None
    if features.dim() < 2 or targets.dim() < 1 or not len(features) or len(features) != len(targets):
        raise InputError(f"{expected} {shape_of(features)} and {shape_of(targets)}")
    for name, data in (("features", features), ("targets", targets)):
        check_finite(f"{name} of {whose}:", data)
    return features, targets


def classified(test: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return test samples whose targets are classes, ``(T,)``.

    Raises:
        InputError: they are not.
    """
    if test[1].is_floating_point() or test[1].dim() != 1:
        raise InputError(
            f"accuracy needs the classes of the test samples, whole numbers (samples,); got {shape_of(test[1])} "
            f"of {test[1].dtype}"
        )
    return test
