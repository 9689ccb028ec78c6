"""MetaOptimize from a line of text."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Mapping
from typing import Any

from gnn_l2o._utils.errors import InputError, about, unknown
from gnn_l2o.local_updates import UPDATES, Adam, Lion, LocalUpdate, ScaledUpdate, SGDm
from gnn_l2o.step_sizes.learner import StepSizeLearner
from gnn_l2o.step_sizes.meta_optimize import MetaOptimize

NAME = "metaoptimize"

# The values of Sharifnassab et al. 2025 (arXiv:2402.02342, section 6 and its appendix).
META_STEP = 1e-3
WEIGHT_DECAY = 0.1
FIRST_STEP = {"sgdm": 1e-5}
OTHER_FIRST_STEP = 1e-6

METAS: Mapping[str, type[ScaledUpdate[Any]]] = {"adam": Adam, "lion": Lion, "sgd": SGDm}
FLAGS = {"yes": True, "no": False}


def metaoptimize(
    base: str = "adamw",
    meta: str = "adam",
    *,
    step_size: float | None = None,
    meta_step: float = META_STEP,
    weight_decay: float = WEIGHT_DECAY,
    discount: float = 1.0,
    blocks: str = "whole",
    shared: bool = True,
    tracked: bool = True,
    highest: float = math.inf,
) -> MetaOptimize:
    """Return :class:`.MetaOptimize` with names for its parts; by default with the values of its paper.

    Args:
        base: of the local update, one of :data:`~gnn_l2o.local_updates.UPDATES`.
        meta: of the update of the step sizes, ``"adam"``, ``"lion"`` or ``"sgd"``.
        step_size: the first one; by default 1e-6, and 1e-5 for ``"sgdm"``.
        meta_step: how much the logarithm of a step size changes in an iteration, with ``"adam"`` and ``"lion"``.
        weight_decay: of the local update.
        discount: gamma; the paper has 0.999 where the problem changes.
        blocks: ``"whole"``, ``"tensors"`` or ``"coordinates"``.
        shared: whether all nodes have the same step sizes.
        tracked: whether nodes follow the tracked mean gradient rather than their own.
        highest: an upper bound of steps.

    Raises:
        InputError: a name is unknown, or a number out of its range.
    """
    if base not in UPDATES:
        raise unknown("local update", base, UPDATES)
    if meta not in METAS:
        raise unknown("meta update", meta, METAS)
    first = FIRST_STEP.get(base, OTHER_FIRST_STEP) if step_size is None else step_size
    moved: LocalUpdate[Any] = METAS[meta](step_size=meta_step)
    if isinstance(moved, SGDm):
        moved = dataclasses.replace(moved, momentum=0.0)
    learner = StepSizeLearner(meta=moved, blocks=blocks, shared=shared, highest=highest)  # type: ignore[arg-type]
    return MetaOptimize(
        UPDATES[base](step_size=first, weight_decay=weight_decay), learner, tracked=tracked, discount=discount
    )


KEYS: tuple[str, ...] = (*inspect.signature(metaoptimize).parameters, "called")


def is_metaoptimize(description: str) -> bool:
    """Tell whether a name of an optimizer means :func:`parse`."""
    return description == NAME or description.startswith(f"{NAME}:")


def parse(description: str) -> MetaOptimize:
    """Return what a line such as ``"metaoptimize:base=adamw,meta=lion,meta_step=0.01"`` describes.

    Its keys are the arguments of :func:`metaoptimize`, whose flags are ``yes`` or ``no``, and ``called``, what results
    are to call it, by default as the line is.

    Raises:
        InputError: a key is unknown, or a value cannot be read.
    """
    with about(optimizer=description):
        given: dict[str, Any] = {}
        for item in filter(None, description.removeprefix(NAME).removeprefix(":").split(",")):
            key, _, value = item.partition("=")
            if key not in KEYS:
                raise unknown("parameter of metaoptimize:", key, KEYS)
            given[key] = _read(key, value)
        called = given.pop("called", description)
        return dataclasses.replace(metaoptimize(**given), called=called)


def _read(key: str, value: str) -> str | float | bool:
    if key in ("base", "meta", "blocks", "called"):
        return value
    if key in ("shared", "tracked"):
        if value not in FLAGS:
            raise InputError(f"{key} is yes or no, got {value!r}")
        return FLAGS[value]
    try:
        return float(value)
    except ValueError:
        raise InputError(f"{key} is a number, got {value!r}") from None
