"""Measuring, counting, keeping and showing results."""

import csv
import io
import itertools
import json
import re
import weakref
import xml.etree.ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor

import gnn_l2o
from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.fingerprint import fingerprint
from gnn_l2o.algorithms import driver
from gnn_l2o.algorithms.base import Algorithm, Cost
from gnn_l2o.algorithms.driver import run
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.algorithms.stopping import Below, MaxRounds, StoppingRule
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.evaluation import (
    Case,
    Instance,
    Metric,
    Metrics,
    Plan,
    Reference,
    Results,
    Run,
    Trace,
    cases as cases_module,
    comparison,
    experiment,
    measure,
    notes,
    ranking,
    save_figures,
    summary,
)
from gnn_l2o.evaluation.comparison import SUMMARIZED
from gnn_l2o.evaluation.curves import LEADING, abscissa, leaders, stack
from gnn_l2o.evaluation.figures import draw
from gnn_l2o.evaluation.metrics import Accuracy, ConsensusError, OptimalityGap, has_diverged
from gnn_l2o.evaluation.record import TOLERANCES, tolerance_key
from gnn_l2o.evaluation.report import report
from gnn_l2o.evaluation.runner import checkpoints
from gnn_l2o.evaluation.selection import GROUPS, choose_methods, members
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import ALIASES, HANDCRAFTED, ProxED
from gnn_l2o.handcrafted.prox_ed import ProxEDState
from gnn_l2o.learned import TUNED, available_models, load_model
from gnn_l2o.problems import LeastSquares, NeuralNetwork, Problem, solve
from gnn_l2o.problems.regularizers import L1, Box, Regularizer, Zero

SMALL = "lasso:features=6,samples=4"
COSTS = tuple(vars(Cost()))


def instance(seed: int = 0, *, nodes: int = 5, dim: int = 4, regularizer: Regularizer | None = None) -> Instance:
    random = np.random.default_rng(seed)
    features = random.standard_normal((nodes, 6, dim))
    targets = features @ random.standard_normal(dim) + random.standard_normal((nodes, 6))
    problem = LeastSquares.from_nodes(list(features), list(targets), regularizer or L1(0.1))
    solution = solve(problem)
    return Instance(problem, Network.from_networkx(nx.cycle_graph(nodes)), solution.x, solution.value)


def metrics(on: Instance, dtype: torch.dtype = torch.float64) -> Metrics:
    return Metrics(on.reference(dtype), [OptimalityGap(), ConsensusError()])


def traced(algorithm: Algorithm[Any], on: Instance, iterations: int, **rules: Any) -> Trace:
    options = {"metrics": metrics(on), "iterations": iterations, **rules}
    return measure(algorithm, on.problem, on.network, on.x0, **options)


def measured(on: Instance, x: Tensor, dtype: torch.dtype = torch.float64) -> SimpleNamespace:
    values = metrics(on, dtype)(x)
    gap = values["optimality_gap"]
    diverged = has_diverged(on.reference(dtype), x, gap)
    return SimpleNamespace(gap=gap, consensus=values["consensus_error"], diverged=diverged)


def relative(method: type[Tunable[Any]], on: Instance, step: float) -> Tunable[Any]:
    return method.from_setting(on.problem, {"step_size": step})


# --- metrics


def test_optimality_gap_and_consensus_are_what_their_formulas_say() -> None:
    on, x = instance(), torch.randn(5, 4)
    a, b = on.problem.features.numpy(), on.problem.targets.numpy()

    def objective(point: np.ndarray) -> float:
        fits = [((a_i @ point - b_i) ** 2).sum() / (2 * len(b_i)) for a_i, b_i in zip(a, b, strict=True)]
        return float(np.mean(fits) + 0.1 * np.abs(point).sum())

    mean, best = x.numpy().mean(axis=0), on.solution.numpy()[0]
    gap = (objective(mean) - objective(best)) / (objective(np.zeros(4)) - objective(best))
    consensus = np.linalg.norm(x.numpy() - mean) / (np.sqrt(5) * np.linalg.norm(best))
    found = measured(on, x)
    assert found.gap.item() == pytest.approx(gap, rel=1e-12)
    assert found.consensus.item() == pytest.approx(consensus, rel=1e-12)
    assert not found.diverged.item()


def test_problems_side_by_side_are_measured_one_by_one() -> None:
    parts = [instance(1, nodes=4), instance(2, nodes=6)]
    x = torch.randn(10, 4)
    together = measured(Instance.concatenate(parts), x)
    for k, (part, rows) in enumerate(zip(parts, (x[:4], x[4:]), strict=True)):
        alone = measured(part, rows)
        assert together.gap[k] == pytest.approx(alone.gap.item(), rel=1e-12)
        assert together.consensus[k] == pytest.approx(alone.consensus.item(), rel=1e-12)


def test_a_start_that_is_optimal_or_infeasible_is_no_reference_scale() -> None:
    at_zero = instance(regularizer=L1(100.0))  # x* = 0 = x0
    assert at_zero.solution.abs().max() == 0
    x = torch.ones(5, 4)
    found = measured(at_zero, x)
    excess = at_zero.problem.objective(torch.ones(1, 4)) - at_zero.value
    assert found.gap.item() == pytest.approx((excess / at_zero.value.abs().clamp(min=1)).item())
    apart = torch.randn(5, 4)
    absolute = (apart - apart.mean(dim=0)).norm() / 5**0.5
    assert measured(at_zero, apart).consensus.item() == pytest.approx(absolute.item())

    outside = instance(regularizer=Box(1.0, 2.0))
    feasible = measured(outside, torch.full((5, 4), 1.5)).gap
    assert torch.isfinite(feasible).all() and (feasible > 0).all()


def test_divergence_is_told_from_leaving_the_domain() -> None:
    outside = measured(instance(regularizer=Box(-1.0, 1.0)), torch.full((5, 4), 1.1))
    assert torch.isinf(outside.gap).all() and not outside.diverged.any()
    for bad in (float("nan"), float("inf"), 1e6, 1e200):
        assert measured(instance(), torch.full((5, 4), bad)).diverged.all(), bad
    problem = LeastSquares.from_nodes([[[2.0, 2.0]]], [[1.0]], L1(0.1))
    alone = Instance(problem, Network.from_edges([], 1), torch.zeros(1, 2), torch.zeros(1))
    overflow = measured(alone, torch.tensor([[1e308, -1e308]]))  # inf - inf
    assert overflow.gap.isnan().all() and overflow.diverged.all()


def test_single_precision_is_measured_in_double() -> None:
    on, x = instance(), torch.randn(5, 4).float()
    single, double = measured(on, x, torch.float32).gap, measured(on, x.double()).gap
    assert single.dtype == torch.float64
    torch.testing.assert_close(single, double)


def test_what_has_no_optimum_is_measured_in_the_precision_of_the_run() -> None:
    shards = [(torch.randn(3, 2), torch.randint(2, (3,))) for _ in range(4)]
    problem = NeuralNetwork.from_nodes(torch.nn.Linear(2, 2), torch.nn.functional.cross_entropy, shards)
    found = solve(problem)
    on, x = Instance(problem, Network.from_edges([(0, 1), (1, 2), (2, 3)], 4), found.x, found.value), torch.randn(4, 6)
    single, double = (measured(on, x, dtype).gap for dtype in (torch.float32, torch.float64))
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=0)


