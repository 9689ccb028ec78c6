"""What the charts of a page are drawn from: curves, the network and trials."""

import math
from typing import Any

import numpy as np
import pytest

from gnn_l2o.evaluation import Results
from gnn_l2o.evaluation.report_page import page as pages
from gnn_l2o.evaluation.report_page.case_data import curves, network, thinned, trials
from gnn_l2o.evaluation.report_page.page import cases, data
from tests.evaluation import small_page
from tests.evaluation.small_page import TOLERANCES


def test_curves_are_medians_and_ranges_over_the_instances(evaluated: Results) -> None:
    case = evaluated.cases[0]
    [ed] = [c for c in curves(evaluated, case, TOLERANCES, 1000) if c["label"] == "Prox-ED"]
    traces = [run.trace for run in evaluated.select(case, "prox_ed")]
    gaps = np.array([t["gap"] for t in traces])
    np.testing.assert_allclose(ed["y"]["gap"]["line"], gaps.mean(axis=0), rtol=6e-3)  # of two; three digits
    np.testing.assert_allclose(ed["y"]["gap"]["high"], gaps.max(axis=0), rtol=6e-3)
    assert ed["x"]["rounds"] == ed["x"]["iteration"] == traces[0]["iteration"]
    assert set(ed["x"]) == {"rounds", "iteration", "vectors", "total_gradients", "seconds"}  # it has no local solves


def test_models_and_references_lead_and_are_drawn_last(evaluated: Results) -> None:
    drawn = curves(evaluated, evaluated.cases[0], TOLERANCES, 20)
    assert [c["lead"] for c in drawn] == sorted(c["lead"] for c in drawn)
    assert {c["label"]: c["lead"] for c in drawn}["diameter of the graph"] is False
    assert all(len(c["x"]["rounds"]) <= 21 for c in drawn)


def test_thinning_keeps_both_ends_and_is_dense_at_the_beginning() -> None:
    kept = thinned(500, 30)
    assert kept[:4] == [0, 1, 2, 3][: len(kept[:4])] and kept[-1] == 499 and len(kept) <= 31
    assert thinned(4, 30) == [0, 1, 2, 3]


def test_a_page_of_many_curves_has_fewer_points(evaluated: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    def longest(content: dict[str, Any]) -> int:
        return max(len(curve["x"]["rounds"]) for curve in content["cases"]["case-0"]["curves"])

    few = data(cases({"": evaluated}), TOLERANCES)
    monkeypatch.setattr(pages, "ALL_POINTS", 10)
    many = data(cases({"": evaluated}), TOLERANCES)
    assert longest(few) == 61 and 10 < longest(many) <= 17


def test_the_distances_of_the_nodes_make_the_consensus_error(evaluated: Results) -> None:
    case = evaluated.cases[1]
    drawn = network(evaluated, case, TOLERANCES, 1000)
    assert drawn is not None
    assert len(drawn["nodes"]) == 6 and len(drawn["links"]) == 6  # a ring
    assert {tuple(link) for link in drawn["links"]} == {(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5)}
    [ed] = [c for c in drawn["curves"] if c["label"] == "Prox-ED"]
    trace = evaluated.select(case, "prox_ed")[0].trace
    for k, logs in zip(ed["iteration"][1:], ed["distance"][1:], strict=True):
        square = np.mean([10 ** (2 * v) for v in logs])
        np.testing.assert_allclose(math.sqrt(square), trace["consensus"][k], rtol=0.05)


def test_large_networks_are_not_drawn() -> None:
    large = small_page.results(nodes=[41], models=[], algorithms=["prox_ed"], limits=[], instances=1, iterations=3)
    assert network(large, large.cases[0], TOLERANCES, 10) is None
    assert large.networks == [] and large.runs[0].node_distances == {}


def test_trials_say_what_came_of_each_setting(evaluated: Results) -> None:
    entry = {
        "algorithm": "prox_ed",
        "case": evaluated.cases[0]._asdict(),
        "setting": {"step_size": 0.5},
        "trials": [
            {"setting": {"step_size": 0.5}, "rounds": [10, 40], "optimality_gap": [1e-5, 1e-5], "stopped": False},
            {"setting": {"step_size": 0.1}, "rounds": [10, None], "optimality_gap": [1e-5, 1e-2], "stopped": True},
            {"setting": {"step_size": 0.2}, "rounds": [10, None], "optimality_gap": [1e-5, 1e-2], "stopped": False},
            {"setting": {"step_size": 9.0}, "rounds": [10, None], "optimality_gap": [1e-5, None], "stopped": False},
        ],
        "warnings": [],
    }
    evaluated.tuning = [entry]
    [found] = trials(evaluated, evaluated.cases[0], TOLERANCES)
    assert found["label"] == "Prox-ED" and found["parameters"] == {"step_size": "step_size [/L]"}
    assert [t["outcome"] for t in found["trials"]] == [
        *("reached the tolerance", "stopped, much slower", "did not reach it", "diverged")
    ]
    assert [t["rounds"] for t in found["trials"]] == [pytest.approx(20), None, None, None]
    assert [t["chosen"] for t in found["trials"]] == [True, False, False, False]
