"""The contracts of losses of meta-training and of metrics."""

from __future__ import annotations

import torch
from torch import Tensor

from gnn_l2o.evaluation.metrics import Metric
from gnn_l2o.evaluation.reference import Reference
from gnn_l2o.graph import Network
from gnn_l2o.problems import LeastSquares, Problem, solve
from gnn_l2o.problems.regularizers import L1
from gnn_l2o.testing.expect import expect, expect_close
from gnn_l2o.testing.runs import initial_points, small_problem
from gnn_l2o.training.batch import Batch
from gnn_l2o.training.losses import MetaLoss

ITERATIONS = 40
SEGMENT = range(11, 31)  # of the iterations


def check_loss(loss: type[MetaLoss]) -> None:
    """Check that a loss of meta-training keeps the contract of :class:`~gnn_l2o.training.losses.MetaLoss`.

    - ``name`` and ``label`` are declared, and the class needs no arguments; the tolerance is not negative;
    - iterations to measure lie between 1 and the last, ascending;
    - the loss of a segment is one finite number, differentiable in the optimality gaps, also where these are zero or by
      rounding negative, and where a run diverged and only the first of them exist;
    - smaller optimality gaps never have a larger loss or validation value;
    - the loss does not depend on the order of the problems.

    A loss that does not apply to two least-squares problems is checked on what it declares only.

    Args:
        loss: the class.

    Raises:
        AssertionError: the contract is violated; the message says how.
    """
    for attribute in ("name", "label"):
        value = getattr(loss, attribute, None)
        expect(isinstance(value, str) and bool(value), f"{loss.__name__}: expected a {attribute}, got {value!r}")
    made = loss()
    expect(made.tolerance >= 0, f"{loss.name}: expected a tolerance of at least 0, got {made.tolerance}")
    for chosen in (made.measured_iterations, made.validation_iterations):
        for last in (1, 2, ITERATIONS):
            found = chosen(last)
            valid = found == sorted(set(found)) and bool(found) and 1 <= found[0] and found[-1] <= last
            expect(valid, f"{loss.name}: of {last} iterations it measures {found}; expected 1 to {last}, ascending")
    batch = _batch()
    if not made.applies(batch.problem):
        return
    measured = sorted({k for k in made.measured_iterations(ITERATIONS) if k in SEGMENT} | {SEGMENT[-1]})
    _check_segment(made, batch, measured)
    run = range(1, ITERATIONS + 1)
    values = [
        made.validation_values(run, _gaps(made.validation_iterations(ITERATIONS), factor)).mean() for factor in (1, 0.5)
    ]
    expect(bool(torch.stack(values).isfinite().all()), f"{loss.name}: validation values are not finite")
    expect(
        float(values[1]) <= float(values[0]),
        f"{loss.name}: half the optimality gaps have a larger validation value, {float(values[1]):.4g} instead of "
        f"{float(values[0]):.4g}",
    )


def _check_segment(loss: MetaLoss, batch: Batch, measured: list[int]) -> None:
    for gaps in (_gaps(measured), _gaps(measured, 0.0), _gaps(measured, -1e-9), _gaps(measured[:1])):
        for gap in gaps.values():
            gap.requires_grad_()
        value = loss.segment_loss(batch, SEGMENT, gaps)
        shown = {k: gap.tolist() for k, gap in gaps.items()}
        single = isinstance(value, Tensor) and value.shape == () and bool(value.isfinite())
        expect(single, f"{loss.name}: expected one finite number as the loss of {shown}, got {value}")
        expect(value.requires_grad, f"{loss.name}: its loss cannot be differentiated in the optimality gaps")
        torch.autograd.backward(value)
        slopes = [gap.grad for gap in gaps.values() if gap.grad is not None]
        finite = bool(slopes) and all(bool(slope.isfinite().all()) for slope in slopes)
        expect(finite, f"{loss.name}: the derivatives of its loss are not finite for the optimality gaps {shown}")
    whole, half = (float(loss.segment_loss(batch, SEGMENT, _gaps(measured, factor))) for factor in (1, 0.5))
    expect(
        half <= whole, f"{loss.name}: half the optimality gaps have a larger loss, {half:.4g} instead of {whole:.4g}"
    )
    swapped = {k: gap.flip(0) for k, gap in _gaps(measured).items()}
    flipped = Batch(batch.problem, batch.network, batch.optimum.flip(0), batch.initial_objective.flip(0))
    again = float(loss.segment_loss(flipped, SEGMENT, swapped))
    same = abs(again - whole) <= 1e-9 * max(1.0, abs(whole))
    expect(same, f"{loss.name}: with the problems in another order the loss is {again:.6g} instead of {whole:.6g}")