class Support(Metric):
    """A user's metric."""

    name = "support"
    label = "nonzero coordinates"

    def values(self, reference: Reference, x: Tensor) -> Tensor:
        return (reference.problem.average(x) != 0).sum(dim=1)


class Scalar(Support):
    def values(self, reference: Reference, x: Tensor) -> Tensor:
        return super().values(reference, x)[0]


def test_metrics_of_users_are_measured_and_must_have_a_value_for_each_problem() -> None:
    on, x = instance(), torch.zeros(5, 4)
    x[0, 0], x[1, 2], x[2, 3], x[3, 3] = 1.0, 1.0, 1.0, -1.0
    found = Metrics(on.reference(torch.float64), [OptimalityGap(), Support()])(x)
    assert list(found) == ["optimality_gap", "support"] and found["support"].tolist() == [2]
    with pytest.raises(InputError, match=r"metric 'support' needs a value for each problem, shape \(1,\); got \(\)"):
        Metrics(on.reference(torch.float64), [Scalar()])(x)


def test_the_accuracy_is_measured_where_there_are_test_samples() -> None:
    shards = [(torch.randn(3, 2), torch.randint(2, (3,))) for _ in range(4)]
    make: Any = NeuralNetwork.from_nodes
    tested, untested = (
        make(torch.nn.Linear(2, 2), torch.nn.functional.cross_entropy, shards, test=test) for test in (shards[0], None)
    )
    for problem, names in ((tested, ["accuracy"]), (untested, [])):
        found = solve(problem)
        reference = Reference(problem, found.x, found.value, problem.initial_point())
        assert list(Metrics(reference, [Accuracy()])(torch.randn(4, 6))) == names


# --- runner


@pytest.mark.parametrize("iterations", [1, 7, 200, 201, 5000])
def test_checkpoints_are_dense_enough(iterations: int) -> None:
    points = list(checkpoints(iterations))
    assert points[: min(iterations, 200) + 1] == list(range(min(iterations, 200) + 1))
    assert points[-1] == iterations
    assert points == sorted(set(points))
    assert all(b <= max(a + 1, 1.01 * a) for a, b in itertools.pairwise(points))


def test_a_trace_is_what_the_run_did() -> None:
    on = instance()
    algorithm = relative(ProxED, on, 0.7)
    trace = traced(algorithm, on, 250)
    assert trace.iteration == list(checkpoints(250))
    states = run(algorithm, on.problem, on.network, on.x0)
    gaps = [measured(on, next(states).x).gap.item() for _ in range(251)]
    assert trace.optimality_gap == [gaps[k] for k in trace.iteration]
    assert trace.optimality_gap[0] == pytest.approx(1)
    first = next(k for k, gap in enumerate(gaps) if gap <= 1e-3)
    assert trace.iteration[trace.reached(1e-3)] == first  # type: ignore[index]
    assert trace.reached(-1.0) is None
    assert not trace.diverged


def test_a_run_that_diverges_stops() -> None:
    on = instance()
    trace = traced(relative(ProxED, on, 50.0), on, 10_000)
    assert trace.diverged
    assert trace.iteration[-1] < 100
    assert not trace.optimality_gap[-1] <= 1e6


@pytest.mark.parametrize(
    ("rule", "end"), [(MaxRounds(17), 17), (Below("optimality_gap", 1e-3), None), (Below("consensus_error", 1e9), 0)]
)
def test_rules_end_a_run(rule: StoppingRule, end: int | None) -> None:
    on = instance()
    whole = traced(relative(ProxED, on, 0.7), on, 250)
    trace = traced(relative(ProxED, on, 0.7), on, 250, stop=[rule])
    assert trace.iteration[-1] == (whole.reached(1e-3) if end is None else end) < 250
    assert trace.measures == {name: values[: len(trace.iteration)] for name, values in whole.measures.items()}
    assert not trace.diverged


