"""Methods that need no tuning: those that learn their step size, and others with their default parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from gnn_l2o.algorithms.delegated import Delegated
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.algorithms.tunable import Choice, Method, Range
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import Kuruzov, ProxED, SpectralADMM
from gnn_l2o.local_updates import UPDATES, Adam
from gnn_l2o.problems import NeuralNetwork, Problem, Stochastic
from gnn_l2o.step_sizes.dapg import MetaDAPG
from gnn_l2o.step_sizes.learner import StepSizeLearner
from gnn_l2o.step_sizes.meta_optimize import MetaOptimize
from gnn_l2o.step_sizes.pg_extra import MetaPGExtra
from gnn_l2o.step_sizes.prox_ed import MetaProxED
from gnn_l2o.step_sizes.tangent import CEILING, TangentMethod

FIRST_OVER_L = 0.1
FIRST_IN_X = 1e-4  # for updates whose direction has about unit size
META_STEP = 0.01  # where gradients are stochastic; with the paper's 1e-3 it takes ten times as long to find the step
HIGHEST = 0.1  # for updates whose direction has about unit size
CONSTANT = 1.9  # over L: 0.95 of the largest stable step of Prox-ED


def only(value: float, unit: Literal["1", "1/L"] = "1") -> Range:
    """Return the values of a parameter that has one value."""
    return Range(value, value, points=1, unit=unit, open=False)


class LearnedTangentMethod(Delegated):
    """One of :class:`.TangentMethod` with its default parameters, for convex problems.

    Attributes:
        kind: which, a class.
        step_size: the first one, which is not tuned.
    """

    tuned = False
    kind: ClassVar[type[TangentMethod[Any]]]
    grid: ClassVar[Mapping[str, Range | Choice]] = {"step_size": only(FIRST_OVER_L, "1/L")}

    @property
    def algorithm(self) -> TangentMethod[Any]:
        return self.kind(self.step_size)


class LearnedUpdateMethod(Delegated):
    """:class:`.MetaOptimize` with tracking around a local update without weight decay, for smooth problems.

    Attributes:
        base: the name of the local update.
        learner: what moves the step size.
        step_size: the first one, which is not tuned.
    """

    tuned = False
    base: ClassVar[str]
    learner: ClassVar[StepSizeLearner]
    composite = False
    exact = False
    dual = "c"

    @property
    def algorithm(self) -> MetaOptimize:
        update = UPDATES[self.base](step_size=self.step_size, weight_decay=0.0)
        return MetaOptimize(update, self.learner, tracked=True)


def learned_tangent(kind: type[TangentMethod[Any]], label: str) -> Method:
    """Return the method of a class with tangents."""
    attributes = {
        "__doc__": f":class:`.{kind.__name__}` with its default parameters, see :class:`.LearnedTangentMethod`.",
        "__module__": __name__,
        "name": kind.name,
        "label": f"{label}, learned step",
        "kind": kind,
        "setup_knowledge": kind(1.0).setup_knowledge,
        "setup_cost": kind.setup_cost,
    }
    return type(f"Learned{kind.__name__}", (LearnedTangentMethod,), attributes)


def learned_update(base: str) -> Method:
    """Return the method of a local update; gradient descent has its step bounded by L, others in units of x."""
    label = UPDATES[base].__name__
    over_smoothness = base == "sgdm"
    bound: dict[str, Any] = {"ceiling": CEILING} if over_smoothness else {"highest": HIGHEST}
    learner = StepSizeLearner(meta=Adam(step_size=META_STEP), **bound)
    attributes = {
        "__doc__": f":class:`.MetaOptimize` around :class:`.{label}`, see :class:`.LearnedUpdateMethod`.",
        "__module__": __name__,
        "name": f"meta_{base}",
        "label": f"tracked {label}, learned step",
        "base": base,
        "learner": learner,
        "grid": {"step_size": only(FIRST_OVER_L, "1/L") if over_smoothness else only(FIRST_IN_X)},
        "setup_knowledge": learner.setup_knowledge,
    }
    return type(f"LearnedTracked{label}", (LearnedUpdateMethod,), attributes)


def untuned(method: Method, name: str, label: str, setting: Mapping[str, float], **attributes: Any) -> Method:
    """Return a method that always has one setting.

    Args:
        method: of which.
        name: of the new one.
        label: of the new one.
        setting: for each parameter its value, in the units of the method's grid.
        attributes: of the class, instead of those that it derives.
    """
    grid: dict[str, Range | Choice] = {}
    for key, axis in method.grid.items():
        value = setting[key]
        if isinstance(axis, Range):
            grid[key] = dataclasses.replace(axis, low=value, high=value, points=1, open=False)
        else:
            grid[key] = Choice((value,))
    own = {
        "__doc__": f":class:`.{method.__name__}` with a fixed setting, which is not tuned.",
        "__module__": __name__,
        "name": name,
        "label": label,
        "grid": grid,
        "tuned": False,
    }
    return type(f"Untuned{method.__name__}", (method,), {**own, **attributes})


def no_neural_networks(self: SpectralADMM, problem: Problem, network: Network) -> str | None:
    """Refuse losses whose local solves take minutes and have many local minima."""
    whole = problem.full if isinstance(problem, Stochastic) else problem
    if isinstance(whole, NeuralNetwork):
        return f"{self.label} solves local problems, which of neural networks takes minutes an iteration"
    return SpectralADMM.refusal(self, problem, network)


UNTUNED: dict[str, Method] = {
    method.name: METHODS.register(method)
    for method in (
        learned_tangent(MetaProxED, "Prox-ED"),
        learned_tangent(MetaPGExtra, "PG-EXTRA"),
        learned_tangent(MetaDAPG, "DAPG"),
        *(learned_update(base) for base in ("sgdm", "rmsprop", "adam", "lion")),
        untuned(ProxED, "prox_ed_constant", "Prox-ED, step 1.9 / L", {"step_size": CONSTANT}),
        untuned(Kuruzov, "kuruzov_untuned", "Kuruzov et al., untuned", Kuruzov.settings(1)[0]),
        untuned(
            SpectralADMM,
            "spectral_admm_untuned",
            "Spectral ADMM, untuned",
            SpectralADMM.settings(1)[0],
            refusal=no_neural_networks,
        ),
    )
}
"""The methods that need no tuning, by name; what they learn or adapt is said where they are defined."""
