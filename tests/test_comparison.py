"""Comparisons on the same instances, bootstrap intervals, classes, limits, the front of rounds against gradients."""

import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch

import gnn_l2o
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Cost
from gnn_l2o.evaluation import Case, Plan, Results, Run, Trace, bootstrap, comparison, ranking, summary
from gnn_l2o.evaluation.bootstrap import median_interval
from gnn_l2o.evaluation.figures import draw
from gnn_l2o.evaluation.front import FAMILY, Point, draw_front, pareto, points
from gnn_l2o.evaluation.metrics import OptimalityGap, WorstNodeGap
from gnn_l2o.evaluation.notes import divergences
from gnn_l2o.evaluation.reference import Reference
from gnn_l2o.evaluation.report import report
from gnn_l2o.evaluation.speedups import Paired, Rounds, Speedup
from gnn_l2o.handcrafted import ProxED
from gnn_l2o.problems import LeastSquares, Logistic, NeuralNetwork, Problem, Stochastic, solve
from gnn_l2o.problems.regularizers import L1, Box

NEVER = math.inf
RING = Case("lasso", "ring", 10)
RECORDED = Path(__file__).parent / "recorded" / "schema_4"


# --- the objective at the nodes, and the worst node


def problem(kind: type[Any], sizes: Sequence[int], *, seed: int = 0, regularizer: Any = None) -> Any:
    """Return a problem whose nodes hold these numbers of samples."""
    random = np.random.default_rng(seed)
    features = [random.standard_normal((m, 4)) for m in sizes]
    targets = [(random.random(m) < 0.5).astype(float) for m in sizes]
    return kind.from_nodes(features, targets, L1(0.1) if regularizer is None else regularizer)


def by_loops(of: Problem, x: torch.Tensor) -> torch.Tensor:
    """Return F(x_i) of every node, one evaluation of the objective after another."""
    pairs = zip(x, of.batch, strict=True)
    return torch.stack([of.objective(point.expand(of.num_problems, -1))[k] for point, k in pairs])


@pytest.mark.parametrize("kind", [LeastSquares, Logistic])
def test_the_objective_at_the_nodes_is_that_of_each_point(kind: type[Any]) -> None:
    parts = [problem(kind, sizes, seed=k) for k, sizes in enumerate([(3, 5, 2), (4,), (1, 6)])]
    joined = kind.concatenate(parts)
    for of in (*parts, joined, joined.repeat(3), parts[0].repeat(2)):
        x = torch.randn(of.num_nodes, 4)
        torch.testing.assert_close(of.objective_at_nodes(x), by_loops(of, x))
        torch.testing.assert_close(Problem.objective_at_nodes(of, x), by_loops(of, x))
    noisy = Stochastic(parts[0], batch_size=1, seed=0)
    x = torch.randn(3, 4)
    torch.testing.assert_close(noisy.objective_at_nodes(x), by_loops(parts[0], x))
    assert parts[0].calls.gradients == 0


def test_the_worst_node_is_the_one_with_the_largest_objective() -> None:
    parts = [problem(LeastSquares, sizes, seed=k) for k, sizes in enumerate([(5, 5, 5), (6, 7)])]
    joined = LeastSquares.concatenate(parts)
    found = [solve(part) for part in parts]
    reference = Reference(
        joined, torch.cat([f.x for f in found]), torch.cat([f.value for f in found]), torch.zeros(5, 4)
    )
    x = torch.randn(5, 4)
    expected = torch.stack([by_loops(joined, x)[:3].max(), by_loops(joined, x)[3:].max()])
    gap = WorstNodeGap().values(reference, x)
    torch.testing.assert_close(gap, (expected - reference.value) / reference.gap_scale)
    assert (gap >= OptimalityGap().values(reference, x)).all()  # F is convex
    at_optimum = WorstNodeGap().values(reference, joined.spread(reference.solution))
    assert at_optimum.abs().max() < 1e-12