def test_the_clock_runs_during_steps_only(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    class Clocked(ProxED):
        def init(self, problem: Problem, network: Network, x0: Tensor) -> ProxEDState:
            clock[0] += 10_000
            return super().init(problem, network, x0)

        def step(self, problem: Problem, network: Network, state: ProxEDState) -> ProxEDState:
            clock[0] += 1
            return super().step(problem, network, state)

    class SlowMetrics(Metrics):
        def __call__(self, x: Tensor) -> Any:
            clock[0] += 100
            return super().__call__(x)

    monkeypatch.setattr(driver, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    on = instance()
    slow = SlowMetrics(on.reference(torch.float64), [OptimalityGap()])
    trace = traced(relative(Clocked, on, 0.5), on, 30, metrics=slow)
    assert trace.seconds == list(range(31))


@dataclass(frozen=True, eq=False)
class Learned(Algorithm[ProxEDState]):
    """Stands for a learned optimizer: exact diffusion with a step that is a trained parameter."""

    weight: Tensor
    name: str = "learned"  # type: ignore[misc]
    rounds: int = 1

    @property
    def cost(self) -> Cost:
        return Cost(rounds=self.rounds, vectors=self.rounds, gradients=1, proxes=1)

    def init(self, problem: Problem, network: Network, x0: Tensor) -> ProxEDState:
        return ProxEDState(x0, x0, x0)

    def step(self, problem: Problem, network: Network, state: ProxEDState) -> ProxEDState:
        step = self.weight.to(state.x) / problem.smoothness().max()
        psi = state.x - step * problem.gradient(state.x)
        corrected = state.z + psi - state.psi
        z = 0.5 * (corrected + network.mix(corrected))
        return ProxEDState(problem.prox(z, step), z, psi)


def fresh(on: Instance) -> Instance:
    """Return the same instance as objects that have counted nothing yet."""
    problem, network, _ = on.cast(torch.float64)
    return Instance(problem, network, on.solution, on.value)


SMOOTH = instance(3, nodes=10, dim=10, regularizer=Zero())  # for methods and models that want it so


@pytest.mark.parametrize("name", members("all"))
def test_every_method_spends_what_it_declares(name: str) -> None:
    on = fresh(SMOOTH)
    algorithm = METHODS[name].from_setting(on.problem, METHODS[name].settings(1)[0])
    trace = traced(algorithm, on, 25)
    declared = [algorithm.total_cost(k).on(int(on.network.diameter)) for k in trace.iteration[1:]]
    assert [counted.declarable for counted in trace.spent[1:]] == declared


@pytest.mark.parametrize("name", available_models())
def test_every_shipped_model_spends_what_it_declares(name: str) -> None:
    on, algorithm = fresh(SMOOTH), load_model(name)
    if (reason := algorithm.refusal(on.problem, on.network)) is not None:
        pytest.skip(reason)
    algorithm = algorithm.to(dtype=torch.float64)  # type: ignore[attr-defined]
    trace = traced(algorithm, on, 25)
    spent = [cost.declarable for cost in trace.spent[1:]]
    assert spent == [algorithm.total_cost(k).on(int(on.network.diameter)) for k in trace.iteration[1:]]


def test_only_the_run_itself_is_counted() -> None:
    on = fresh(instance())

    class Nosy(Metrics):
        def __call__(self, x: Tensor) -> Any:
            on.problem.prox(on.problem.gradient(on.network.mix(x)), 0.1)
            return super().__call__(x)

    on.network.mix(on.x0)  # what happened before the run does not count either
    nosy = Nosy(on.reference(torch.float64), [OptimalityGap()])
    algorithm = relative(ProxED, on, 0.5)
    trace = traced(algorithm, on, 300, metrics=nosy)
    assert trace.spent == [Cost(rounds=k, vectors=k, gradients=k, proxes=k) for k in trace.iteration]


def test_a_run_ends_where_the_algorithm_does() -> None:
    @dataclass(frozen=True, eq=False)
    class Shallow(Learned):
        depth = 7

    assert traced(Shallow(torch.tensor(0.5)), instance(), 500).iteration[-1] == 7
    assert traced(Shallow(torch.tensor(0.5)), instance(), 5).iteration[-1] == 5


def test_memory_does_not_grow_with_iterations() -> None:
    alive: weakref.WeakSet[Tensor] = weakref.WeakSet()
    most, graphs = [0], [0]

    @dataclass(frozen=True, eq=False)
    class Watched(Learned):
        def step(self, problem: Problem, network: Network, state: ProxEDState) -> ProxEDState:
            state = super().step(problem, network, state)
            alive.add(state.x)
            most[0] = max(most[0], len(alive))
            graphs[0] += state.x.requires_grad
            return state

    traced(Watched(torch.nn.Parameter(torch.tensor(0.5))), instance(), 500)
    assert most[0] <= 3
    assert graphs[0] == 0


# --- results


RING = Case("lasso", "ring", 10)


def made_up(
    algorithm: str, instance: int, rounds: int | None, *, diverged: bool = False, cost: int = 1, **chosen: Any
) -> Run:
    """Return a run that reaches a gap of 1e-4, and no less, after so many rounds; the worst node one round later."""
    last = (rounds or 100 * cost) // cost
    iterations = [0, 1, 2, last, last + 1]
    gap = [1.0, 0.9, 0.5, *[0.5 if rounds is None else 1e-4] * 2]
    worst = [1.0, 0.9, 0.5, 0.5, gap[-1]]
    if diverged:
        gap[3:] = [float("nan")] * 2
    spent = [Cost(rounds=cost * k, vectors=2 * cost * k, gradients=k + 1, proxes=k) for k in iterations]
    trace = Trace(
        iterations,
        {"optimality_gap": gap, "worst_node_gap": worst, "consensus_error": [0.0, 0.1, 0.2, 1e-4, 1e-4]},
        [0.0, 0.1, 0.2, 0.3, 0.4],
        spent,
        diverged,
    )
    return Run.from_trace(trace, Cost(cost, 2 * cost), algorithm=algorithm, case=RING, instance=instance, **chosen)


def empty(models: list[str], handcrafted: list[str], tuned: list[str] = []) -> Results:  # noqa: B006
    settings = {
        "models": dict.fromkeys(models, "0"),
        "handcrafted": handcrafted,
        "tuned": tuned,
        **dict(instances=3, iterations=100, dtype="float64", batch_size=None, mixing="metropolis"),
        **dict(tuning_instances=1, tuning_budget=4, tuning_tolerance=1e-4),
        "metrics": ["optimality_gap", "worst_node_gap", "consensus_error", "accuracy"],
    }
    return Results("a test", 0, settings)


@pytest.fixture
def results() -> Results:
    found = empty(["ours"], ["prox_dgd", "prox_ed"])
    for k, (ours, ed, dgd) in enumerate([(100, 400, 900), (120, 300, 800), (None, 500, None)]):
        found.runs += [made_up("prox_dgd", k, dgd, diverged=dgd is None), made_up("prox_ed", k, ed, cost=2)]
        found.runs.append(made_up("ours", k, ours))
    return found


def test_summary_rows_compare_on_the_same_instances(results: Results) -> None:
    rows = {row["tolerance"]: row for row in results.summary()}
    assert list(rows) == list(SUMMARIZED) == [10.0**-k for k in range(1, 9)]
    # Over Prox-ED 4, 2.5 and 0, as the model does not arrive on the third instance.
    few = {f"{key}_{end}": None for key in ("model_rounds", "prox_ed_rounds") for end in ("low", "high")}
    for key, speedup, name, rounds, ratio, faster, pairs in (
        ("best_handcrafted", "speedup_rounds", "prox_ed", 400, 2.5, 2, 3),
        ("best_one_gradient", "speedup_vs_one_gradient", "prox_ed", 400, 2.5, 2, 3),
        ("best_local_solves", "speedup_vs_local_solves", None, None, None, None, None),
        ("best_learned_baseline", "speedup_vs_learned_baseline", None, None, None, None, None),
        ("prox_ed", "speedup_vs_prox_ed", "prox_ed", 400, 2.5, 2, 3),
    ):
        few |= {} if key == "prox_ed" else {key: name}
        few |= {f"{key}_rounds": rounds, f"{key}_rounds_low": None, f"{key}_rounds_high": None, speedup: ratio}
        few |= {f"{speedup}_low": None, f"{speedup}_high": None, f"{speedup}_faster": faster, f"{speedup}_pairs": pairs}
    assert rows[1e-4] == {**RING._asdict(), "tolerance": 1e-4, "model": "ours", "model_rounds": 120, **few}
    names = ("model_rounds", "best_handcrafted", "best_handcrafted_rounds", "speedup_rounds", "prox_ed_rounds")
    assert all(rows[1e-5][name] is None for name in names)
    assert rows[1e-5]["speedup_rounds_pairs"] == 0


def test_tuned_constants_and_other_models_are_learned_baselines_and_no_handcrafted_methods(results: Results) -> None:
    results.settings["tuned"] = ["tuned_constants"]
    results.settings["models"]["theirs"] = "1"
    for k in range(3):
        results.runs += [made_up("tuned_constants", k, 60), made_up("theirs", k, 200)]
    ours, theirs = comparison.compare(results, RING, 1e-4, "ours"), comparison.compare(results, RING, 1e-4, "theirs")
    assert ours["best_handcrafted"] == theirs["best_handcrafted"] == "prox_ed"
    assert (
        ours["best_learned_baseline"],
        ours["best_learned_baseline_rounds"],
        ours["speedup_vs_learned_baseline"],
    ) == ("tuned_constants", 60, 0.5)  # 0.6, 0.5 and 0
    results.runs = [r for r in results.runs if r.algorithm != "tuned_constants"]
    assert comparison.compare(results, RING, 1e-4, "ours")["best_learned_baseline"] == "theirs"
    assert comparison.compare(results, RING, 1e-4, "theirs")["best_learned_baseline"] == "ours"


def test_a_median_that_was_not_reached_is_null(results: Results) -> None:
    results.runs = [r for r in results.runs if r.instance != 0]  # ours: 120 and never; Prox-ED: 300 and 500
    assert results.median(RING, "ours", 1e-4) is None
    row = results.summary()[3]
    assert row["model_rounds"] is None and row["speedup_rounds"] == 300 / 120 / 2


def test_reaching_takes_what_was_counted() -> None:
    made = made_up("prox_ed", 0, 400, cost=2)
    cost = vars(Cost(rounds=400, vectors=800, gradients=201, proxes=200))
    assert made.reached["1e-04"] == {"iterations": 200, **cost, "seconds": 0.3}
    assert made.reached["1e-05"] is made.reached_worst["1e-05"] is None
    assert (made.needed(1e-4), made.needed(1e-4, measure="worst"), made.needed(1e-5)) == (400, 402, np.inf)
    assert made.needed(1e-4, "total_gradients") == 201
    assert list(made.reached) == list(made.reached_worst) == [f"1e-{k:02}" for k in range(1, 16)]
    assert made.trace["rounds"] == [0, 2, 4, 400, 402]
    assert made.trace["gradients"] == made.spent("total_gradients") == [1, 2, 3, 201, 202]


def test_the_ranking_goes_by_the_tightest_gap_first() -> None:
    found = empty(["late"], ["diverging", "far", "near", "quick", "nearer"])
    for name, gaps, diverged in (
        ("diverging", [0.5, float("nan")], True),
        ("far", [0.5, 0.4], False),
        ("near", [0.5, 0.3], False),
        ("quick", [1e-3, 5e-4], False),  # soon at 1e-3, never at 1e-4
        ("late", [0.5, 1e-4], False),
        ("nearer", [0.5, 1e-3], False),
    ):
        spent = [Cost(rounds=10), Cost(rounds=20)]
        trace = Trace([10, 20], {"optimality_gap": gaps}, [0.1, 0.2], spent, diverged)
        found.runs.append(Run.from_trace(trace, Cost(1, 1), algorithm=name, case=RING, instance=0))
    assert comparison.ranking(found, RING, (1e-3, 1e-4)) == ["late", "quick", "nearer", "near", "far", "diverging"]
    assert comparison.ranking(found, RING, (1e-3,)) == ["quick", "late", "nearer", "near", "far", "diverging"]


def test_results_survive_the_disk(results: Results, tmp_path: Path) -> None:
    results.save(tmp_path)
    loaded = Results.load(tmp_path)
    assert loaded == results
    assert loaded.summary() == results.summary()
    rows = list(csv.DictReader((tmp_path / "summary.csv").read_text().splitlines()))
    assert [row["tolerance"] for row in rows] == [str(t) for t in SUMMARIZED]
    assert (rows[3]["model_rounds"], rows[4]["model_rounds"]) == ("120", "")


def test_the_file_is_strict_json(results: Results, tmp_path: Path) -> None:
    results.save(tmp_path)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    content = json.loads((tmp_path / "results.json").read_text(), parse_constant=refuse)
    diverged = next(r for r in content["runs"] if r["diverged"])
    assert diverged["final_gap"] is None
    assert diverged["trace"]["gap"][-1] is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"schema": 1}', '{"schema": 2}', '{"schema": 2, "runs": [{"a": 1}]}']
)
def test_a_broken_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(InputError, match=r"results\.json"):
        Results.load(tmp_path)


