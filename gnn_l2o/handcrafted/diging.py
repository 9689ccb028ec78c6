"""DIGing, gradient tracking without adapt-then-combine."""

from __future__ import annotations

from torch import Tensor

from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.tracking import Tracking


class DIGing(Tracking):
    r"""DIGing (Nedić, Olshevsky, Shi 2017, SIAM J. Optim. 27(4), arXiv:1607.03218) with a prox.

    .. math::
        u^1     &= W x^0 - \alpha \nabla f(x^0) \\
        u^{k+1} &= W \bigl(2 u^k - W (u^k - \Delta x^k)\bigr) - \alpha \Delta \nabla f(x^k) \\
        x^{k+1} &= \operatorname{prox}_{\alpha r}(u^{k+1})

    :class:`.Tracking` with :math:`A = I` and :math:`C = I - W^2`. With r = 0 it is
    :math:`x^+ = W x - \alpha y,\ y^+ = W y + \nabla f(x^+) - \nabla f(x)` from :math:`y^0 = \nabla f(x^0)`.

    Step size: where all f_i are the same quadratic, with r = 0, it converges for
    :math:`\alpha < \min(2, (1 + \lambda_{\min}(W))^2 / 2) / L` and diverges beyond; no condition can allow more. Costs
    one gradient, one prox and two mixings an iteration, the first one mixing.

    Attributes:
        step_size: alpha.
    """

    name = "diging"
    label = "DIGing"

    def _first(self, network: Network, x: Tensor, descent: Tensor) -> Tensor:
        return network.mix(x) - descent

    def _next(self, network: Network, u: Tensor, moved: Tensor, change: Tensor) -> Tensor:
        return network.mix(2 * u - network.mix(u - moved)) - change
