"""Results: summary rows, what was reached, the ranking, and the file."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Cost
from gnn_l2o.evaluation import Results, Run, Trace, comparison
from gnn_l2o.evaluation.comparison import SUMMARIZED
from gnn_l2o.evaluation.record import TOLERANCES, tolerance_key
from tests.evaluation.small_cases import RING
from tests.evaluation.small_evaluation import Killed
from tests.evaluation.small_results import empty, made_up


def test_tolerances_have_keys() -> None:
    assert [tolerance_key(t) for t in (TOLERANCES[0], TOLERANCES[7], TOLERANCES[-1])] == ["1e-01", "1e-08", "1e-15"]


def test_summary_rows_compare_on_the_same_instances(compared: Results) -> None:
    rows = {row["tolerance"]: row for row in compared.summary()}
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


def test_tuned_constants_and_other_models_are_learned_baselines_and_no_handcrafted_methods(compared: Results) -> None:
    compared.settings["tuned"] = ["tuned_constants"]
    compared.settings["models"]["theirs"] = "1"
    for k in range(3):
        compared.runs += [made_up("tuned_constants", k, 60), made_up("theirs", k, 200)]
    ours, theirs = comparison.compare(compared, RING, 1e-4, "ours"), comparison.compare(compared, RING, 1e-4, "theirs")
    assert ours["best_handcrafted"] == theirs["best_handcrafted"] == "prox_ed"
    assert (
        ours["best_learned_baseline"],
        ours["best_learned_baseline_rounds"],
        ours["speedup_vs_learned_baseline"],
    ) == ("tuned_constants", 60, 0.5)  # 0.6, 0.5 and 0
    compared.runs = [r for r in compared.runs if r.algorithm != "tuned_constants"]
    assert comparison.compare(compared, RING, 1e-4, "ours")["best_learned_baseline"] == "theirs"
    assert comparison.compare(compared, RING, 1e-4, "theirs")["best_learned_baseline"] == "ours"


def test_a_median_that_was_not_reached_is_null(compared: Results) -> None:
    compared.runs = [r for r in compared.runs if r.instance != 0]  # ours: 120 and never; Prox-ED: 300 and 500
    assert compared.median(RING, "ours", 1e-4) is None
    row = compared.summary()[3]
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


def test_results_survive_the_disk(compared: Results, tmp_path: Path) -> None:
    compared.save(tmp_path)
    loaded = Results.load(tmp_path)
    assert loaded == compared
    assert loaded.summary() == compared.summary()
    rows = list(csv.DictReader((tmp_path / "summary.csv").read_text().splitlines()))
    assert [row["tolerance"] for row in rows] == [str(t) for t in SUMMARIZED]
    assert (rows[3]["model_rounds"], rows[4]["model_rounds"]) == ("120", "")


def test_the_file_is_strict_json(compared: Results, tmp_path: Path) -> None:
    compared.save(tmp_path)

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


def test_results_of_earlier_releases_are_read(compared: Results, tmp_path: Path) -> None:
    compared.skipped = [{"algorithm": "d2", "case": RING._asdict(), "reason": "noise"}]
    compared.save(tmp_path)
    content = json.loads((tmp_path / "results.json").read_text())
    content["schema"] = 3
    content["skipped"] = [{"cell" if key == "case" else key: v for key, v in content["skipped"][0].items()}]
    del compared.metrics["worst_node_gap"]
    compared.settings["metrics"].remove("worst_node_gap")
    for name in ("references", "metrics", "stop", "measure", "limits"):
        del content["settings"][name]
    del content["methods"], content["metrics"]
    (tmp_path / "results.json").write_text(json.dumps(content))
    assert Results.load(tmp_path) == compared


def test_a_crash_while_writing_keeps_the_file(
    compared: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared.save(tmp_path)
    before = (tmp_path / "results.json").read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(Killed))
    compared.runs.pop()
    with pytest.raises(Killed):
        compared.save(tmp_path)
    assert (tmp_path / "results.json").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["algorithms.csv", "results.json", "summary.csv"]
