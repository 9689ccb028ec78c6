"""The contract of methods: all that are built in keep it, and mutants, which violate one clause each, are caught."""

import dataclasses
from typing import Any

import pytest

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.algorithms.tunable import Range
from gnn_l2o.handcrafted import HANDCRAFTED, ProxDGD, ProxED
from gnn_l2o.learned import TUNED
from gnn_l2o.problems.regularizers import Zero
from gnn_l2o.testing import check_method


@pytest.mark.parametrize("name", [*HANDCRAFTED, *TUNED])
def test_methods(name: str) -> None:
    check_method(METHODS[name])


class Undeclared(ProxED):
    name = "undeclared"
    cost = Cost(rounds=1, vectors=1, gradients=2, proxes=1)


class Mutating(ProxED):
    name = "mutating"

    def step(self, problem: Any, network: Any, state: Any) -> Any:
        state.x.add_(1.0)
        return super().step(problem, network, state)


class Scribbling(ProxED):
    name = "scribbling"

    def step(self, problem: Any, network: Any, state: Any) -> Any:
        problem.targets.mul_(0.999)
        return super().step(problem, network, state)


class Remembering(ProxED):
    name = "remembering"
    calls: list[int] = []  # noqa: RUF012

    def step(self, problem: Any, network: Any, state: Any) -> Any:
        self.calls.append(1)
        after = super().step(problem, network, state)
        return dataclasses.replace(after, x=after.x * (1 + 1e-6 * len(self.calls)))


class Elsewhere(ProxED):
    name = "elsewhere"

    def init(self, problem: Any, network: Any, x0: Any) -> Any:
        return super().init(problem, network, 0.5 * x0)


class Peeking(ProxED):
    name = "peeking"

    def step(self, problem: Any, network: Any, state: Any) -> Any:
        after = super().step(problem, network, state)
        i, j = network.link_index
        return dataclasses.replace(after, x=after.x.index_add(0, i, 1e-3 * after.x[j]))


class Averaging(ProxED):
    name = "averaging"

    def step(self, problem: Any, network: Any, state: Any) -> Any:
        after = super().step(problem, network, state)
        return dataclasses.replace(after, x=after.x + 1e-3 * problem.spread(problem.average(after.x)))


class Mixing(ProxED):
    name = "mixing"

    def step(self, problem: Any, network: Any, state: Any) -> Any:
        after = super().step(problem, network, state)
        return dataclasses.replace(after, x=after.x + 1e-3 * after.x.mean())


class Wide(ProxED):
    name = "wide"

    def step(self, problem: Any, network: Any, state: Any) -> Any:
        after = super().step(problem, network, state)
        return dataclasses.replace(after, x=after.x.double())


class Biased(ProxDGD):
    name = "biased"
    exact = True


class Hesitant(ProxED):
    name = "hesitant"
    grid = {"step_size": Range(1e-9, 1e-8)}  # noqa: RUF012


class Backwards(ProxED):
    name = "backwards"
    grid = {"step_size": Range(2.0, 1.0)}  # noqa: RUF012


class Half(ProxED):
    name = "half"
    grid = {}  # noqa: RUF012


class Careless(ProxED):
    name = "careless"

    def __post_init__(self) -> None:
        pass


class Choosy(ProxED):
    name = "choosy"

    def refusal(self, problem: Any, network: Any) -> str | None:
        return None if isinstance(problem.regularizer, Zero) else "no"


class Blind(ProxED):
    name = "blind"

    def refusal(self, problem: Any, network: Any) -> str | None:
        return None


class Knowing(ProxED):
    name = "knowing"

    def step(self, problem: Any, network: Any, state: Any) -> Any:
        after = super().step(problem, network, state)
        return dataclasses.replace(after, x=after.x * (1 + 0 * network.spectral_gap.sum()))


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (Undeclared, r"1 steps are declared to cost Cost\(.*gradients=2.*counted Cost\(.*gradients=1"),
        (Mutating, "step 1 changes the state"),
        (Scribbling, "step 1 called twice with one state, gives different states|changes x0, the problem"),
        (Remembering, "step 1 called twice with one state, gives different states"),
        (Elsewhere, "x of the state that init returns must be x0"),
        (Averaging, "after 1 steps and 1 counted rounds, .* a node at distance 9"),
        (Mixing, "problem 0 of .* side by side"),
        (Wide, "a run in float32 must stay in it"),
        (Biased, "exact = True, but after 4000 iterations on the ring of 6 nodes the best of 16 settings leaves"),
        (Hesitant, "exact = True, but after 4000 iterations on the ring"),
        (Backwards, "expected 0 < low <= high < below of step_size"),
        (Half, r"has the fields \['step_size'\] and tunes \[\]"),
        (Careless, "accepts step_size = 0.0"),
        (Choosy, "composite = True, but it refuses a regularizer"),
        (Blind, r"directed = False, but it accepts a directed graph \(refusal\(\) must ask super"),
        (Knowing, r"reads \['spectral_gap'\] of the whole graph, but declares setup_knowledge = \[\]"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_methods_that_break_the_contract_are_caught(method: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_method(method)


def test_reading_a_neighbour_without_counting_is_refused() -> None:
    with pytest.raises(AttributeError, match="link_index of a Network is no node's knowledge"):
        check_method(Peeking)
    with pytest.raises(AssertionError, match=r"after 1 steps and 1 counted rounds, .* a node at distance 2"):
        check_method(Peeking, network=lambda network: network)
