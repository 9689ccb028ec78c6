"""Inputs of the preconditioners."""

import math

import torch
from torch import Tensor

_FLOOR = 1e-4  # values below it, in the node's own unit, all look like zero


def signed_log(value: Tensor, unit: Tensor) -> Tensor:
    r"""Return :math:`\operatorname{sign}(v) \log(1 + |v| / (\epsilon u)) / \log(1 + 1 / \epsilon)`, 1 where v = u.

    It keeps the order of magnitude of what shrinks over many decades during a run, as the inputs of learned optimizers
    must (Andrychowicz et al. 2016, appendix A).

    Args:
        value: v, ``(rows, d)``.
        unit: u > 0, what counts as large, ``(rows, 1)``.
    """
    return torch.sign(value) * torch.log1p(value.abs() / (_FLOOR * unit)) / math.log1p(1 / _FLOOR)


def first_step_size(gradient: Tensor, smoothness: Tensor) -> Tensor:
    r"""Return the size of a node's first gradient step, :math:`\|\nabla f_i(x^0)\| / (\sqrt d L_i)`, ``(N, 1)``.

    The unit in which a node measures everything: multiplying x by a constant, or f by one, changes no feature.
    A node that starts at a minimum of its own loss has no such scale and takes 1.
    """
    size = gradient.square().mean(dim=1, keepdim=True).sqrt() / smoothness
    return torch.where(size > 0, size, torch.ones_like(size))


def secant_curvature(move: Tensor, change: Tensor, step: Tensor) -> Tensor:
    r"""Return :math:`\frac12 \log_{10} \kappa_i`, :math:`\kappa_i = c_i \langle s_i, u_i \rangle / \|s_i\|^2`.

    s is a node's last move and u the change of its gradient on the way, so that the quotient (of Barzilai, Borwein
    1988) is the curvature it met, and :math:`\kappa` that in units of the longest step. Where the neighbours' losses
    are steep in different directions :math:`\kappa` stays small and long steps are safe; where they are alike it tells
    how much shorter the steps have to be. It is cut to [-1, 1], which is -1 before the first move.

    Args:
        move: s, ``(N, d)``.
        change: u, ``(N, d)``.
        step: c, ``(N, 1)``.

    Returns:
        ``(N, 1)``.
    """
    tiny = torch.finfo(move.dtype).tiny
    curvature = (move * change).sum(dim=1, keepdim=True) / (move.square().sum(dim=1, keepdim=True) + tiny)
    return 0.5 * (step * curvature).clamp(1e-2, 1e2).log10()


def stack(*features: Tensor) -> Tensor:
    """Stack features, the first ``(rows, d)``, the others so or ``(rows, 1)``, to ``(features, rows, d)``."""
    return torch.stack([f.expand_as(features[0]) for f in features])
