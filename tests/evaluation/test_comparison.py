"""Comparisons on the same instances: bootstrap intervals, speed-ups, and classes that are ranked by themselves."""

import json
import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.evaluation import Results, bootstrap, comparison, ranking, summary
from gnn_l2o.evaluation.bootstrap import median_interval
from gnn_l2o.evaluation.figures import draw
from gnn_l2o.evaluation.notes import divergences
from gnn_l2o.evaluation.report import report
from gnn_l2o.evaluation.speedups import Paired, Rounds, Speedup
from gnn_l2o.handcrafted import ProxED
from tests.evaluation.small_cases import RING

NEVER = math.inf
RECORDED = Path(__file__).parents[1] / "recorded" / "schema_4"


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
