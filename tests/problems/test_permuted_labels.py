"""A stream of mini-batches whose labels change."""

from typing import Any

import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems import Stochastic
from gnn_l2o.problems.permuted_labels import PermutedLabels
from tests.problems.small_networks import CLASSES, linear_layer

EVERY = 10


def stream() -> PermutedLabels:
    return PermutedLabels(linear_layer(), batch_size=4, seed=7, every=EVERY)


def drawn(problem: Any) -> Any:
    assert problem.drawn is not None
    return problem.drawn


@pytest.mark.parametrize("number", [0, 1, 9, 10, 19, 20, 35])
def test_a_draw_is_that_of_the_problem_with_other_labels(number: int) -> None:
    torch.manual_seed(0)
    permuted = stream()
    fixed = Stochastic(permuted.full, batch_size=4, seed=7)
    ours, theirs = drawn(permuted.draw(number)), drawn(fixed.draw(number))
    labels = permuted.permutation(number)
    assert sorted(labels.tolist()) == list(range(CLASSES))
    assert torch.equal(ours.features, theirs.features)
    assert torch.equal(ours.targets, labels[theirs.targets])
    assert torch.equal(labels, torch.arange(CLASSES)) == (number < EVERY)


def test_labels_change_once_a_period_and_are_drawn_alike_again() -> None:
    periods = [stream().permutation(k).tolist() for k in range(4 * EVERY)]
    assert [periods[k] != periods[k - 1] for k in range(1, 4 * EVERY)] == [k % EVERY == 0 for k in range(1, 4 * EVERY)]


def test_local_steps_have_the_labels_of_their_iteration() -> None:
    problem = stream()
    fixed = Stochastic(problem.full, batch_size=4, seed=7)
    ours, theirs = (drawn(p.draw(25).local_draw(2)) for p in (problem, fixed))
    assert torch.equal(ours.targets, problem.permutation(25)[theirs.targets])
    assert problem.draw(25).local_draw(0).drawn is not None
    assert problem.local_draw(1) is problem


def test_losses_of_a_draw_follow_its_labels_and_those_of_the_whole_do_not() -> None:
    problem = stream()
    x = torch.randn(3, problem.dim)
    fixed = Stochastic(problem.full, batch_size=4, seed=7)
    assert torch.equal(problem.loss(x), fixed.loss(x))
    assert torch.equal(problem.draw(3).loss(x), fixed.draw(3).loss(x))
    assert not torch.equal(problem.draw(13).loss(x), fixed.draw(13).loss(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PermutedLabels(linear_layer(), batch_size=4, seed=0, every=0), "after at least 1 iteration, got 0"),
        (
            lambda: PermutedLabels(linear_layer(real=True), batch_size=4, seed=0, every=5),
            "need targets that are classes",
        ),
        (lambda: PermutedLabels.concatenate([stream(), stream()]), "cannot be joined in one batch"),
    ],
)
def test_what_has_no_labels_to_permute_is_refused(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