def test_a_node_outside_the_domain_is_infinitely_bad() -> None:
    boxed = problem(LeastSquares, (5, 5), regularizer=Box(-1.0, 1.0))
    found = solve(boxed)
    reference = Reference(boxed, found.x, found.value, torch.zeros(2, 4))
    x = torch.full((2, 4), 0.5)
    x[1] = -1.2  # the average is inside
    assert WorstNodeGap().values(reference, x).isinf().all() and OptimalityGap().values(reference, x).isfinite().all()


def test_without_a_minimum_there_is_no_worst_node(tmp_path: Path) -> None:
    shards = [(torch.randn(3, 2), torch.randint(2, (3,))) for _ in range(4)]
    network = NeuralNetwork.from_nodes(torch.nn.Linear(2, 2), torch.nn.functional.cross_entropy, shards)
    found = solve(network)
    assert not WorstNodeGap().applies(Reference(network, found.x, found.value, network.initial_point()))
    file = tmp_path / "nets.py"
    file.write_text(
        "import torch\n"
        "from gnn_l2o.problems import NeuralNetwork\n"
        "def sample(network, *, seed: int):\n"
        "    shards = [(torch.zeros(3, 2), torch.zeros(3, dtype=torch.long))] * network.num_nodes\n"
        "    return NeuralNetwork.from_nodes(torch.nn.Linear(2, 2), torch.nn.functional.cross_entropy, shards)\n"
    )
    with pytest.raises(InputError, match="the minimum is unknown; expected measure 'average'") as caught:
        gnn_l2o.evaluate(Plan(datasets=[str(file)], nodes=[4], algorithms=["prox_ed"], measure="worst"))
    assert caught.value.given["measure"] == "worst"
    with pytest.raises(InputError, match="unknown measure 'wurst'; did you mean 'worst'"):
        Plan(measure="wurst")


def test_evaluations_count_to_the_measure_that_is_asked_for() -> None:
    plan: dict[str, Any] = dict(
        datasets=["lasso:features=6,samples=4"], nodes=[5], algorithms=["prox_ed"], metrics=["consensus_error"]
    )
    plan |= dict(limits=[], instances=2, iterations=300, tuning_budget=6, tuning_instances=1)
    worst = gnn_l2o.evaluate(Plan(**plan, measure="worst"))
    (case,) = worst.cases
    for run in worst.runs:
        gaps = run.trace["worst_node_gap"]
        position = next(k for k, gap in enumerate(gaps) if gap <= 1e-4)
        assert run.reached_worst["1e-04"] is not None
        assert worst.needed(case, "prox_ed", 1e-4)[run.instance] == run.trace["rounds"][position]
        assert worst.needed(case, "prox_ed", 1e-4, measure="average")[run.instance] <= run.trace["rounds"][position]
    (row,) = ranking(worst, case).rows
    assert "rounds, average" in row and "of the worst node of 1e-4 / 1e-6" in ranking(worst, case).title
    # Tuning counted to the worst node: of its trials the first that reaches the tolerance there was chosen.
    average = gnn_l2o.evaluate(Plan(**{**plan, "metrics": ["worst_node_gap"]}))
    trials = [[t["rounds"] for t in found.tuning[0]["trials"]] for found in (worst, average)]
    assert trials[0] != trials[1]


# --- intervals


def test_intervals_are_those_of_scipy() -> None:
    values = np.array([12.0, 30.0, 17.5, 22.0, 90.0, 41.0, 8.0])
    theirs = scipy.stats.bootstrap(
        (values,),
        np.median,
        n_resamples=bootstrap.RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(bootstrap.SEED),
    ).confidence_interval
    assert median_interval(values) == pytest.approx((theirs.low, theirs.high))
    assert theirs.low < np.median(values) < theirs.high


