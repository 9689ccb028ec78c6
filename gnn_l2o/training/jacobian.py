"""The regularizer of L2O-Jacobian: gradients at the iterates of an optimizer should be small."""

from __future__ import annotations

from torch import Tensor

from gnn_l2o.problems import Problem


def squared_gradient(problem: Problem, x: Tensor) -> Tensor:
    r"""Return :math:`\frac{1}{N} \sum_i \|\nabla f_i(x_i)\|^2`, averaged over the problems.

    HALO (Li et al. 2020, ECCV) adds it to the loss of training, best with a weight of 1e-3. A sum over nodes of what
    each knows, it needs no messages. Its derivative in x holds second derivatives of f_i.

    Args:
        problem: N nodes.
        x: ``(N, d)``.

    Returns:
        ``()``.
    """
    return problem.average(problem.local_gradient(x).square().sum(dim=1, keepdim=True)).mean()
