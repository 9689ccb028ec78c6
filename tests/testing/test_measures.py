"""The contracts of losses of meta-training and of metrics: all that are built in keep them, and mutants are caught."""

from typing import Any

import pytest
import torch

from gnn_l2o.evaluation import METRICS, Metric
from gnn_l2o.testing import check_loss, check_metric
from gnn_l2o.training.losses import LOSSES, RESOLUTION, MetaLoss


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    check_loss(LOSSES[name])


@pytest.mark.parametrize("name", METRICS)
def test_metrics(name: str) -> None:
    check_metric(METRICS[name]())


class FinalGap(MetaLoss):
    name = "final_gap"

    def segment_loss(self, batch: Any, segment: range, gaps: Any) -> Any:
        return (gaps[max(gaps)].clamp(min=0) + RESOLUTION).log().mean()


class Largest(Metric):
    name = "largest"
    label = "largest coordinate"

    def values(self, reference: Any, x: Any) -> Any:
        return reference.problem.average(x).abs().amax(dim=1)


def test_what_mutants_derive_from_keeps_the_contract() -> None:
    check_loss(FinalGap)
    check_metric(Largest())


def mutant(base: type, **attributes: Any) -> Any:
    return type("Mutant", (base,), {"name": "mutant", **attributes})


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"name": ""}, "expected a name, got ''"),
        ({"tolerance": -1.0}, "expected a tolerance of at least 0, got -1.0"),
        ({"measured_iterations": lambda self, last: [0, last]}, r"of 1 iterations it measures \[0, 1\]"),
        ({"measured_iterations": lambda self, last: [last + 1]}, r"of 1 iterations it measures \[2\]"),
        ({"segment_loss": lambda self, batch, segment, gaps: gaps[max(gaps)]}, "expected one finite number"),
        (
            {"segment_loss": lambda self, batch, segment, gaps: gaps[max(gaps)].log().mean()},
            "expected one finite number",
        ),
        ({"segment_loss": lambda self, batch, segment, gaps: gaps[segment[0]].mean()}, None),
        ({"segment_loss": lambda self, b, s, gaps: gaps[max(gaps)].detach().mean()}, "cannot be differentiated"),
        (
            {"segment_loss": lambda self, b, s, gaps: gaps[max(gaps)].clamp(min=0).sqrt().mean()},
            "not finite for the optimality gaps",
        ),
        (
            {"segment_loss": lambda self, b, s, gaps: -gaps[max(gaps)].mean()},
            "half the optimality gaps have a larger loss",
        ),
        ({"segment_loss": lambda self, b, s, gaps: gaps[max(gaps)][0]}, "with the problems in another order"),
        ({"validation_values": lambda self, run, gaps: -torch.cat(list(gaps.values()))}, "a larger validation value"),
    ],
)
def test_losses_that_break_the_contract_are_caught(attributes: dict[str, Any], message: str | None) -> None:
    with pytest.raises(KeyError if message is None else AssertionError, match=message):
        check_loss(mutant(FinalGap, **attributes))


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"label": ""}, "expected a label, got ''"),
        ({"scale": "sqrt"}, "expected the scale 'linear' or 'log', got 'sqrt'"),
        ({"values": lambda self, reference, x: x.abs().amax()}, r"shape \(2,\), got \(\)"),
        ({"values": lambda self, reference, x: reference.problem.average(x).sum(dim=1).log()}, "is not finite at the"),
        ({"values": lambda self, r, x: r.problem.average(x.sub_(1.0)).sum(dim=1)}, "changes the iterates"),
        (
            {"values": lambda self, r, x: r.problem.average(x).sum(dim=1) + torch.rand(2)},
            "then .* at the initial point",
        ),
        ({"values": lambda self, r, x: x.mean().expand(r.problem.num_problems)}, "problem 0 side by side and alone"),
    ],
)
def test_metrics_that_break_the_contract_are_caught(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_metric(mutant(Largest, **attributes)())