# --- figures and tables


def test_figures_are_written(results: Results, tmp_path: Path) -> None:
    files = save_figures(results, tmp_path)
    names = ["lasso_ring_10", "front_lasso_ring_10"]
    assert [f.name for f in files] == [f"{name}.{ending}" for name in names for ending in ("png", "svg")]
    png, svg, *_ = files
    assert png.read_bytes().startswith(b"\x89PNG") and png.stat().st_size > 20_000
    text = svg.read_text()
    assert xml.etree.ElementTree.fromstring(text).tag.endswith("svg")
    for label in ("Prox-ED", "Prox-DGD", "ours (model)", "communication rounds", "median and range of 3 instances"):
        assert f"<!-- {label}" in text or label in text, label


def test_figures_show_every_algorithm_against_iterations_and_rounds(results: Results) -> None:
    axes = draw(results, RING).axes
    assert len(axes) == 6  # three metrics; one class of methods
    by_iterations, by_rounds = ({line.get_label(): line for line in ax.lines} for ax in axes[:2])
    assert list(by_iterations) == ["ours (model)", "Prox-ED", "Prox-DGD"]
    for name, cost in (("Prox-ED", 2), ("ours (model)", 1)):
        np.testing.assert_array_equal(by_rounds[name].get_xdata(), cost * by_iterations[name].get_xdata())


def test_of_many_methods_the_best_stand_out_in_figures() -> None:
    names = [name for name in HANDCRAFTED if name != "prox_ed"]
    found = empty(["ours"], ["prox_ed", *names], ["tuned_constants"])
    extra = [f"method{k}" for k in range(12 - len(names))]
    found.settings["handcrafted"] += extra
    for k, name in enumerate([*names, *extra, "ours", "tuned_constants", "prox_ed"]):
        found.runs.append(made_up(name, 0, 100 + k))
    assert leaders(found, RING) == [*[*names, *extra][:LEADING], "ours", "prox_ed"]
    figure = draw(found, RING)
    others = len(names) + len(extra) + 1 - LEADING
    assert len(figure.axes[0].lines) == others + LEADING + 2
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(looks) == 1 + LEADING + 2
    assert figure.legends[0].get_texts()[-1].get_text() == f"{others} other methods"


def test_figures_reach_a_hundredth_below_the_tightest_tolerance(results: Results) -> None:
    deep = made_up("prox_ed", 0, 50)
    deep.trace["gap"][-1] = 1e-15
    results.runs.append(deep)
    assert draw(results, RING, [1e-4]).axes[0].get_ylim()[0] > 1e-7


def test_a_run_that_stopped_early_is_far_off_from_then_on() -> None:
    whole, cut = made_up("prox_ed", 0, 400), made_up("prox_ed", 1, None, diverged=True)
    for values in cut.trace.values():
        del values[2:]
    assert abscissa([cut, whole], "iteration")[1:].tolist() == [1, 2, 400, 401]
    assert stack([cut, whole], "gap")[:, 1:].tolist() == [[0.9, *[np.inf] * 3], [0.9, 0.5, 1e-4, 1e-4]]


def test_a_run_that_a_rule_stopped_stays_where_it_was() -> None:
    whole, cut = made_up("prox_ed", 0, 400), made_up("prox_ed", 1, 400)
    for values in cut.trace.values():
        del values[3:]
    assert stack([cut, whole], "gap")[:, 1:].tolist() == [[0.9, *[0.5] * 3], [0.9, 0.5, 1e-4, 1e-4]]


def test_a_figure_of_one_run_that_only_diverged_can_be_drawn(tmp_path: Path) -> None:
    found = empty([], ["prox_ed"])
    found.runs.append(made_up("prox_ed", 0, None, diverged=True))
    assert all(f.stat().st_size for f in save_figures(found, tmp_path))


