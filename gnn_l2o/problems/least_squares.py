"""Least squares: linear regression, LASSO or elastic net, depending on the regularizer."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gnn_l2o.problems.linear_model import LinearModel


@dataclass(frozen=True, eq=False, kw_only=True)
class LeastSquares(LinearModel):
    r"""Losses :math:`f_i(x) = \frac{1}{2 m_i} \|A_i x - b_i\|^2` (He et al. 2024, E.2).

    The paper prints no :math:`1/m_i`, but its step sizes are stable only with this factor. With
    :class:`.L1` this is LASSO, with :class:`.Zero` linear regression.

    See :class:`~gnn_l2o.problems.linear_model.LinearModel` for the attributes and for
    :meth:`~gnn_l2o.problems.linear_model.LinearModel.from_nodes`.

    Example:
        >>> import torch
        >>> from gnn_l2o.problems import L1
        >>> problem = LeastSquares.from_nodes([[[1.0], [1.0]], [[2.0]]], [[1.0, 3.0], [2.0]], L1(0.5))
        >>> problem.loss(torch.zeros(2, 1, dtype=torch.float64)).flatten()
        tensor([2.5000, 2.0000], dtype=torch.float64)
    """

    curvature_bound: ClassVar[float] = 1.0
    constant_curvature: ClassVar[bool] = True

    @staticmethod
    def sample_loss(prediction: Tensor, target: Tensor) -> Tensor:
        return 0.5 * (prediction - target).square()

    @staticmethod
    def sample_slope(prediction: Tensor, target: Tensor) -> Tensor:
        return prediction - target

    @staticmethod
    def sample_curvature(prediction: Tensor, target: Tensor) -> Tensor:
        return torch.ones_like(prediction)