def check_metric(metric: Metric) -> None:
    """Check that a metric keeps the contract of :class:`~gnn_l2o.evaluation.Metric`.

    - ``name`` and ``label`` are declared, ``scale`` is ``"linear"`` or ``"log"``, and the class needs no arguments;
    - there is a real number for every problem, finite at the initial point and at the solution, the same when asked
      again; iterates and reference stay as they are;
    - problems side by side have the values that each has alone.

    A metric that applies to none of two least-squares problems is checked on what it declares only.

    Args:
        metric: to check.

    Raises:
        AssertionError: the contract is violated; the message says how.
    """
    cls = type(metric)
    for attribute in ("name", "label"):
        value = getattr(cls, attribute, None)
        expect(isinstance(value, str) and bool(value), f"{cls.__name__}: expected a {attribute}, got {value!r}")
    expect(
        metric.scale in ("linear", "log"), f"{metric.name}: expected the scale 'linear' or 'log', got {metric.scale!r}"
    )
    expect(isinstance(cls(), cls), f"{metric.name}: its class must need no arguments")
    problems = [small_problem(6, L1(0.2), 1), small_problem(4, L1(0.1), 2)]
    both = LeastSquares.concatenate(problems)
    reference = _reference(both)
    if not metric.applies(reference):
        return
    points = {"the initial point": reference.x0, "the solution": both.spread(reference.solution)}
    points["a random point"] = initial_points(both, seed=5)
    for where, x in points.items():
        before = x.clone()
        found = metric.values(reference, x)
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found)
        expect(shape == (2,), f"{metric.name}: expected a value for each of 2 problems, shape (2,), got {shape}")
        expect(bool(found.isfinite().all()), f"{metric.name}: is not finite at {where}: {found.tolist()}")
        expect(torch.equal(x, before), f"{metric.name}: changes the iterates that it is given")
        again = metric.values(reference, x)
        expect(torch.equal(again, found), f"{metric.name}: gives {found.tolist()}, then {again.tolist()} at {where}")
        for k, (problem, own) in enumerate(zip(problems, torch.split(x, [p.num_nodes for p in problems]), strict=True)):
            alone = metric.values(_reference(problem), own)
            expect_close(
                found[k : k + 1].double(), alone.double(), 1e-9, f"{metric.name}: problem {k} side by side and alone"
            )


def _reference(problem: Problem) -> Reference:
    solution = solve(problem)
    x0 = torch.zeros(problem.num_nodes, problem.dim, dtype=torch.float64)
    return Reference(problem, solution.x, solution.value, x0)


def _batch() -> Batch:
    problems = [small_problem(6, L1(0.2), seed) for seed in (1, 2)]
    both = LeastSquares.concatenate(problems)
    ring = Network.from_edges([(k, (k + 1) % 6) for k in range(6)])
    start = both.objective(torch.zeros(2, both.dim, dtype=torch.float64))
    return Batch(both, Network.concatenate([ring, ring]), solve(both).value, start)


def _gaps(iterations: list[int], factor: float = 1.0) -> dict[int, Tensor]:
    """Return gaps that fall from iteration to iteration, differently for two problems."""
    rates = torch.tensor([0.9, 0.7], dtype=torch.float64)
    return {k: factor * rates**k for k in iterations}