def test_a_figure_never_costs_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("Data cannot be log-scaled because all values are <= 0.")

    monkeypatch.setattr("gnn_l2o.evaluation.figures.draw", broken)
    out = tmp_path / "out"
    with pytest.warns(UserWarning, match=r"the figure .* was left out, as it cannot be drawn: Data cannot be log"):
        small(nodes=[4], instances=1, algorithms=["prox_ed"], output=out)
    assert Results.load(out).runs
    assert (out / "report.md").is_file() and (out / "summary.csv").is_file()
    drawn = {f"figures/{path.name}" for path in (out / "figures").glob("*.png")}
    assert drawn and all("front" in path for path in drawn)
    assert set(re.findall(r"!\[.*\]\((.*)\)", (out / "report.md").read_text(encoding="utf-8"))) == drawn


@pytest.mark.parametrize("gap", [np.nan, -np.inf, 0.0, -1.0, 1e300])
def test_gaps_that_no_logarithm_shows_leave_the_rest_of_a_figure(gap: float, tmp_path: Path) -> None:
    found = empty([], ["prox_ed"])
    found.runs.append(made_up("prox_ed", 0, 400))
    trace = found.runs[0].trace
    for name in set(trace) - {"iteration", *COSTS}:
        trace[name][:] = [gap] * len(trace[name])
    assert all(f.stat().st_size for f in save_figures(found, tmp_path))


def test_the_ranking_says_what_it_took(results: Results) -> None:
    for ed in results.select(RING, "prox_ed"):
        ed.parameters["step_size"] = 1.9312
    rows = ranking(results, RING, details=True).rows
    assert [row["algorithm"] for row in rows] == ["ours (model)", "Prox-ED", "Prox-DGD"]
    assert rows[1] == {
        **{"rank": "2", "algorithm": "Prox-ED", "rounds": "400 / -", "rounds, worst node": "402 / -"},
        **{"gradients": "201 / -", "seconds": "0.3 / -", "set-up rounds": "0"},
        **{"iterations": "200 / -", "vectors": "800 / -"},
        **{"ms / iteration": "1.99", "final optimality gap": "1.0e-04", "final worst node's optimality gap": "1.0e-04"},
        **{"final consensus error": "0.0001", "tuned setting": "step_size 1.93/L"},
    }
    assert rows[2]["rounds"] == "900 / -"
    assert rows[2]["final optimality gap"] == "1.0e-04!"  # a run of Prox-DGD diverged
    results.runs = [r for r in results.runs if r.algorithm == "prox_dgd" and r.diverged]
    assert ranking(results, RING).rows[0]["final optimality gap"] == "!"


def test_the_summary_says_which_was_faster(results: Results) -> None:
    (row,) = summary(results).rows
    assert row == {
        **{"dataset": "lasso", "topology": "ring", "nodes": "10", "model": "ours", "rounds": "120 / -"},
        **{"best handcrafted": "Prox-ED: 400 / -", "Prox-ED": "400 / -"},
        **{"over best handcrafted": "2.5x to 4.0x / -", "over Prox-ED": "2.5x to 4.0x / -"},
    }
    assert summary(results, details=True).rows[0]["over Prox-ED"] == "2.5x to 4.0x, 2 of 3 / -"
    results.settings["models"] = {}
    results.runs = [r for r in results.runs if r.algorithm != "ours"]
    (row,) = summary(results).rows
    assert list(row) == ["dataset", "topology", "nodes", "best handcrafted", "Prox-ED"]
    assert summary(empty([], ["prox_ed"])).rows == []


def test_tables_can_be_printed_and_written(results: Results) -> None:
    console = Console(width=160, file=io.StringIO())
    console.print(ranking(results, RING).rich(160))
    console.print(summary(results).rich(160))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "ours (model)" in text and "2.5x to 4.0x / -" in text
    page = report(results)
    assert "| **1** | **ours (model)** | **120 / -** | **121 / -** |" in page
    faster = "2.5x to 4.0x, 2 of 3 / - | 2.5x to 4.0x, 2 of 3 / - |"
    assert f"| lasso | ring | 10 | ours | 120 / - | Prox-ED: 400 / - | 400 / - | {faster}" in page
    assert "| algorithm | 1e-2 | 1e-4 | 1e-6 | 1e-8 |" in page and "| Prox-ED | 400 | 400 | - | - |" in page
    assert "(figures/lasso_ring_10.png)" in page and "(figures/front_lasso_ring_10.png)" in page
    assert "\n1 of 9 runs diverged: Prox-DGD 1 of 3.\n" in page


def test_notes_tell_which_algorithms_were_left_out_and_why(results: Results) -> None:
    other = Case("lasso", "star", 4)
    results.skipped = [
        {"algorithm": "d2", "case": RING._asdict(), "reason": "it likes noise"},
        {"algorithm": "d2", "case": other._asdict(), "reason": "it likes noise"},
        {"algorithm": "ours", "case": other._asdict(), "reason": "bound to its graph"},
    ]
    assert notes.skipped(results) == [
        "d2 is left out everywhere: it likes noise",
        "ours is left out on lasso, star, 4 nodes: bound to its graph",
    ]
    assert notes.in_short(results, named=["ours"]) == [
        "note: 1 of 9 runs diverged: Prox-DGD 1 of 3.",
        "note: ours is left out on lasso, star, 4 nodes: bound to its graph",
        "note: left out where they do not apply: d2 (report.md says why)",
    ]
    assert "- d2 is left out everywhere: it likes noise" in report(results)


# --- evaluate


def untimed(folder: Path) -> Any:
    content = json.loads((folder / "results.json").read_text())
    content.pop("command")
    for r in content["runs"]:
        r.pop("seconds")
        r["trace"].pop("seconds")
        for reached in filter(None, (*r["reached"].values(), *r["reached_worst"].values())):
            reached.pop("seconds")
    return content


def small(**changes: Any) -> Results:
    options: dict[str, Any] = dict(
        models=[Learned(torch.tensor(0.9))],
        datasets=[SMALL],
        topologies=["erdos_renyi:p=0.6"],
        nodes=[4, 6],
        algorithms=["prox_ed", "pg_extra"],
        limits=[],
        instances=2,
        iterations=60,
        tuning_budget=6,
        tuning_instances=2,
    )
    return gnn_l2o.evaluate(**{**options, **changes})


def test_methods_end_once_every_node_is_done_and_models_do_not() -> None:
    results = small(nodes=[4], algorithms=["prox_ed"], instances=1, iterations=3000)
    method, model = (results.find(results.cases[0], name, 0) for name in ("prox_ed", "learned"))
    assert method is not None
    assert model is not None
    worst = method.trace["worst_node_gap"]
    assert worst[-1] <= 1e-10 < worst[-2]
    assert method.iterations < model.iterations == 3000


