"""Learned local updates as decentralized optimizers: what all kinds of them share."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.decentralized import Diffused, Tracked, Wrapper
from gnn_l2o.graph.network import Network
from gnn_l2o.learned.architecture import Architecture, LearnedOptimizer, Weights
from gnn_l2o.local_updates import LocalUpdate
from gnn_l2o.problems import Problem

WRAPPERS: Mapping[str, type[Wrapper[Any]]] = {"diffused": Diffused, "tracked": Tracked}


@dataclass(frozen=True, eq=False)
class Rescaled(LocalUpdate[Any]):
    r"""A local update in scaled variables, :math:`x = s \odot x'`: what it makes of :math:`f(s \odot x')`.

    .. math:: \Delta = s \odot \Delta'(s \odot g)

    Drawn anew for every training problem, s teaches an update that the scale of a coordinate means nothing (Lv et al.
    2017, arXiv:1703.03633, Section 4.1).

    Attributes:
        update: runs on x'.
        scale: s > 0, ``(N, d)``; equal at the nodes of a problem, so that mixing is the same in both variables.
    """

    update: LocalUpdate[Any]
    scale: Tensor

    def init(self, x0: Tensor, shapes: tuple[tuple[int, ...], ...]) -> Any:
        return self.update.init(x0 / self.scale, shapes)

    def delta(self, gradient: Tensor, x: Tensor, memory: Any) -> tuple[Tensor, Any]:
        delta, memory = self.update.delta(self.scale * gradient, x / self.scale, memory)
        return self.scale * delta, memory


@dataclass(frozen=True)
class LocalUpdateOptimizer(LearnedOptimizer[Any, Weights]):
    r"""A learned local update that every node runs, between the exchanges of a wrapper.

    With one node it is exactly the centralized optimizer, :math:`x + \Delta(\nabla f(x))`. Over a network it is
    :class:`.Diffused` or :class:`.Tracked`, with their costs. A regularizer enters by its subgradient.

    Attributes:
        wrapper: which.
        make_update: makes the local update of the weights.
        scale: if given, the update runs in variables scaled by it (:class:`Rescaled`).
    """

    wrapper: type[Wrapper[Any]] = dataclasses.field(kw_only=True)
    make_update: Callable[[Weights], LocalUpdate[Any]] = dataclasses.field(kw_only=True)
    scale: Tensor | None = dataclasses.field(default=None, kw_only=True, repr=False)

    @property
    def inner(self) -> Wrapper[Any]:
        """The wrapper around the update of the present weights."""
        update = self.make_update(self.weights)
        return self.wrapper(update if self.scale is None else Rescaled(update, self.scale))

    def rescaled(self, scale: Tensor) -> Self:
        """Return the optimizer, with the same weights, in variables scaled by ``scale``, ``(N, d)``."""
        return dataclasses.replace(self, scale=scale)

    @property
    def cost(self) -> Cost:
        return self.inner.cost

    @property
    def dual(self) -> str | None:  # type: ignore[override]  # a ClassVar elsewhere; here it is the wrapper's
        return self.wrapper.dual

    def init(self, problem: Problem, network: Network, x0: Tensor) -> Any:
        return self.inner.init(problem, network, x0)

    def step(self, problem: Problem, network: Network, state: Any) -> Any:
        return self.inner.step(problem, network, state)


@dataclass(frozen=True)
class LocalUpdateArchitecture(Architecture[Weights]):
    """The settings of a learned local update.

    Training may start ``"still"``, where nothing moves, or ``"random"``, from drawn weights.

    Attributes:
        wrapper: how nodes exchange what they compute, "tracked" or "diffused".
        zero_preserving: whether the output has no bias and multiplies the gradient as the network sees it, so that
            solutions are fixed points of the tracked form; a variant of ours.
        second_derivatives: whether training differentiates the gradients that the network sees; the papers do not.
    """

    inits = ("still", "random")

    wrapper: Literal["tracked", "diffused"] = "tracked"
    zero_preserving: bool = False
    second_derivatives: bool = False

    @abstractmethod
    def make_update(self, weights: Weights) -> LocalUpdate[Any]:
        """Return the local update that these weights make."""

    @abstractmethod
    def make_still(self, weights: Weights) -> None:
        """Make the weights emit 0 whatever the gradients are."""

    def initialize(self, weights: Weights, init: str, step_size: float | None) -> None:
        if init == "still":
            self.make_still(weights)

    def algorithm(self, weights: Weights, name: str | None = None) -> LocalUpdateOptimizer[Weights]:
        return LocalUpdateOptimizer(
            weights, name or self.name, wrapper=WRAPPERS[self.wrapper], make_update=self.make_update
        )
