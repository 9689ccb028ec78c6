"""Step sizes of blocks of coordinates."""

from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph import Network
from gnn_l2o.local_updates import SGDm
from gnn_l2o.problems import Differentiable, Problem
from gnn_l2o.problems.regularizers import Zero
from gnn_l2o.step_sizes import MetaOptimize, StepSizeLearner
from gnn_l2o.testing.runs import small_problem
from tests.step_sizes.small_learners import BASES, METAS, RING, states


def two_arrays(nodes: int, unused: int = 0) -> Differentiable:
    """Least squares in two arrays, and one that the loss does not look at."""
    generator = torch.Generator().manual_seed(5)
    data = [torch.randn(6, 5, generator=generator, dtype=torch.float64) for _ in range(nodes)]

    def loss(x: Any, a: Tensor) -> Tensor:
        return (a @ torch.cat([x["first"].flatten(), x["second"]]) - 1).square().mean()

    x0 = {"first": torch.zeros(2, 2), "second": torch.zeros(1)}
    if unused:
        x0 = {"another": torch.ones(unused), **x0}
    return Differentiable.from_nodes(loss, data, x0=x0)


def run_from_zero(algorithm: Algorithm[Any], problem: Problem, network: Network) -> Any:
    with torch.no_grad():
        return next(islice(run(algorithm, problem, network, problem.initial_point()), 25, None))


@pytest.mark.parametrize(
    ("one", "other"), [("whole", (tuple(range(5)),)), ("tensors", (tuple(range(4)), (4,))), ("coordinates", None)]
)
def test_named_blocks_are_listed_blocks(one: str, other: Any) -> None:
    listed = tuple((k,) for k in range(5)) if other is None else other
    found = [
        run_from_zero(
            MetaOptimize(BASES["adamw"], StepSizeLearner(meta=METAS["adam"], blocks=blocks)), two_arrays(5), RING
        )
        for blocks in (one, listed)
    ]
    assert torch.equal(found[0].x, found[1].x)
    assert torch.equal(found[0].steps.log_step, found[1].steps.log_step)
    assert found[0].steps.log_step.size(1) == len(listed)


def test_blocks_learn_different_step_sizes() -> None:
    learner = StepSizeLearner(meta=METAS["sgd"], blocks="tensors")
    state = run_from_zero(MetaOptimize(SGDm(step_size=0.02), learner), two_arrays(5), RING)
    assert not torch.allclose(state.steps.log_step[:, 0], state.steps.log_step[:, 1])


@pytest.mark.parametrize("blocks", ["whole", "tensors"])
@pytest.mark.parametrize("base", BASES)
def test_an_array_without_gradient_changes_nothing(base: str, blocks: Any) -> None:
    algorithm = MetaOptimize(BASES[base], StepSizeLearner(meta=METAS["adam"], blocks=blocks))
    without, beside = (run_from_zero(algorithm, two_arrays(5, unused), RING) for unused in (0, 3))
    torch.testing.assert_close(beside.x[:, 3:], without.x, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(beside.steps.log_step[:, -1], without.steps.log_step[:, -1], rtol=1e-12, atol=1e-12)
    assert bool((beside.x[:, :3] == beside.x[:, :1]).all())


@pytest.mark.parametrize(
    ("blocks", "message"), [(((0, 1), (2,)), "but 3 is in none"), (((0, 1, 2), (3, 4)), "but 4 is none of them")]
)
def test_blocks_that_are_no_partition_are_refused(blocks: Any, message: str) -> None:
    problem = small_problem(5, Zero())
    with pytest.raises(InputError, match=message):
        states(MetaOptimize(BASES["adamw"], StepSizeLearner(blocks=blocks)), problem, RING)