def test_an_evaluation_in_a_few_lines(tmp_path: Path) -> None:
    results = small(output=tmp_path / "out")
    assert [c.nodes for c in results.cases] == [4, 6]
    names = [(r.nodes, r.instance, r.algorithm) for r in results.runs]
    assert names == [(n, k, a) for n in (4, 6) for k in (0, 1) for a in ("prox_ed", "pg_extra", "learned")]
    content = json.loads((tmp_path / "out/results.json").read_text())
    assert set(content) == {
        *("schema", "command", "seed", "versions", "settings", "methods", "metrics", "tuning", "redrawn", "skipped"),
        *("sources", "networks", "published", "runs", "summary"),
    }
    assert set(content["runs"][0]) == {
        *("algorithm", "dataset", "topology", "nodes", "instance", "step_size", "parameters", "diverged", "final_gap"),
        *("final_consensus", "seconds", "rounds_per_iteration", "vectors_per_edge_per_iteration", "reached", "trace"),
        *("reached_worst", "setup_rounds", "setup_numbers", "weights", "node_distances"),
    }
    assert set(content["runs"][0]["trace"]) == {*("iteration", "gap", "worst_node_gap", "consensus", *COSTS, "seconds")}
    assert {r["step_size"] is None for r in content["runs"] if r["algorithm"] == "learned"} == {True}
    files = sorted(p.name for p in (tmp_path / "out").rglob("*") if p.is_file())
    stems = [f"lasso_features=6_samples=4_erdos_renyi_p=0.6_{n}" for n in (4, 6)]
    stems += [f"front_{s}" for s in stems]
    assert files == sorted(
        [
            *(f"{s}.{e}" for s in stems for e in ("png", "svg")),
            "report.md",
            "results.json",
            "summary.csv",
            "report.html",
            "algorithms.csv",
        ]
    )
    tuned = [(t["algorithm"], t["case"]["nodes"]) for t in content["tuning"]]
    assert tuned == [(a, n) for n in (4, 6) for a in ("prox_ed", "pg_extra")]
    for t in content["tuning"]:
        assert len(t["trials"]) == 6 + sum(warning.endswith("the grid is widened") for warning in t["warnings"])
    for r in content["runs"]:
        if r["algorithm"] != "learned":
            chosen = next(
                t for t in content["tuning"] if (t["algorithm"], t["case"]["nodes"]) == (r["algorithm"], r["nodes"])
            )
            assert r["parameters"] == chosen["setting"]
            assert r["step_size"] != chosen["setting"]["step_size"]  # the one is absolute, the other times L


def test_what_is_measured_is_the_certified_gap() -> None:
    results = small(nodes=[4], instances=1, iterations=400, algorithms=["prox_ed"])
    assert all(abs(r.final_gap) < 1e-9 and r.final_consensus < 1e-6 for r in results.runs)  # type: ignore[arg-type, operator]


@dataclass(frozen=True, eq=False)
class WithModule(Learned):
    """A model whose ``to`` changes its module in place, as that of shipped models does."""

    module: Any = None

    def to(self, dtype: torch.dtype) -> "WithModule":
        self.module.to(dtype=dtype)
        return self


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_models_of_the_caller_keep_their_precision(dtype: str) -> None:
    module = torch.nn.Linear(1, 1, dtype=torch.bfloat16)
    parameter = module.weight
    small(models=[WithModule(torch.tensor(0.9), module=module)], nodes=[4], algorithms=[], dtype=dtype)
    assert module.weight is parameter and module.weight.dtype == module.bias.dtype == torch.bfloat16
    shipped: Any = load_model("milodo_gnn").to(dtype=torch.float16)  # type: ignore[attr-defined]
    small(models=[shipped], nodes=[4], algorithms=[], dtype=dtype, instances=1, iterations=3)
    modules = [m for m in vars(shipped).values() if isinstance(m, torch.nn.Module)]
    assert {p.dtype for module in modules for p in module.parameters()} == {torch.float16}


MINE = """
from gnn_l2o.evaluation import Metric
from gnn_l2o.handcrafted import ProxED

class Mine(ProxED):
    name = "mine"
    label = "my own method"

class Support(Metric):
    name = "support"
    label = "nonzero coordinates"

    def values(self, reference, x):
        return (reference.problem.average(x) != 0).sum(dim=1)
"""


def test_methods_and_metrics_of_a_file_stand_in_results_tables_and_figures(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    file, out = str(tmp_path / "mine.py"), tmp_path / "out"
    results = small(
        nodes=[4],
        instances=1,
        algorithms=["prox_ed", f"{file}::Mine"],
        references=[f"{file}::Mine", "prox_ed"],
        metrics=[file],
        output=out,
    )
    assert results.handcrafted == ["prox_ed", "mine"]
    row = results.summary()[0]
    names = ["mine_rounds", "speedup_vs_mine", "prox_ed_rounds", "speedup_vs_prox_ed"]
    assert [name for name in row if name in names] == names
    assert row["mine_rounds"] == row["prox_ed_rounds"] is not None
    assert summary(results).rows[0]["over my own method"] == summary(results).rows[0]["over Prox-ED"]
    for r in results.runs:
        assert set(r.trace) == {"iteration", "gap", "support", *COSTS, "seconds"}
        assert r.final_consensus is None and r.trace["support"][0] == 0 < r.trace["support"][-1] <= 6
    page = (out / "report.md").read_text()
    assert "final nonzero coordinates" in page and "| my own method |" in page and "final consensus" not in page
    assert [ax.get_ylabel() for ax in draw(Results.load(out), results.cases[0]).axes][2] == "nonzero coordinates"
    assert Results.load(out).label("mine") == "my own method"  # without the file


def test_names_that_are_taken_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE.replace('"mine"', '"prox_ed"').replace('"support"', '"gap"'))
    file = str(tmp_path / "mine.py")
    with pytest.raises(InputError, match="'prox_ed' is registered already"):
        Plan(algorithms=[f"{file}::Mine"])
    with pytest.raises(InputError, match="two algorithms are called 'prox_ed'"):
        Plan(algorithms=[Taken])
    with pytest.raises(InputError, match="two columns of the trace are called 'gap'"):
        Plan(metrics=[file])


def test_without_references_tables_compare_with_the_best_only(results: Results) -> None:
    results.settings["references"] = []
    assert not any("prox_ed" in key for key in results.summary()[0])
    assert "over Prox-ED" not in summary(results).rows[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"topologies": nx.cycle_graph(4)}, "topologies are names or paths .* got a Graph; networkx.write_gml"),
        (
            {"topologies": [Network.from_networkx(nx.cycle_graph(4))]},
            "topologies are names .* got a Network; networkx.write_gml",
        ),
        ({"datasets": lambda network, seed: None}, "datasets are names or paths of files, .* got a function$"),
        ({"models": 3}, "the name or path of a trained optimizer, or an algorithm; got 3"),
        ({"algorithms": [3]}, "the name of a method, the path of its file, or its class; got 3"),
        ({"instances": 2.5}, "expected a whole number, got 2.5"),
        ({"nodes": [4.5]}, "expected a whole number, got 4.5"),
        ({"stop": [3]}, "stop must be a list of stopping rules"),
        ({"references": ["prox_e"]}, "unknown method 'prox_e'; did you mean 'prox_ed'"),
        ({"metrics": ["accurcy"]}, "unknown metric 'accurcy'; did you mean 'accuracy'"),
        ({"algorithms": []}, "nothing to evaluate"),
    ],
)
def test_a_plan_is_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Plan(**settings)


