"""The losses of training and validation, what they measure of segments and runs, and those of users."""

import dataclasses
import inspect
import itertools
import math
import textwrap

import numpy as np
import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import detach
from gnn_l2o.algorithms.driver import run
from gnn_l2o.training import LOSSES, MetaLoss, TrainingRun, read_recipe
from gnn_l2o.training.card import write_card
from gnn_l2o.training.curve import CurvePoint, _draw, write_curve
from gnn_l2o.training.losses import (
    RESOLUTION,
    Area,
    LogArea,
    LogMean,
    LogOptimalityGap,
    Objective,
    area_above_tolerance,
)
from gnn_l2o.training.pool import Pool
from gnn_l2o.training.rollout import run_segment, validate
from tests.training.small_training import PAPER, TINY

pytestmark = pytest.mark.usefixtures("single_precision")


def test_the_losses():
    batch = Pool(TINY, "training", 1, torch.float64).batches(1)[0]
    x = torch.randn(batch.problem.num_nodes, batch.problem.dim, dtype=torch.float64)
    mean = x.mean(0)
    rows = mean.expand(len(x), -1)
    objective = batch.problem.loss(rows).mean() + batch.problem.regularizer.value(mean.unsqueeze(0))[0]
    gap = (objective - batch.optimum[0]) / (batch.initial_objective[0] - batch.optimum[0])
    found = {3: batch.relative_optimality_gap(x)}
    torch.testing.assert_close(Objective().segment_loss(batch, range(1, 4), found), objective)
    torch.testing.assert_close(LogOptimalityGap().segment_loss(batch, range(1, 4), found), torch.log(gap + RESOLUTION))
    area = torch.log10(1 + gap / 1e-5)
    torch.testing.assert_close(LogArea().segment_loss(batch, range(1, 4), found), torch.log(1 + 6 * area))


def test_the_logarithm_of_means_is_decided_by_the_problem_with_most_left():
    # By hand: means 0.5 and 0.05 over the problems, of which the second is solved; a negative gap is rounding.
    found = {1: torch.tensor([1.0, 0.0], dtype=torch.float64), 9: torch.tensor([0.1, -1e-9], dtype=torch.float64)}
    expected = (math.log(0.5 + RESOLUTION) + math.log(0.05 + RESOLUTION)) / 2
    assert float(LogMean().segment_loss(None, range(1, 10), found)) == pytest.approx(expected, rel=1e-12)
    early = [k <= 100 for k in LogMean().measured_iterations(1000)]
    assert (sum(early), len(early)) == (10, 32)  # two thirds are in the last nine tenths
    values = LogMean().validation_values(range(1, 10), found)
    assert values.tolist() == pytest.approx([math.log10(0.5 + RESOLUTION), math.log10(0.05 + RESOLUTION)], rel=1e-12)


def test_the_area_above_the_tolerance_is_a_sum_over_iterations():
    curve = {k: torch.tensor([10 ** (-k / 4), 1.0], dtype=torch.float64) for k in range(1, 41)}
    heights = np.log10(1 + np.array([[10 ** (-k / 4), 1.0] for k in range(1, 41)]) / 1e-5)
    expected = heights.sum(0) + 40 * heights[-1]  # what is left at the end counts for as long again
    torch.testing.assert_close(area_above_tolerance(range(1, 41), curve), torch.from_numpy(expected))
    sparse = {k: curve[k] for k in LogArea().measured_iterations(40)}
    torch.testing.assert_close(area_above_tolerance(range(1, 41), sparse), torch.from_numpy(expected), rtol=0.1, atol=0)
    given_up = {k: curve[k] for k in range(1, 5)}
    rest = heights[:4].sum(0) + 36 * heights[3] + 40 * heights[3]
    torch.testing.assert_close(area_above_tolerance(range(1, 41), given_up), torch.from_numpy(rest))


def test_the_objective_is_measured_everywhere_and_the_gap_at_log_spaced_iterations():
    assert Objective().measured_iterations(5) == [1, 2, 3, 4, 5]
    spaced = LogOptimalityGap().measured_iterations(400)
    assert spaced[0] == 1 and spaced[-1] == 400 and len(spaced) < 40
    assert all(b - a == 1 or b / a < 1.34 for a, b in itertools.pairwise(spaced))


