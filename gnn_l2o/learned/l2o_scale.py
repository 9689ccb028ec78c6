"""L2O-Scale, recurrent units at three levels that emit directions, step lengths and time scales."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.learned.local_update import LocalUpdateArchitecture
from gnn_l2o.local_updates import LocalUpdate, PartialUpdate
from gnn_l2o.nn.hierarchical_gru import HierarchicalGRU, Levels, array_means, scaled_linear, to_coordinates

TIME_SCALES = 4
FEATURES = 3 * TIME_SCALES  # momenta, their products, relative sizes, and one relative rate
EPSILON = 1e-16  # beside squares of gradients; the authors' code has 1e-12 there, and 1e-16 beside squared directions
LARGEST_LOG_RATE = 33.0  # authors' code
DECAY_LOGIT = 2.2  # of the averages of gradients at the start, a decay of about 0.9 (authors' code)
SQUARE_DECAY_LOGIT = 3.2  # of the averages of squares, about 0.96; also of the momentum of the rate (authors' code)
OFFSET = -1.0  # from the logarithm of the rate to that of the step, at the start (authors' code)


class ScaleNetwork(nn.Module):
    """:class:`.HierarchicalGRU` and what is read off its coordinates' states.

    By default there are the 8,349 weights of the authors' code without attention.

    Args:
        coordinate_features, array_features, whole_features: widths of the three levels.
    """

    def __init__(self, coordinate_features: int = 10, array_features: int = 20, whole_features: int = 20) -> None:
        super().__init__()
        self.gru = HierarchicalGRU(FEATURES, coordinate_features, array_features, whole_features)
        self.direction = scaled_linear(coordinate_features, 1, bias=False)
        self.shortcut = nn.Linear(TIME_SCALES, 1, bias=False)
        nn.init.normal_(self.shortcut.weight, 1 / TIME_SCALES, 0.1 / math.sqrt(TIME_SCALES))
        self.decay = scaled_linear(coordinate_features, 1)
        self.square_decay = scaled_linear(coordinate_features, 1)
        self.rate_change = scaled_linear(coordinate_features, 1)
        nn.init.constant_(self.decay.bias, DECAY_LOGIT)
        nn.init.constant_(self.square_decay.bias, SQUARE_DECAY_LOGIT)
        nn.init.zeros_(self.rate_change.weight)
        self.rate_momentum = nn.Parameter(torch.tensor(SQUARE_DECAY_LOGIT))
        self.offset = nn.Parameter(torch.tensor(OFFSET))

    def make_still(self) -> None:
        """Make the direction 0 whatever the inputs."""
        nn.init.zeros_(self.direction.weight)
        nn.init.zeros_(self.shortcut.weight)


@dataclass(frozen=True, eq=False)
class L2OScaleMemory:
    """Memory of :class:`L2OScale`; S = 4 time scales."""

    levels: Levels
    decay: Tensor  # (N, d), beta, of the averages of gradients
    square_decay: Tensor  # (N, d), gamma, of those of squares
    averages: Tensor  # (N, d, S), of gradients
    squares: Tensor  # (N, d, S), of the squares of these averages
    log_rate: Tensor  # (N, d), eta
    sizes: tuple[int, ...]  # how many coordinates each array of x has


@dataclass(frozen=True, eq=False)
class L2OScale(LocalUpdate[L2OScaleMemory]):
    r"""L2O-Scale (Wichrowska et al. 2017, ICML, arXiv:1703.04813): a hierarchy of recurrent units.

    Gradients are averaged at four time scales, s = 0, ..., 3, with decays that the network emitted in the step before:

    .. math::
        \bar g_s^+  &= \beta^{1 / 2^s} \bar g_s + (1 - \beta^{1 / 2^s})\, g \\
        \lambda_s^+ &= \gamma^{1 / 2^s} \lambda_s + (1 - \gamma^{1 / 2^s}) \bigl((\bar g_s^+)^2 + \varepsilon\bigr) \\
        m_s         &= \operatorname{asinh} \bigl(\bar g_s^+ / \sqrt{\lambda_s^+}\bigr)

    The 12 features of a coordinate are :math:`m_s`, the products :math:`m_s m_{s+1}`,
    :math:`\ln \lambda_s^+` less its mean over s, and :math:`\eta` less its mean over all coordinates of the node. Of
    the new state h of the coordinate (:class:`.HierarchicalGRU`) linear layers make

    .. math::
        v        &= w_v^\top h + w_m^\top m \\
        \eta'    &= \operatorname{clip}(\eta + w_\eta^\top h + b_\eta, \pm 33), \qquad
        \eta^+    = \mu\, \eta + (1 - \mu)\, \eta' \\
        \Delta   &= - e^{\eta' + o}\, v / \sqrt{\operatorname{mean}(v^2) + 10^{-16}}

    with the mean over the coordinates of the same array of x (:attr:`.Problem.shapes`), a learned offset o and momentum
    :math:`\mu`, and the logits of the next :math:`\beta` and :math:`\gamma`, which are 0 at first. So where
    :math:`\eta'` is the same for all of an array, the root mean square of its step is :math:`e^{\eta' + o}` exactly. A
    multiple of f gives the same iterates, as long as gradients are far above :math:`10^{-8}`. The clip has the
    derivative 1 everywhere. The form of all this is that of the authors' code.

    **What differs.** The authors draw the first rates at random for each coordinate, between 1e-6 and 1e-2; here all
    are ``initial_rate``, since runs are functions of their problems (``random_scaling`` in training has the effect of
    random rates). The whole sees all arrays, as in the paper; in Open-L2O's code it sees the last one. Attention, which
    moves the point where gradients are taken, is off, as in Open-L2O.

    The state of a coordinate is not 0 where the gradients are: no solution is a fixed point, over no network.
    ``zero_preserving`` changes that: :math:`w_v^\top h` is multiplied by :math:`m_0`. This variant is ours. Since
    directions are normalized, even it comes to rest only as its rates fall.

    Attributes:
        network: the layers.
        initial_rate: the exponential of the first eta.
        zero_preserving: see above.
        second_derivatives: whether :math:`\Delta` is differentiated in g, as in the paper.
    """

    network: ScaleNetwork
    initial_rate: float = 1e-2
    zero_preserving: bool = False
    second_derivatives: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "preserves_zero", self.zero_preserving)

    def init(self, x0: Tensor, shapes: tuple[tuple[int, ...], ...]) -> L2OScaleMemory:
        sizes = tuple(map(math.prod, shapes))
        zero = torch.zeros_like(x0)
        per_scale = zero.unsqueeze(-1).expand(-1, -1, TIME_SCALES)
        levels = self.network.gru.initial_states(len(x0), sizes)
        log_rate = torch.full_like(x0, math.log(self.initial_rate))
        return L2OScaleMemory(levels, zero, zero, per_scale, per_scale, log_rate, sizes)

    def delta(self, gradient: Tensor, x: Tensor, memory: L2OScaleMemory) -> tuple[Tensor, L2OScaleMemory]:
        gradient = gradient if self.second_derivatives else gradient.detach()
        network, sizes = self.network, memory.sizes
        averages, squares, momenta = averaged(gradient, memory)
        levels = network.gru(features_of(momenta, squares, memory.log_rate), memory.levels, sizes)
        h = levels.coordinates
        raw = network.direction(h)
        direction = (raw * momenta[..., :1] if self.zero_preserving else raw) + network.shortcut(momenta)
        length = (array_means(direction.square(), sizes) + EPSILON).sqrt()
        step_log_rate = clipped(memory.log_rate + network.rate_change(h).squeeze(-1))
        delta = -(step_log_rate + network.offset).exp() * (direction / to_coordinates(length, sizes)).squeeze(-1)
        return delta, L2OScaleMemory(
            levels,
            torch.sigmoid(network.decay(h)).squeeze(-1),
            torch.sigmoid(network.square_decay(h)).squeeze(-1),
            averages,
            squares,
            torch.lerp(step_log_rate, memory.log_rate, torch.sigmoid(network.rate_momentum)),
            sizes,
        )


def averaged(gradient: Tensor, memory: L2OScaleMemory) -> tuple[Tensor, Tensor, Tensor]:
    """Return the averages of gradients and of their squares after one more, and the momenta m, ``(N, d, S)`` each."""
    decay, square_decay = (_time_scales(d) for d in (memory.decay, memory.square_decay))
    averages = torch.lerp(gradient.unsqueeze(-1), memory.averages, decay)
    squares = torch.lerp(averages.square() + EPSILON, memory.squares, square_decay)
    return averages, squares, torch.asinh(averages / squares.sqrt())


def features_of(momenta: Tensor, squares: Tensor, log_rate: Tensor) -> Tensor:
    """Return the features of every coordinate, ``(N, d, 12)``, see :class:`L2OScale`."""
    products = momenta[..., :-1] * momenta[..., 1:]
    sizes = squares.log()
    rates = log_rate - log_rate.mean(dim=1, keepdim=True)
    return torch.cat([momenta, products, sizes - sizes.mean(dim=-1, keepdim=True), rates.unsqueeze(-1)], dim=-1)


def clipped(log_rate: Tensor) -> Tensor:
    """Return logarithms of rates within bounds, with the derivative 1 also outside."""
    return log_rate + (log_rate.clamp(-LARGEST_LOG_RATE, LARGEST_LOG_RATE) - log_rate).detach()


def _time_scales(decay: Tensor) -> Tensor:
    """Return the decays of all time scales, each about twice as long as the one before: ``(N, d)`` to ``(N, d, S)``."""
    scales = [decay]
    for _ in range(TIME_SCALES - 1):
        scales.append(scales[-1].sqrt())
    return torch.stack(scales, dim=-1)


@dataclass(frozen=True)
class L2OScaleArchitecture(LocalUpdateArchitecture[ScaleNetwork]):
    """L2O-Scale, also as L2O-Jacobian trains it.

    Training may start ``"random"``, as the authors do, or ``"still"``, where nothing moves.

    Attributes:
        coordinate_features, array_features, whole_features: widths of the three levels.
        initial_rate: the first learning rate of every coordinate.
        update_first: the probability with which the first array of x is updated in an iteration, see
            :class:`.PartialUpdate`; 1 for L2O-Scale, 0.1 for L2O-Jacobian.
        update_last: the same for the last array, 1 or 0.5; those between lie evenly between.
        wrapper: how nodes exchange what they compute, "tracked" or "diffused".
        zero_preserving: whether the direction is 0 where all gradients were; a variant of ours.
        second_derivatives: whether training differentiates the gradients that the network sees, as in the paper.
    """

    name = "l2o_scale"
    description = (
        "L2O-Scale (Wichrowska et al. 2017), recurrent units of coordinates, of arrays and of all together at a node"
    )
    scope = "It runs on graphs of any size and topology and on problems of any dimension, without any guarantee."
    inits = ("random", "still")

    coordinate_features: int = 10
    array_features: int = 20
    whole_features: int = 20
    initial_rate: float = 1e-2
    update_first: float = 1.0
    update_last: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, bound in (("initial_rate", math.inf), ("update_first", 1.0), ("update_last", 1.0)):
            value = getattr(self, name)
            if not (0 < value <= bound and value < math.inf):
                raise InputError(f"{name} of a {self.name} lies between 0 and {bound:g}, got {value}")

    def build(self) -> ScaleNetwork:
        return ScaleNetwork(self.coordinate_features, self.array_features, self.whole_features)

    def make_still(self, weights: ScaleNetwork) -> None:
        weights.make_still()

    def make_update(self, weights: ScaleNetwork) -> LocalUpdate[Any]:
        update = L2OScale(weights, self.initial_rate, self.zero_preserving, self.second_derivatives)
        if self.update_first == self.update_last == 1:
            return update
        return PartialUpdate(update, self.update_first, self.update_last)