def test_a_plan_can_be_given_whole_or_by_its_settings() -> None:
    plan = Plan(models=[Learned(torch.tensor(0.9))], datasets=[SMALL], nodes=[4, 4], algorithms=["ed"], iterations=5)
    assert plan.nodes == (4,) and list(plan.competitors) == ["prox_ed", "learned"]
    settings = gnn_l2o.evaluate(plan, check_only=True).settings
    again = gnn_l2o.evaluate(plan.models, datasets=[SMALL], nodes=[4], algorithms=["ed"], iterations=5, check_only=True)
    assert again.settings == settings
    single = gnn_l2o.evaluate(plan.models[0], datasets=SMALL, nodes=4, algorithms="ed", iterations=5, check_only=True)
    assert single.settings == settings
    with pytest.raises(InputError, match="models are given twice, as 'milodo_gnn' and as 'milodo_local'"):
        gnn_l2o.evaluate("milodo_gnn", models="milodo_local")
    with pytest.raises(InputError, match="expected none beside it, got nodes"):
        gnn_l2o.evaluate(plan, nodes=[4])
    with pytest.raises(InputError, match="unknown setting of an evaluation: 'dataset'; did you mean 'datasets'"):
        gnn_l2o.evaluate(dataset=["lasso"])


@pytest.mark.usefixtures("quick_figures")
def test_stopping_rules_end_the_runs_of_an_evaluation(tmp_path: Path) -> None:
    results = small(nodes=[4], stop=[MaxRounds(20)], output=tmp_path)
    assert {r.iterations for r in results.runs} == {20}
    assert "Runs end where a rule holds: MaxRounds(rounds=20)." in (tmp_path / "report.md").read_text()
    with pytest.raises(InputError, match="stop"):
        small(nodes=[4], output=tmp_path, resume=True)


def test_results_of_earlier_releases_are_read(results: Results, tmp_path: Path) -> None:
    results.skipped = [{"algorithm": "d2", "case": RING._asdict(), "reason": "noise"}]
    results.save(tmp_path)
    content = json.loads((tmp_path / "results.json").read_text())
    content["schema"] = 3
    content["skipped"] = [{"cell" if key == "case" else key: v for key, v in content["skipped"][0].items()}]
    del results.metrics["worst_node_gap"]
    results.settings["metrics"].remove("worst_node_gap")
    for name in ("references", "metrics", "stop", "measure", "limits"):
        del content["settings"][name]
    del content["methods"], content["metrics"]
    (tmp_path / "results.json").write_text(json.dumps(content))
    assert Results.load(tmp_path) == results


def test_nothing_is_written_without_an_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small(nodes=[4], algorithms=[])
    assert list(tmp_path.iterdir()) == []


def test_single_precision_runs() -> None:
    dtypes = set()

    @dataclass(frozen=True, eq=False)
    class Watched(Learned):
        def step(self, problem: Problem, network: Network, state: ProxEDState) -> ProxEDState:
            dtypes.add(state.x.dtype)
            return super().step(problem, network, state)

    results = small(models=[Watched(torch.tensor(0.9))], nodes=[4], dtype="float32")
    assert dtypes == {torch.float32}
    assert all(r.final_gap is not None and r.final_gap < 0.1 for r in results.runs)


def test_instances_differ_in_graph_and_data_and_never_meet_those_of_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, str]] = []
    original = cases_module.build_network

    def watched(*args: Any, seed: int, **kwargs: Any) -> Network:
        network = original(*args, seed=seed, **kwargs)
        seen.append((seed, str(network.link_index.tolist())))
        return network

    monkeypatch.setattr(cases_module, "build_network", watched)
    results = small(nodes=[8], instances=3)
    seeds, graphs = zip(*seen, strict=True)
    assert len(set(seeds[5:])) == len(seeds[5:]) == 7  # three to evaluate on, two to tune on, two for stability
    assert seeds[:5] == (0, 1, 2, 3, 4)  # which tell that the topology is random
    assert len(set(graphs)) > 1
    assert all(2**31 <= s < 2**32 for s in seeds[5:])
    assert len({r.final_gap for r in results.runs}) == len(results.runs)


class Killed(Exception):
    pass


def killed_after(count: int) -> Any:
    def report(what: str, done: float) -> None:
        nonlocal count
        count -= 1
        if count < 0:
            raise Killed

    return report


@pytest.mark.usefixtures("quick_figures")
def test_a_killed_evaluation_is_resumed(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    small(output=whole)
    for after in (0, 1, 3, 8, 15):
        cut = tmp_path / f"cut_after_{after}"
        with pytest.raises(Killed):
            small(output=cut, report=killed_after(after))
        stored = Results.load(cut)
        assert len(stored.runs) + len(stored.tuning) == after  # all that was finished is there
        small(output=cut, resume=True)
        assert untimed(cut) == untimed(whole)
        assert (cut / "summary.csv").read_text() == (whole / "summary.csv").read_text()
        drawn = [sorted(p.name for p in (folder / "figures").iterdir()) for folder in (cut, whole)]
        assert drawn[0] == drawn[1]


@pytest.mark.usefixtures("quick_figures")
def test_resuming_does_not_repeat_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(output=tmp_path)
    before = (tmp_path / "results.json").read_bytes()
    monkeypatch.setattr(experiment, "measure", None)
    monkeypatch.setattr(experiment, "tune_or_recall", None)
    small(output=tmp_path, resume=True)
    assert (tmp_path / "results.json").read_bytes() == before


def test_a_crash_while_writing_keeps_the_file(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results.save(tmp_path)
    before = (tmp_path / "results.json").read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(Killed))
    results.runs.pop()
    with pytest.raises(Killed):
        results.save(tmp_path)
    assert (tmp_path / "results.json").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["algorithms.csv", "results.json", "summary.csv"]


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({"iterations": 61}, "iterations 60, not 61"),
        ({"nodes": [4]}, r"nodes \[4, 6\], not \[4\]"),
        ({"models": [Learned(torch.tensor(0.8))]}, "models"),
        ({"algorithms": ["prox_ed"]}, "handcrafted"),
        ({"algorithms": ["prox_ed", "pg_extra", "tuned_constants"]}, "tuned"),
        ({"seed": 1}, "seed 0, not 1"),
        ({"tuning_budget": 7}, "tuning_budget"),
    ],
)
def test_other_settings_cannot_resume(changes: Mapping[str, Any], about: str, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        small(output=tmp_path, report=killed_after(3))
    before = (tmp_path / "results.json").read_bytes()
    with pytest.raises(InputError, match=about):
        small(output=tmp_path, resume=True, **changes)
    assert (tmp_path / "results.json").read_bytes() == before


@pytest.mark.usefixtures("quick_figures")
def test_other_results_are_kept_unless_overwritten(tmp_path: Path) -> None:
    small(output=tmp_path, nodes=[4])
    before = (tmp_path / "results.json").read_bytes()
    with pytest.raises(InputError, match="holds another run already") as caught:
        small(output=tmp_path, nodes=[6])
    assert caught.value.given == {"output": tmp_path}
    assert (tmp_path / "results.json").read_bytes() == before
    small(output=tmp_path, nodes=[6], overwrite=True)
    assert {r.nodes for r in Results.load(tmp_path).runs} == {6}
    assert {p.stem[-1] for p in (tmp_path / "figures").iterdir()} == {"6"}


class Taken(ProxED):
    """Has the name of another method."""


@dataclass(frozen=True, eq=False)
class Picky(Learned):
    """Runs on networks of four nodes only."""

    def refusal(self, problem: Problem, network: Network) -> str | None:
        return None if network.num_nodes == 4 else f"it wants 4 nodes, not {network.num_nodes}"


@dataclass(frozen=True, eq=False)
class Smooth(ProxED):
    name = "smooth"
    composite = False


@pytest.mark.usefixtures("quick_figures")
def test_what_does_not_apply_is_left_out_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS._members, "smooth", Smooth)
    results = small(
        models=[Picky(torch.tensor(0.9), name="picky")],
        datasets=["linear:features=4", SMALL],
        algorithms=["prox_ed", "smooth"],
        instances=1,
        output=tmp_path,
    )
    ran = {(r.dataset, r.nodes): [] for r in results.runs}
    for r in results.runs:
        ran[r.dataset, r.nodes].append(r.algorithm)
    assert ran == {
        ("linear:features=4", 4): ["prox_ed", "smooth", "picky"],
        ("linear:features=4", 6): ["prox_ed", "smooth"],
        (SMALL, 4): ["prox_ed", "picky"],
        (SMALL, 6): ["prox_ed"],
    }
    cases = [(s["algorithm"], s["case"]["dataset"], s["case"]["nodes"]) for s in results.skipped]
    assert cases == [
        ("picky", "linear:features=4", 6),
        ("smooth", SMALL, 4),
        ("smooth", SMALL, 6),
        ("picky", SMALL, 6),
    ]
    assert results.skipped[0]["reason"] == "it wants 4 nodes, not 6"
    assert results.skipped[1]["reason"].startswith("Prox-ED is for smooth problems")
    assert len([t for t in results.tuning if t["algorithm"] == "smooth"]) == 2
    assert Results.load(tmp_path).skipped == results.skipped


