"""Gradient tracking, iterate and tracker mixed adapt-then-combine."""

from __future__ import annotations

from torch import Tensor

from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.tracking import Tracking


class ProxATC(Tracking):
    r"""Prox-ATC: AugDGM (Xu, Zhu, Soh, Xie 2015, CDC) with a prox; a baseline of He et al. 2024, E.3.

    .. math::
        u^1     &= W (x^0 - \alpha \nabla f(x^0)) \\
        u^{k+1} &= W \bigl(2 u^k - W (u^k - \Delta x^k + \alpha \Delta \nabla f(x^k))\bigr) \\
        x^{k+1} &= \operatorname{prox}_{\alpha r}(u^{k+1})

    :class:`.Tracking` with :math:`A = W^2` and :math:`C = 0`. With r = 0 it is
    :math:`x^+ = W (x - \alpha y),\ y^+ = W (y + \nabla f(x^+) - \nabla f(x))` from :math:`y^0 = \nabla f(x^0)`.

    Step size: where all f_i are the same quadratic, with r = 0, it converges for :math:`\alpha < 2 / L`, or
    :math:`(1 + \lambda)^2 / (2 \lambda^2 L)` with :math:`\lambda = \lambda_{\min}(W)` if that is negative and this is
    smaller, and diverges beyond; no condition can allow more. Costs one gradient, one prox and two mixings an
    iteration, the first one mixing.

    Attributes:
        step_size: alpha.
    """

    name = "prox_atc"
    label = "Prox-ATC"

    def _first(self, network: Network, x: Tensor, descent: Tensor) -> Tensor:
        return network.mix(x - descent)

    def _next(self, network: Network, u: Tensor, moved: Tensor, change: Tensor) -> Tensor:
        return network.mix(2 * u - network.mix(u - moved + change))
