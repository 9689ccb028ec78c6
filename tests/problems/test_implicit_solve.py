"""Derivatives of local solves against finite differences and unrolled iterations."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems import L1, Box, ElasticNet, GroupL1, LeastSquares, Logistic, Problem, Regularizer, Zero
from gnn_l2o.problems.linear_model import LinearModel

REGULARIZERS = {"zero": Zero(), "l1": L1(0.05), "elastic net": ElasticNet(0.05, 0.3), "box": Box(-0.5, 0.4)}


def sample(kind: type[LinearModel], counts: tuple[int, ...], dim: int, regularizer: Regularizer) -> LinearModel:
    features = [torch.randn(m, dim) for m in counts]
    targets = [torch.randn(m) for m in counts]
    return kind.from_nodes(features, [t > 0 for t in targets] if issubclass(kind, Logistic) else targets, regularizer)


def test_a_regularizer_that_is_not_separable_is_refused() -> None:
    problem = sample(LeastSquares, (3, 2), 4, GroupL1(0.1, size=2))
    center = torch.randn(2, 4, requires_grad=True)
    with pytest.raises(InputError, match="separable regularizer only, got GroupL1"):
        problem.local_solve(center, 0.3, torch.zeros(2, 4))


class General(Logistic):
    """A loss of which nothing but gradients is known."""

    uncounted_local_solve = Problem.uncounted_local_solve
    hessian_solve = Problem.hessian_solve


def solution(problem: Problem, start: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda center, weight: problem.local_solve(center, weight, start)


@pytest.mark.parametrize("shape", [(2, 1), (2, 5)], ids=["node", "coordinate"])
@pytest.mark.parametrize("counts", [(3, 2), (7, 9)], ids=["few samples", "many samples"])
@pytest.mark.parametrize("r", REGULARIZERS.values(), ids=REGULARIZERS)
@pytest.mark.parametrize("kind", [LeastSquares, Logistic, General])
def test_derivatives_agree_with_finite_differences(
    kind: type[LinearModel], r: Regularizer, counts: tuple[int, int], shape: tuple[int, int]
) -> None:
    problem = sample(kind, counts, 5, r)
    center = torch.randn(2, 5, requires_grad=True)
    weight = (0.3 + torch.rand(shape)).requires_grad_()
    assert torch.autograd.gradcheck(solution(problem, torch.zeros(2, 5)), (center, weight), atol=1e-5)