def test_what_never_arrived_is_infinitely_late() -> None:
    assert median_interval([1.0, 2.0, 3.0, 4.0]) is None
    assert median_interval([3.0] * 5) == (3.0, 3.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = median_interval([10.0, 11.0, 12.0, 13.0, NEVER, NEVER]) or (0, 0)
        assert 10 <= low < 13 and high == NEVER
        assert median_interval([NEVER] * 6) == (NEVER, NEVER)


# --- pairs


def test_speed_ups_are_on_the_same_instance() -> None:
    model = Rounds({0: 10, 1: 20, 2: 40, 3: NEVER, 4: 5, 5: NEVER, 7: 1}, 100)
    other = Rounds({0: 20, 1: 80, 2: 30, 3: 50, 4: NEVER, 5: NEVER, 6: 1}, 1000)
    paired = Paired.of(model, other)
    assert paired.ratios == [2, 4, 0.75, 0, NEVER]  # the last two instances were not run by both
    assert (paired.left_out, paired.faster, paired.median) == (1, 3, 2)
    assert paired.pairs[3:] == (Speedup(0, 0.5), Speedup(200, NEVER))
    assert paired.speedup == Speedup(2, 2)
    assert paired.interval == median_interval([2, 4, 0.75, 0, NEVER])
    assert str(paired) == "2.0x [0.00, inf], 3 of 5"
    still = Rounds({0: NEVER}, 0)  # a model whose iterations take no rounds
    assert Paired.of(still, Rounds({0: 3}, 9)).pairs == (Speedup(0, 3),)
    neither = Paired.of(Rounds({0: NEVER}, 9), Rounds({0: NEVER}, 9))
    assert (neither.median, str(neither), neither.left_out) == (None, "-", 1)


def test_the_ratio_of_medians_is_not_the_median_of_ratios() -> None:
    model, other = Rounds({0: 10, 1: 20, 2: 90}, 100), Rounds({0: 60, 1: 10, 2: 99}, 100)
    assert other.median / model.median == 3
    assert Paired.of(model, other).median == pytest.approx(1.1)


# --- classes and limits


def made(
    algorithm: str,
    number: int,
    rounds: int | None,
    *,
    gradients: int = 1,
    solve_gradients: int = 0,
    diverged: bool = False,
    setup: int | None = None,
) -> Run:
    """Return a run that reaches a gap of 1e-7 after so many rounds, the gradients an iteration given."""
    last = rounds or 100
    iterations, gap = [0, 1, last, last + 1], [1.0, 0.9, *[0.5 if rounds is None else 1e-7] * 2]
    each = Cost(rounds=1, vectors=1, gradients=gradients, solve_gradients=solve_gradients)
    spent = [each * k for k in iterations]
    measures = {"optimality_gap": gap, "worst_node_gap": [1.0, 0.95, 0.6, gap[-1]]}
    trace = Trace(iterations, measures, [0.0, 0.1, 0.2, 0.3], spent, diverged)
    run = Run.from_trace(trace, Cost(1, 1), algorithm=algorithm, case=RING, instance=number)
    run_with_setup = {**vars(run), "setup_rounds": setup}
    return Run(**run_with_setup)


@pytest.fixture
def results() -> Results:
    settings: dict[str, Any] = {
        "models": {"ours": "0"},
        "handcrafted": ["prox_ed", "nids", *FAMILY, "late"],
        "tuned": [],
        **dict(instances=5, iterations=1000, dtype="float64", batch_size=None, mixing="metropolis"),
        **dict(tuning_instances=1, tuning_budget=4, tuning_tolerance=1e-4),
        "metrics": ["optimality_gap", "worst_node_gap"],
    }
    found = Results("a test", 0, {**settings, "limits": ["diameter", "fista"]})
    found.methods |= {
        "admm": {"label": "ADMM", "units": {}, "local_work": True},
        **{name: {"label": name, "units": {}, "local_work": True} for name in ("admm_4", "admm_16")},
        "fista": {"label": "limit: fista", "units": {}, "local_work": False},
    }
    for k, factor in enumerate((10, 12, 8, 11, 9)):
        found.runs += [
            made("ours", k, 6 * factor, setup=3),
            made("prox_ed", k, 24 * factor),
            made("nids", k, 18 * factor + 40 * (k == 0)),
            made("inexact_admm", k, 20 * factor),
            made("admm_4", k, 10 * factor, gradients=4),
            made("admm_16", k, 5 * factor, gradients=16),
            made("admm", k, 4 * factor, gradients=0, solve_gradients=40),
            made("late", k, None, diverged=k == 1),
            made("diameter", k, 5, gradients=0),
            made("fista", k, factor),
        ]
    return found


def test_each_class_is_ranked_by_itself_and_limits_come_last(results: Results) -> None:
    table = ranking(results, RING)
    places = [(row["class"], row["rank"], row["algorithm"]) for row in table.rows]
    assert places == [
        ("one gradient a round", "1", "ours (model)"),
        ("", "2", "NIDS"),
        ("", "3", "IC-ADMM"),
        ("", "4", "Prox-ED"),
        ("", "5", "late"),
        ("local solves", "1", "ADMM"),
        ("", "2", "admm_16"),
        ("", "3", "admm_4"),
        ("limits", "", "diameter of the graph"),
        ("", "", "limit: fista"),
    ]
    assert table.parts == (5, 8) and table.bold == (0,)
    rows = {row["algorithm"]: row for row in table.rows}
    assert (rows["ADMM"]["rounds"], rows["ADMM"]["gradients"]) == ("40 / 40", "1600 / 1600")
    assert (rows["ours (model)"]["set-up rounds"], rows["ADMM"]["set-up rounds"]) == ("3", "-")
    assert rows["ADMM"]["rounds, worst node"] == "41 / 41"
    assert rows["late"]["final optimality gap"] == "5.0e-01!"
    results.runs = [run for run in results.runs if run.algorithm in ("nids", "prox_ed")]
    assert "set-up rounds" not in ranking(results, RING).rows[0]
    assert "class" not in ranking(results, RING).rows[0]


def test_models_stand_beside_the_best_of_each_class(results: Results) -> None:
    row = comparison.compare(results, RING, 1e-4, "ours")
    assert (row["best_handcrafted"], row["speedup_rounds"]) == ("admm", pytest.approx(4 / 6))
    assert (row["best_local_solves"], row["speedup_vs_local_solves_faster"]) == ("admm", 0)
    assert (row["best_one_gradient"], row["best_one_gradient_rounds"]) == ("nids", 198)
    assert row["speedup_vs_one_gradient"] == 3  # not 198 / 60, as one instance is slower
    assert (row["speedup_vs_one_gradient_faster"], row["speedup_vs_one_gradient_pairs"]) == (5, 5)
    assert (row["model_rounds_low"], row["model_rounds_high"]) == median_interval([60, 72, 48, 66, 54])
    ratios = [220 / 60, 3, 3, 3, 3]
    ends = (row["speedup_vs_one_gradient_low"], row["speedup_vs_one_gradient_high"])
    assert ends == pytest.approx(median_interval(ratios))
    assert "diameter" not in json.dumps(row)
    (shown,) = summary(results).rows
    assert "best handcrafted" not in shown and shown["best of local solves"] == "ADMM: 40 / 40"
    assert shown["over best of one gradient a round"] == "3.0x / 3.0x"
    (whole,) = summary(results, details=True).rows
    assert whole["best handcrafted"] == "ADMM: 40 [32, 48] / 40 [32, 48]"
    assert whole["over best of local solves"] == "0.67x [0.67, 0.67], 0 of 5 / 0.67x [0.67, 0.67], 0 of 5"


def test_the_report_has_all_of_it(results: Results) -> None:
    page = report(results)
    for text in (
        "| class | rank | algorithm |",
        "| limits |  | diameter of the graph | 5 [5, 5] / 5 [5, 5] |",
        "![Rounds against gradients: lasso, ring, 10 nodes](figures/front_lasso_ring_10.png)",
        "1 of 50 runs diverged: late 1 of 5.",
        "'[a, b]' is a 95 % bootstrap interval",
    ):
        assert text in page, text
    results.runs = [run for run in results.runs if not run.diverged]
    assert divergences(results) == ["None of 49 runs diverged."]


def test_classes_are_noted_when_algorithms_run() -> None:
    @dataclass(frozen=True, eq=False)
    class Repeated(ProxED):
        """Takes as many gradients as it has steps."""

        name = "repeated"
        label = "repeated"
        steps: int = 1

        @property
        def cost(self) -> Cost:  # type: ignore[override]
            return Cost(rounds=1, vectors=1, gradients=self.steps, proxes=1)

    found = Results("a test", 0, {"models": {}, "handcrafted": ["repeated"], "tuned": []})
    for steps, local in ((1, False), (4, True), (1, True)):
        found.note_class("repeated", Repeated(0.1, steps=steps))
        assert (found.class_of("repeated") == "local solves") == local


# --- figures


def test_figures_have_panels_against_gradients_where_there_are_both_classes(results: Results) -> None:
    figure = draw(results, RING)
    assert [ax.get_xlabel() for ax in figure.axes[-3:]] == ["iterations", "communication rounds", "gradients of a node"]
    lines = {line.get_label(): line for line in figure.axes[2].lines}
    np.testing.assert_array_equal(lines["ADMM"].get_xdata(), [40, 1600, 1640])
    assert lines["limit: fista"].get_linestyle() == ":" and lines["limit: fista"].get_color() == "#606060"
    by_rounds = {line.get_label() for line in figure.axes[1].lines}
    assert {results.label(name) for name in results.limits} <= by_rounds
    figure.canvas.draw()
    results.runs = [run for run in results.runs if run.algorithm in ("ours", "prox_ed", "fista")]
    assert len(draw(results, RING).axes) == 4


def test_the_front_is_what_nothing_beats_in_both() -> None:
    found = {"a": Point(10, 50), "b": Point(20, 50), "c": Point(30, 20), "d": Point(40, 30), "e": Point(30, 20)}
    found |= {"f": Point(10, 60), "g": Point(90, 1)}
    assert pareto(found) == ["a", "c", "e", "g"]
    random = np.random.default_rng(0)
    many = {str(k): Point(*point) for k, point in enumerate(random.integers(1, 8, (40, 2)).tolist())}
    beaten = {
        n
        for n, p in many.items()
        if any(q.gradients <= p.gradients and q.rounds <= p.rounds and q != p for q in many.values())
    }
    assert set(pareto(many)) == set(many) - beaten


def test_the_front_joins_the_numbers_of_local_steps(results: Results) -> None:
    assert points(results, RING)["admm"] == Point(1600, 40)
    assert not {"late", "diameter"} & set(points(results, RING))  # did not arrive; takes no gradients
    figure = draw_front(results, RING)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    family = lines["consensus ADMM, more local steps"]
    assert list(zip(family.get_xdata(), family.get_ydata(), strict=True)) == [
        (200, 200), (400, 100), (800, 50), (1600, 40)
    ]  # fmt: skip
    front = lines["Pareto front"]
    assert list(zip(front.get_xdata(), front.get_ydata(), strict=True)) == [(60, 60), (800, 50), (1600, 40)]
    assert {text.get_text() for text in figure.axes[0].texts} == {results.label(name) for name in points(results, RING)}
    assert "2 of 10 algorithms without a point" in figure.get_suptitle()
    results.runs = [run for run in results.runs if run.algorithm not in ("admm_4", "admm_16")]
    labels = {line.get_label() for line in draw_front(results, RING).axes[0].lines}
    assert "consensus ADMM, more local steps" not in labels


# --- files


def test_results_with_limits_survive_the_disk(results: Results, tmp_path: Path) -> None:
    results.save(tmp_path)
    loaded = Results.load(tmp_path)
    assert loaded == results and loaded.limits == ["diameter", "fista"]
    assert loaded.runs[0].setup_rounds == 3 and loaded.class_of("admm") == "local solves"
    header = (tmp_path / "summary.csv").read_text().split("\n")[0]
    assert "speedup_vs_local_solves_low,speedup_vs_local_solves_high,speedup_vs_local_solves_faster" in header


def test_a_file_of_the_last_release_is_read() -> None:
    found = Results.load(RECORDED)
    (case,) = found.cases
    assert (found.limits, found.measure, found.has_setup) == ([], "average", False)
    assert {found.class_of(name) for name in found.algorithms(case)} == {"one gradient a round"}
    row = comparison.compare(found, case, 1e-2, "milodo_small")
    assert row["best_handcrafted"] in ("prox_ed", "nids") and row["model_rounds"] == 16
    table = ranking(found, case, (1e-2,), details=True)
    assert "rounds, worst node" not in table.rows[0] and table.rows[0]["gradients"].isdigit()
    assert draw(found, case).axes and report(found)
