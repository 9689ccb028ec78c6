"""The check of the chosen setting up to the horizon."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from gnn_l2o.evaluation import Instance, tune
from gnn_l2o.evaluation.tuning_check import Check, Grade
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import ProxED
from gnn_l2o.handcrafted.prox_ed import ProxEDState
from gnn_l2o.problems import Problem
from tests.evaluation.small_instances import instance, traced
from tests.evaluation.small_tuning import INF, run_alone


@dataclass(frozen=True, eq=False)
class AgingState(ProxEDState):
    age: Tensor  # (N, 1)


@dataclass(frozen=True, eq=False)
class Aging(ProxED):
    """Exact diffusion that, with steps above 1/(2L), leaves the solution at iteration 200 and diverges at 400."""

    name = "aging"

    def init(self, problem: Problem, network: Network, x0: Tensor) -> AgingState:
        return AgingState(x0, x0, x0, x0.new_zeros(x0.size(0), 1))

    def step(self, problem: Problem, network: Network, state: ProxEDState) -> AgingState:
        assert isinstance(state, AgingState)
        new, age = super().step(problem, network, state), state.age + 1
        bold = torch.as_tensor(self.step_size) * problem.smoothness().max() > 0.5
        shift = 10.0 * (bold & (age > 200)) + 1e9 * (bold & (age > 400))
        return AgingState(new.x + shift, new.z, new.psi, age)


@pytest.mark.parametrize(
    ("horizon", "margin", "expected"),
    [
        (190, 1.0, [Grade.CONVERGES, Grade.CONVERGES]),
        (300, 1.0, [Grade.CONVERGES, Grade.MISSES]),
        (500, 1.0, [Grade.CONVERGES, Grade.DIVERGES]),
        (500, 1.1, [Grade.CONVERGES, Grade.DIVERGES]),
        (500, 1.3, [Grade.DIVERGES, Grade.DIVERGES]),  # 0.4 / L enlarged is above 0.5 / L
    ],
)
def test_a_check_grades_what_settings_do_to_the_horizon(horizon: int, margin: float, expected: list[Grade]) -> None:
    check = Check(Aging, instance(), horizon, 1e-4, torch.float64, margin, approximate=True)
    assert [v.grade for v in check.run([{"step_size": s} for s in (0.4, 0.8)])] == expected


def test_only_exact_methods_have_to_reach_a_hundredth_of_the_tolerance() -> None:
    on = instance()
    arrival = int(run_alone(ProxED, {"step_size": 0.4}, [on], 400)[0])
    check = Check(ProxED, on, arrival, 1e-4, torch.float64, 1.0, approximate=False)
    assert check.run([{"step_size": 0.4}])[0].grade is Grade.STAYS
    assert replace(check, approximate=True).run([{"step_size": 0.4}])[0].grade is Grade.CONVERGES
    assert replace(check, iterations=arrival - 1).run([{"step_size": 0.4}])[0].grade is Grade.MISSES
    assert (check.bound, replace(check, tolerance=1e-11).bound, replace(check, tolerance=1e-13).bound) == (
        pytest.approx(1e-6),
        1e-12,
        1e-13,
    )


@dataclass(frozen=True, eq=False)
class Brittle(ProxED):
    """Exact diffusion that diverges from iteration 100 where the step exceeds 0.8 over the mean of the L_i."""

    name = "brittle"

    def init(self, problem: Problem, network: Network, x0: Tensor) -> AgingState:
        return AgingState(x0, x0, x0, x0.new_zeros(x0.size(0), 1))

    def step(self, problem: Problem, network: Network, state: ProxEDState) -> AgingState:
        assert isinstance(state, AgingState)
        new, age = super().step(problem, network, state), state.age + 1
        bold = self.step_size * problem.spread(problem.average(problem.smoothness())) > 0.8
        return AgingState(new.x + 1e9 * (bold & (age > 100)), new.z, new.psi, age)


def test_a_setting_at_the_edge_of_stability_is_not_chosen() -> None:
    """Where one node has most of the curvature, larger steps in units of 1/L are stable than where all are alike."""
    uneven, even = [instance(k, uneven=3.0) for k in range(2)], [instance(k) for k in range(2, 4)]

    def final(setting: dict[str, float], on: list[Instance]) -> list[float]:
        traces = [traced(Brittle.from_setting(i.problem, setting), i, 300) for i in on]
        return [INF if t.diverged else t.optimality_gap[-1] for t in traces]

    greedy = tune(Brittle, uneven, iterations=300, margin=1.0, budget=12)
    assert max(final(greedy.setting, uneven)) < 1e-6
    assert max(final(greedy.setting, even)) == INF
    careful = tune(Brittle, uneven, iterations=300, margin=1.0, budget=12, stability=even)
    assert max(final(careful.setting, [*uneven, *even])) < 1e-6
    assert "was faster, but some runs diverge" in careful.warnings[-1]
