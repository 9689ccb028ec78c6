"""The tricks of RNNProp's training: scaled variables, losses of few iterations, and a convex companion."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.build import build_network
from gnn_l2o.training.losses import LastObjective, LogObjective
from gnn_l2o.training.pool import Pool
from gnn_l2o.training.trainer import TrainingRun
from tests.training.small_rnnprop import CONFIG


def test_random_scales_are_those_of_a_problem_and_follow_from_the_position(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, topology=("ring",), nodes=(3,), random_scaling=3.0)
    training = TrainingRun(config, tmp_path)
    batch = Pool(config, "training", 4, torch.float64).batches(4)[0]
    first, again = (training._presented(batch).scale for _ in range(2))
    assert torch.equal(first, again)
    training.progress.batch = 1
    assert not torch.equal(first, training._presented(batch).scale)
    assert torch.equal(first[:3], first[:1].expand(3, -1)) and not torch.equal(first[0], first[3])
    assert math.exp(-3) <= float(first.min()) < 0.3 < 3 < float(first.max()) <= math.exp(3)


def test_the_last_objective_is_that_of_the_last_iteration() -> None:
    batch = Pool(CONFIG, "training", 2, torch.float64).batches(2)[0]
    loss, gaps = LastObjective(), {k: torch.tensor([0.5, 0.1]).double() / k for k in (1, 2, 4)}
    expected = batch.optimum + gaps[4] * (batch.initial_objective - batch.optimum)
    torch.testing.assert_close(loss.segment_loss(batch, range(1, 5), gaps), expected.mean())
    assert loss.measured_iterations(4) == [4]


def test_the_log_objective_is_its_formula_and_refuses_negative_objectives() -> None:
    batch = Pool(CONFIG, "training", 2, torch.float64).batches(2)[0]
    batch = dataclasses.replace(batch, optimum=0.1 * batch.initial_objective)
    gaps = {k: torch.tensor([0.5, 0.1]).double() / k for k in (1, 2)}
    ratios = torch.cat([0.1 + 0.9 * gap for gap in gaps.values()])
    found = LogObjective().segment_loss(batch, range(1, 3), gaps)
    torch.testing.assert_close(found, (ratios + 1e-6).log().mean())
    assert LogObjective().measured_iterations(3) == [1, 2, 3]
    with pytest.raises(InputError, match="nowhere negative, got an optimum of -2"):
        LogObjective().segment_loss(dataclasses.replace(batch, optimum=torch.tensor([1.0, -2.0])), range(1, 3), gaps)


def test_the_convex_companion_is_its_formula_and_stands_beside_other_problems() -> None:
    problem = plugins.load("dataset", "clipped_quadratic")(build_network("path", 1), seed=0)
    x = 4 * torch.randn(1, 20).double()
    center = problem.data[0][0].numpy()
    expected = np.clip((x.numpy()[0] - center) ** 2, 0, 10).mean()
    assert float(problem.loss(x)) == pytest.approx(expected)
    mixed = dataclasses.replace(CONFIG, dataset=("quadratic", "clipped_quadratic"), problems=12)
    assert len(Pool(mixed, "training", 12, torch.float64).groups) == 2
