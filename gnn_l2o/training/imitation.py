"""Learning from a handcrafted method: the optimizer that is trained follows it, and predicts its steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gnn_l2o._utils.errors import unknown
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.parameters import parse_parameters
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.decentralized import WRAPPED
from gnn_l2o.handcrafted import HANDCRAFTED
from gnn_l2o.problems import Problem
from gnn_l2o.training.batch import Batch

TEACHERS: Mapping[str, type[Tunable[Any]]] = {**HANDCRAFTED, **WRAPPED}
States = tuple[Any, Any]  # of the optimizer that is trained, and of the teacher


def imitation_loss(
    algorithm: Algorithm[Any], teacher: Algorithm[Any], batch: Batch, states: States, iterations: range
) -> tuple[Tensor, States]:
    r"""Follow the teacher for some iterations, and measure how far a step of the optimizer is from the teacher's.

    .. math:: \frac{1}{2 K d} \sum_k \|x^{k+1} - \hat x^{k+1}\|^2

    with the teacher's iterates x, and :math:`\hat x^{k+1}` what the optimizer makes of x^k; the square is the mean over
    all nodes. Of local updates at one node it is the loss of Chen et al. 2020 (NeurIPS, "Training stronger baselines
    for learning to optimize"). Over a network the steps hold the exchanges of both.

    Args:
        algorithm: what is trained.
        teacher: any other algorithm.
        batch: the problems.
        states: of both before the first step.
        iterations: the numbers of the steps; the first of a run is 1.

    Returns:
        The loss, ``()``, and the states after the last step.
    """
    own, taught = states
    losses = []
    for k in iterations:
        problem = batch.problem.draw(k)
        with torch.no_grad():
            after = teacher.step(problem, batch.network, taught)
        own = algorithm.step(problem, batch.network, dataclasses.replace(own, x=taught.x))
        losses.append(0.5 * (own.x - after.x).square().mean())
        taught = after
    return torch.stack(losses).mean(), (own, taught)


def teacher_of(spec: str, problem: Problem) -> Tunable[Any]:
    """Return the method that a spec such as ``diffused_adam:step_size=0.01`` names, for this problem.

    Its parameters are in the units in which they are tuned; a parameter that is not given has the middle of its grid.

    Raises:
        InputError: there is no such method or parameter, or a value is no number or out of its range.
    """
    name, _, chosen = spec.partition(":")
    if name not in TEACHERS:
        raise unknown("teacher", name, TEACHERS)
    method = TEACHERS[name]
    return method.from_setting(problem, method.settings(1)[0] | parse_parameters(method, chosen))
