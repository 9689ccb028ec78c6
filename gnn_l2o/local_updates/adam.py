"""Adam."""

from __future__ import annotations

from dataclasses import dataclass

from gnn_l2o.local_updates.adamw import AdamW


@dataclass(frozen=True, eq=False, kw_only=True)
class Adam(AdamW):
    r"""Adam (Kingma, Ba 2015, ICLR, arXiv:1412.6980, Algorithm 1): :class:`.AdamW`, by default without weight decay.

    .. math::
        \Delta = -\alpha\, \frac{m^{k+1} / (1 - \beta_1^{k+1})}{\sqrt{v^{k+1} / (1 - \beta_2^{k+1})} + \varepsilon}

    A weight decay, if there is one, is decoupled; that of ``torch.optim.Adam`` is added to the gradient.

    Attributes:
        step_size: alpha, roughly the largest move of a coordinate, in units of x.
        beta1: the weight of the average of the gradients, in [0, 1).
        beta2: the weight of the average of their squares, in [0, 1).
        epsilon: keeps the quotient finite, > 0.
        weight_decay: kappa.
    """

    weight_decay: float = 0.0