def test_if_nothing_applies_anywhere_that_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^nothing to evaluate: it wants 4 nodes, not 6$"):
        small(models=[Picky(torch.tensor(0.9))], algorithms=[], nodes=[6], output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_methods_for_stochastic_gradients_take_part_only_with_such() -> None:
    stochastic = [name for name in members("all") if METHODS[name].stochastic]
    results = small(nodes=[4], algorithms=["prox_ed", *stochastic], instances=1)
    assert {s["algorithm"] for s in results.skipped} == set(stochastic)
    assert all("exact" in s["reason"] for s in results.skipped)


def test_gradients_may_come_from_a_few_samples() -> None:
    exact, noisy = (small(nodes=[4], algorithms=["prox_ed"], batch_size=b) for b in (None, 2))
    assert noisy.settings["batch_size"] == 2
    for one, other in zip(exact.runs, noisy.runs, strict=True):
        assert one.final_gap != other.final_gap
        assert other.trace["gap"][0] == one.trace["gap"][0] == 1.0  # measured on the whole problem
        assert other.trace["rounds"] == other.trace["iteration"]
    again = small(nodes=[4], algorithms=["prox_ed"], batch_size=2)
    for r in (*again.runs, *noisy.runs):
        r.trace.pop("seconds")
    assert [r.trace for r in again.runs] == [r.trace for r in noisy.runs]


def test_groups_stand_for_methods() -> None:
    assert list(choose_methods(["all"])) == [*HANDCRAFTED, *TUNED] == list(members("all"))
    assert list(choose_methods(["tuned", "prox_ed"])) == [*TUNED, "prox_ed"]
    assert list(choose_methods(["prox_ed", "handcrafted"])) == ["prox_ed", *(n for n in HANDCRAFTED if n != "prox_ed")]
    assert not set(GROUPS) & set(METHODS.names())
    assert choose_methods([]) == {}


def test_checking_only_writes_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "measure", None)
    results = small(output=tmp_path / "out", check_only=True)
    assert results.runs == [] and not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="unknown dataset"):
        small(datasets=["laso"], check_only=True)


@pytest.mark.usefixtures("quick_figures")
def test_the_report_shows_the_gaps_asked_for(tmp_path: Path) -> None:
    small(nodes=[4], algorithms=["prox_ed"], output=tmp_path, tolerances=[1e-2, 1e-9])
    assert "relative optimality gap of 1e-2 / 1e-9" in (tmp_path / "report.md").read_text()
    with pytest.raises(InputError, match="expected one of 1e-1"):
        small(tolerances=[0.5])


@pytest.mark.usefixtures("quick_figures")
def test_slow_saving_is_put_off_but_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, saves = [0.0], []
    original = Results.save

    def slow(self: Results, folder: Path) -> None:
        clock[0] += 10
        saves.append(len(self.runs))
        original(self, folder)

    monkeypatch.setattr(Results, "save", slow)
    monkeypatch.setattr(experiment, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    small(nodes=[4], output=tmp_path)
    assert len(saves) == 3  # at the beginning, after the first step, at the end
    assert len(Results.load(tmp_path).runs) == saves[-1] == 6


def test_two_algorithms_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="two algorithms are called 'learned'"):
        small(models=[Learned(torch.tensor(0.9)), Learned(torch.tensor(0.8))])
    with pytest.raises(InputError, match="two algorithms are called 'prox_ed'"):
        small(models=[Learned(torch.tensor(0.9), name="prox_ed")])


def test_a_fingerprint_sees_weights_and_hyperparameters_but_not_precision() -> None:
    @dataclass(frozen=True, eq=False)
    class Net(Learned):
        net: Any = None

    def net(seed: int) -> torch.nn.Module:
        torch.manual_seed(seed)
        return torch.nn.Linear(2, 2, dtype=torch.float32)

    one = fingerprint(Net(torch.tensor(1.0), net=net(0)))
    assert one == fingerprint(Net(torch.tensor(1.0), net=net(0).double()))
    assert one != fingerprint(Net(torch.tensor(1.0), net=net(1)))
    assert one != fingerprint(Net(torch.tensor(1.0 + 1e-9), net=net(0)))
    assert one != fingerprint(Net(torch.tensor(1.0), net=net(0), rounds=2))


def test_progress_is_reported() -> None:
    told: list[tuple[str, float]] = []
    small(report=lambda what, done: told.append((what, done)))
    assert len(told) == 2 * (2 + 2 * 3)
    assert [done for _, done in told] == pytest.approx([k / len(told) for k in range(len(told))])
    assert told[0][0] == f"{SMALL}, erdos_renyi:p=0.6, 4 nodes: tuning prox_ed"


def test_tolerances_have_keys() -> None:
    assert [tolerance_key(t) for t in (TOLERANCES[0], TOLERANCES[7], TOLERANCES[-1])] == ["1e-01", "1e-08", "1e-15"]


def test_methods_answer_to_their_names_without_a_regularizer() -> None:
    assert list(choose_methods(["dgd", "extra", "prox_dgd"])) == ["prox_dgd", "pg_extra"]
    assert set(ALIASES.values()) <= set(METHODS.names())
    assert not set(ALIASES) & {*METHODS.names(), *GROUPS}