def test_a_segments_loss_is_the_mean_over_its_iterations_and_its_gradient_ends_at_the_cut():
    batch = Pool(TINY, "training", 2, torch.float32).batches(2)[0]
    architecture = dataclasses.replace(TINY.architecture, warmup=6)
    algorithm = architecture.algorithm(architecture.build())
    first_state = algorithm.init(batch.problem, batch.network, batch.x0)
    states = [s for _, s in zip(range(7), run(algorithm, batch.problem, batch.network, batch.x0), strict=False)]
    measured = Objective().measured_iterations(6)
    first = run_segment(algorithm, batch, first_state, range(1, 4), Objective(), measured)
    expected = Objective().segment_loss(
        batch, range(1, 4), {k: batch.relative_optimality_gap(states[k].x) for k in (1, 2, 3)}
    )
    torch.testing.assert_close(first.loss, expected)

    x = first.state.x.detach().requires_grad_()
    second = run_segment(algorithm, batch, detach(first.state), range(4, 7), Objective(), measured)
    assert second.state.iteration == 6 and not second.diverged
    assert torch.autograd.grad(second.loss, first.state.x, allow_unused=True, retain_graph=True) == (None,)
    # Only what was not cut off sees the input: with the state put in by hand the gradient is there.
    linked = dataclasses.replace(detach(first.state), x=x)
    linked = run_segment(algorithm, batch, linked, range(4, 7), Objective(), measured)
    assert torch.autograd.grad(linked.loss, x)[0].abs().max() > 0


def test_validation_is_infinite_where_a_run_diverges():
    batch = Pool(PAPER, "validation", 2, torch.float32).batches(2)[0]
    weights = PAPER.architecture.build()
    algorithm = PAPER.architecture.algorithm(weights)
    weights.emit_exact_diffusion(0.1)
    assert -7 < validate(algorithm, [batch], 40, LogOptimalityGap()) < 0
    weights.emit_exact_diffusion(100.0)
    assert validate(algorithm, [batch], 40, LogOptimalityGap()) == math.inf


class FinalGap(MetaLoss):
    """What a user writes: the minimum that a loss needs."""

    name = "final_gap"
    label = "the optimality gap that is left"

    def segment_loss(self, batch, segment, optimality_gaps):
        *_, last = optimality_gaps.values()
        return (last.clamp(min=0) + RESOLUTION).log().mean()


def test_a_loss_in_a_file_of_ones_own_trains(tmp_path, monkeypatch):
    labels = set()
    monkeypatch.setattr("gnn_l2o.training.trainer.write_curve", lambda folder, curve, label: labels.add(label))
    source = textwrap.dedent(inspect.getsource(FinalGap))
    (tmp_path / "mine.py").write_text(f"from gnn_l2o.training.losses import RESOLUTION, MetaLoss\n\n\n{source}")
    config = dataclasses.replace(TINY, loss=str(tmp_path / "mine.py"))
    training = TrainingRun(config, tmp_path / "out")
    assert type(training.loss).__name__ == "FinalGap" and training.loss.tolerance == math.inf
    training.run()
    write_card(training)
    assert "(the optimality gap that is left, up to iteration 15)" in (tmp_path / "out" / "card.md").read_text()
    assert labels == {"the optimality gap that is left"}
    assert read_recipe(tmp_path / "out" / "recipe.toml") == training.config
    with pytest.raises(InputError, match="there is no loss file"):
        dataclasses.replace(TINY, loss="nowhere.py")


def test_every_loss_measures_and_judges():
    assert LOSSES.names() == [
        "area",
        "last_objective",
        "log_area",
        "log_gap",
        "log_mean",
        "log_objective",
        "objective",
        "particles",
        "payoff_differences",
    ]
    batch = Pool(TINY, "training", 2, torch.float64).batches(2)[0]
    for name in LOSSES.names():
        loss = LOSSES[name]()
        for measured in (loss.measured_iterations(50), loss.validation_iterations(50)):
            assert measured == sorted(set(measured)) and measured[0] >= 1 and measured[-1] == 50
        if not loss.applies(batch.problem):
            continue
        near, far = ({k: torch.full((2,), g, dtype=torch.float64) for k in measured} for g in (1e-4, 1e-2))
        assert loss.segment_loss(batch, range(1, 51), near) < loss.segment_loss(batch, range(1, 51), far)
        values = [loss.validation_values(range(1, 51), gaps) for gaps in (near, far)]
        assert values[0].dim() == 1 and values[0].mean() < values[1].mean()
    assert Area().measured_iterations(48) == list(range(2, 49, 2))


def test_the_axis_of_the_curve_says_what_is_measured(tmp_path):
    point = CurvePoint(1, 1, 5, 0.1, 0.2, 0.2, 0, 1.0)
    for loss in (LogArea(), LogOptimalityGap()):
        axes = _draw([point], loss.label).axes[0]
        assert " ".join(axes.get_ylabel().split()) == loss.label
    write_curve(tmp_path, [point], LogArea.label)
    assert (tmp_path / "curve.csv").read_text().splitlines()[0].split(",")[-2:] == ["rollbacks", "seconds"]
