"""What L2O-Jacobian adds to L2O-Scale: updates of some arrays, and its regularizer in training."""

import dataclasses
import math
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import detach
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import L2OScaleArchitecture
from gnn_l2o.learned.l2o_scale import L2OScale
from gnn_l2o.local_updates import Adam, PartialUpdate
from gnn_l2o.problems import LeastSquares
from gnn_l2o.testing.learned import random_algorithm
from gnn_l2o.training.jacobian import squared_gradient
from gnn_l2o.training.losses import LogObjective
from gnn_l2o.training.pool import Pool
from gnn_l2o.training.recipe import read_recipe
from gnn_l2o.training.rollout import run_segment, validate
from gnn_l2o.training.stages import Stage
from gnn_l2o.training.trainer import TrainingRun
from tests.learned.local_updates import SHAPES, deltas, drawn_update, normal, quadratic
from tests.training.small_rnnprop import CONFIG


def test_with_probabilities_of_one_a_partial_update_is_the_update_bit_for_bit() -> None:
    update, gradients = drawn_update(), normal(6, 2, 10)
    assert torch.equal(deltas(PartialUpdate(update, 1.0, 1.0), gradients), deltas(update, gradients))
    assert isinstance(drawn_update(), L2OScale)


def test_arrays_move_with_their_probabilities_and_nodes_agree_which() -> None:
    gradients = torch.ones(2000, 3, 10).double()
    found = deltas(PartialUpdate(Adam(step_size=0.1), 0.1, 0.5), gradients)
    whole = deltas(Adam(step_size=0.1), gradients)
    moved = found != 0
    assert torch.equal(found, torch.where(moved, whole, 0.0))
    assert bool((moved == moved[:, :1, :]).all())
    for part, share in zip(moved[:, 0].split([6, 1, 3], dim=1), (0.1, 0.3, 0.5), strict=True):
        assert bool((part == part[:, :1]).all())
        assert float(part[:, 0].double().mean()) == pytest.approx(share, abs=4 * math.sqrt(share / 2000))


def test_one_array_alone_moves_with_the_last_probability() -> None:
    found = deltas(PartialUpdate(Adam(step_size=0.1), 0.1, 1.0), torch.ones(20, 1, 10).double(), ((10,),))
    assert bool((found != 0).all())


def test_an_array_that_rests_has_no_slope_in_the_weights() -> None:
    update = PartialUpdate(drawn_update(), 1e-9, 1.0)  # of SHAPES the first rests and the last moves
    gradient = normal(1, 10)
    delta, memory = update.delta(gradient, gradient, update.init(gradient, SHAPES))
    weight = update.update.network.shortcut.weight
    for part, moves in ((delta[:, :6], False), (delta[:, 7:], True)):
        (slope,) = torch.autograd.grad(part.sum(), weight, retain_graph=True, allow_unused=True, materialize_grads=True)
        assert bool((slope != 0).any()) == moves
    assert detach(memory).iteration == 1


# The regularizer


def test_the_regularizer_is_the_squared_gradient_and_its_derivative_has_the_hessian() -> None:
    both = [quadratic(seed, Network.from_edges([(0, 1)])) for seed in (0, 1)]
    problem, x = LeastSquares.concatenate(both), normal(4, 10).requires_grad_()
    value = squared_gradient(problem, x)
    a, b = problem.features, problem.targets
    count = problem.features.size(1)
    gradients = [2 / (2 * count) * a[i].T @ (a[i] @ x[i] - b[i]) for i in range(4)]
    torch.testing.assert_close(value, sum(g.square().sum() for g in gradients) / 4)
    (slope,) = torch.autograd.grad(value, x)
    expected = [2 / 4 * (a[i].T @ a[i] / count) @ g for i, g in enumerate(gradients)]
    torch.testing.assert_close(slope, torch.stack(expected))


TRAINING = dataclasses.replace(
    CONFIG,
    architecture=L2OScaleArchitecture(coordinate_features=3, array_features=4, whole_features=5),
    nodes=(1, 3),
    loss="log_objective",
    stages=(Stage(3e-3, 4, 8, 3),),
)


def test_the_regularizer_is_added_to_the_loss_of_training_alone() -> None:
    batch = Pool(TRAINING, "training", 2, torch.float64).batches(2)[0]
    algorithm, loss = random_algorithm(TRAINING.architecture), LogObjective()
    state = algorithm.init(batch.problem, batch.network, batch.x0)
    steps = range(1, 4)
    plain, weighted, heavy = (run_segment(algorithm, batch, state, steps, loss, steps, w) for w in (None, 0.5, 1.0))
    iterates = [s.x for s in islice(run(algorithm, batch.problem, batch.network, batch.x0), 1, 4)]
    added = torch.stack([squared_gradient(batch.problem, x) for x in iterates]).mean()
    torch.testing.assert_close(weighted.loss, plain.loss + 0.5 * added)
    slopes = [torch.autograd.grad(s.loss, algorithm.weights.offset)[0] for s in (plain, weighted, heavy)]
    torch.testing.assert_close(slopes[2] - slopes[1], slopes[1] - slopes[0])
    assert float(slopes[1] - slopes[0]) != 0
    assert plain.loss.item() == run_segment(algorithm, batch, state, steps, loss, steps).loss.item()


def test_it_trains_also_as_jacobian(tmp_path: Path) -> None:
    jacobian = dataclasses.replace(TRAINING.architecture, update_first=0.5, update_last=0.5)
    changes: list[dict[str, Any]] = [{}, {"jacobian_weight": 1e-3, "architecture": jacobian}]
    for number, change in enumerate(changes):
        training = TrainingRun(dataclasses.replace(TRAINING, **change), tmp_path / str(number))
        before = validate(training.judged, training.validation, 8, training.loss)
        training.run()
        assert training.progress.best < before
        assert read_recipe(tmp_path / str(number) / "recipe.toml").jacobian_weight == change.get("jacobian_weight")
    with pytest.raises(InputError, match="jacobian_weight is positive, got 0"):
        dataclasses.replace(TRAINING, jacobian_weight=0.0)
