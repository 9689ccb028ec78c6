"""Every wrapper around every handcrafted local update, as methods whose steps are tuned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from gnn_l2o.algorithms.delegated import Delegated
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.algorithms.tunable import STEP_SIZE, Choice, Range, Tunable
from gnn_l2o.decentralized.diffused import Diffused
from gnn_l2o.decentralized.primal_dual import PrimalDual
from gnn_l2o.decentralized.tracked import Tracked
from gnn_l2o.decentralized.wrapper import Wrapper
from gnn_l2o.local_updates import UPDATES, ScaledUpdate, SGDm

IN_UNITS_OF_X = Range(1e-4, 1.0)  # step sizes of updates whose direction does not grow with the gradient
IN_UNITS_OF_CURVATURE = Range(0.01, 10.0, unit="L")
WRAPPERS: tuple[type[Wrapper[Any]], ...] = (Diffused, Tracked, PrimalDual)


@dataclass(frozen=True, eq=False)
class WrappedMethod(Delegated):
    """A wrapper around a handcrafted local update, for smooth problems.

    All parameters of the update but its step size have their default values.

    Attributes:
        wrapper: which, a class.
        update: around which, a class.
        step_size: of the update.
    """

    wrapper: ClassVar[type[Wrapper[Any]]]
    update: ClassVar[type[ScaledUpdate[Any]]]
    composite = False

    @property
    def algorithm(self) -> Wrapper[Any]:
        """The wrapper with these parameters."""
        return self.wrapper(self.update(step_size=self.step_size))


@dataclass(frozen=True, eq=False)
class PrimalDualMethod(WrappedMethod):
    """The same around :class:`.PrimalDual`, which has a step of its own.

    Attributes:
        step_size: of the update.
        dual_step: of the dual variables.
    """

    dual_step: float | Tensor

    @property
    def algorithm(self) -> PrimalDual:
        return PrimalDual(self.update(step_size=self.step_size), dual_step=self.dual_step)


def wrapped_method(wrapper: type[Wrapper[Any]], name: str) -> type[WrappedMethod]:
    """Return the method of a wrapper around the update of this name in :data:`~gnn_l2o.local_updates.UPDATES`.

    Only gradient descent with momentum converges to the solution with a constant step, and only where the wrapper has
    unbiased fixed points; directions of about unit size leave it at the distance of a step.
    """
    update = UPDATES[name]
    base = PrimalDualMethod if wrapper is PrimalDual else WrappedMethod
    grid: dict[str, Range | Choice] = {"step_size": STEP_SIZE if update is SGDm else IN_UNITS_OF_X}
    if base is PrimalDualMethod:
        grid["dual_step"] = IN_UNITS_OF_CURVATURE
    attributes = {
        "__doc__": f":class:`.{wrapper.__name__}` around :class:`.{update.__name__}`, see :class:`.WrappedMethod`.",
        "__module__": __name__,
        "name": f"{wrapper.name}_{name}",
        "label": f"{wrapper.name.replace('_', '-')} {update.__name__}",
        "wrapper": wrapper,
        "update": update,
        "grid": grid,
        "exact": update is SGDm and wrapper is not Diffused,
        "dual": wrapper.dual,
    }
    return type(f"{wrapper.__name__}{update.__name__}", (base,), attributes)


WRAPPED: dict[str, type[Tunable[Any]]] = {
    method.name: METHODS.register(method)
    for method in (wrapped_method(wrapper, name) for wrapper in WRAPPERS for name in UPDATES)
}
