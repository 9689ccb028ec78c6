"""What the methods made for stochastic gradients share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gnn_l2o.algorithms.base import State
from gnn_l2o.algorithms.tunable import Choice, Range, Tunable


@dataclass(frozen=True, eq=False)
class StochasticMethod(Tunable[State]):
    r"""A method with momentum and a step that decays, over gradients :math:`g^k` that may be stochastic.

    .. math::
        m^{k+1} = \beta m^k + (1 - \beta) g^k(x^k), \quad m^0 = 0, \qquad \alpha_k = \frac{\alpha}{1 + \rho k}

    The weight :math:`1 - \beta`, which the smooth forms of these methods may leave to the step, is needed with a prox:
    m must be as large as a gradient, or the fixed points would be those of another weight of r.

    With a constant step they end in a ball around their limits whose size grows with the step; the decay shrinks it.
    Nearly no momentum and nearly no decay are among the values that are tried.

    Attributes:
        step_size: alpha.
        momentum: beta.
        decay: rho.
    """

    grid: ClassVar[Mapping[str, Range | Choice]] = {
        "step_size": Range(0.05, 5.0, unit="1/L"),
        "momentum": Range(0.01, 0.9, spacing="log_from_one", points=2, below=1.0, open=False),
        "decay": Range(1e-4, 1e-2, points=2),
    }
    stochastic = True

    step_size: float | Tensor
    momentum: float | Tensor
    decay: float | Tensor

    def step_size_at(self, iteration: int) -> float | Tensor:
        r"""Return :math:`\alpha_k`."""
        return self.step_size / (1 + self.decay * iteration)

    def average(self, m: Tensor, gradient: Tensor) -> Tensor:
        """Return m of the next iteration, ``(N, d)``."""
        return self.momentum * m + (1 - self.momentum) * gradient
