"""Logistic regression."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems.linear_model import LinearModel


@dataclass(frozen=True, eq=False, kw_only=True)
class Logistic(LinearModel):
    r"""The mean cross-entropy of labels 0 and 1 (He et al. 2024, E.2).

    .. math::
        f_i(x) = \frac{1}{m_i} \sum_{j=1}^{m_i}
            b_{ij} \ln(1 + e^{-a_{ij}^\top x}) + (1 - b_{ij}) \ln(1 + e^{a_{ij}^\top x})

    There is no intercept; a column of ones among the features is one.

    See :class:`~gnn_l2o.problems.linear_model.LinearModel` for the attributes and for
    :meth:`~gnn_l2o.problems.linear_model.LinearModel.from_nodes`.

    Raises:
        InputError: also if a label is neither 0 nor 1.

    Example:
        >>> import torch
        >>> from gnn_l2o.problems import Zero
        >>> problem = Logistic.from_nodes([[[1.0], [-1.0]]], [[1, 0]], Zero())
        >>> problem.gradient(torch.zeros(1, 1, dtype=torch.float64))
        tensor([[-0.5000]], dtype=torch.float64)
    """

    curvature_bound: ClassVar[float] = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        bad = ((self.targets != 0) & (self.targets != 1)).nonzero()
        if bad.numel():
            i, j = bad[0].tolist()
            raise InputError(f"labels must be 0 or 1, got {self.targets[i, j]:g} at node {i}")

    @staticmethod
    def sample_loss(prediction: Tensor, target: Tensor) -> Tensor:
        return -functional.logsigmoid((2 * target - 1) * prediction)  # exact in both tails

    @staticmethod
    def sample_slope(prediction: Tensor, target: Tensor) -> Tensor:
        return prediction.sigmoid() - target

    @staticmethod
    def sample_curvature(prediction: Tensor, target: Tensor) -> Tensor:
        return prediction.sigmoid() * (-prediction).sigmoid()
