"""Distances of estimates from the signals that they estimate, in decibels: two measures that must not be mixed."""

from __future__ import annotations

from torch import Tensor

_FLOOR = 1e-10


def set_nmse(estimate: Tensor, target: Tensor) -> Tensor:
    r"""Return :math:`10 \log_{10} \bigl(\sum_s \|\hat x_s - x_s\|^2 / \sum_s \|x_s\|^2\bigr)`, ``()``.

    The measure of the papers on LISTA, LISTA-CPSS, ALISTA and LAMP: samples that fail weigh as much as they err.

    Args:
        estimate: ``(S, n)``.
        target: likewise.
    """
    return 10 * ((estimate - target).square().sum() / target.square().sum()).log10()


def sample_nmse(estimate: Tensor, target: Tensor) -> Tensor:
    r"""Return :math:`10 \log_{10} \frac{\|\hat x_s - x_s\|^2 / n + 10^{-10}}{\|x_s\|^2 / n + 10^{-10}}`, ``(S,)``.

    Its mean over the samples is the measure of Open-L2O (Chen et al. 2022, JMLR 23(189)). A mean of logarithms counts a
    sample that fails little, so that it is 10 to 20 dB below :func:`set_nmse` for good estimators. It ends near
    -90 dB, where the error is the constant in the numerator.

    Args:
        estimate: ``(S, n)``.
        target: likewise.
    """
    error, power = (estimate - target).square().mean(dim=1), target.square().mean(dim=1)
    return 10 * ((error + _FLOOR) / (power + _FLOOR)).log10()
