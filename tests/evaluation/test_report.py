"""Rankings, summaries and notes, on the terminal and in the report."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from gnn_l2o._utils.errors import InputError
from gnn_l2o.evaluation import Case, Results, notes, ranking, summary
from gnn_l2o.evaluation.report import report
from tests.evaluation.small_cases import RING
from tests.evaluation.small_evaluation import small
from tests.evaluation.small_results import empty


def test_the_ranking_says_what_it_took(compared: Results) -> None:
    for ed in compared.select(RING, "prox_ed"):
        ed.parameters["step_size"] = 1.9312
    rows = ranking(compared, RING, details=True).rows
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
    compared.runs = [r for r in compared.runs if r.algorithm == "prox_dgd" and r.diverged]
    assert ranking(compared, RING).rows[0]["final optimality gap"] == "!"


def test_the_summary_says_which_was_faster(compared: Results) -> None:
    (row,) = summary(compared).rows
    assert row == {
        **{"dataset": "lasso", "topology": "ring", "nodes": "10", "model": "ours", "rounds": "120 / -"},
        **{"best handcrafted": "Prox-ED: 400 / -", "Prox-ED": "400 / -"},
        **{"over best handcrafted": "2.5x to 4.0x / -", "over Prox-ED": "2.5x to 4.0x / -"},
    }
    assert summary(compared, details=True).rows[0]["over Prox-ED"] == "2.5x to 4.0x, 2 of 3 / -"
    compared.settings["models"] = {}
    compared.runs = [r for r in compared.runs if r.algorithm != "ours"]
    (row,) = summary(compared).rows
    assert list(row) == ["dataset", "topology", "nodes", "best handcrafted", "Prox-ED"]
    assert summary(empty([], ["prox_ed"])).rows == []


def test_without_references_tables_compare_with_the_best_only(compared: Results) -> None:
    compared.settings["references"] = []
    assert not any("prox_ed" in key for key in compared.summary()[0])
    assert "over Prox-ED" not in summary(compared).rows[0]


def test_tables_can_be_printed_and_written(compared: Results) -> None:
    console = Console(width=160, file=io.StringIO())
    console.print(ranking(compared, RING).rich(160))
    console.print(summary(compared).rich(160))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "ours (model)" in text and "2.5x to 4.0x / -" in text
    page = report(compared)
    assert "| **1** | **ours (model)** | **120 / -** | **121 / -** |" in page
    faster = "2.5x to 4.0x, 2 of 3 / - | 2.5x to 4.0x, 2 of 3 / - |"
    assert f"| lasso | ring | 10 | ours | 120 / - | Prox-ED: 400 / - | 400 / - | {faster}" in page
    assert "| algorithm | 1e-2 | 1e-4 | 1e-6 | 1e-8 |" in page and "| Prox-ED | 400 | 400 | - | - |" in page
    assert "(figures/lasso_ring_10.png)" in page and "(figures/front_lasso_ring_10.png)" in page
    assert "\n1 of 9 runs diverged: Prox-DGD 1 of 3.\n" in page


def test_notes_tell_which_algorithms_were_left_out_and_why(compared: Results) -> None:
    other = Case("lasso", "star", 4)
    compared.skipped = [
        {"algorithm": "d2", "case": RING._asdict(), "reason": "it likes noise"},
        {"algorithm": "d2", "case": other._asdict(), "reason": "it likes noise"},
        {"algorithm": "ours", "case": other._asdict(), "reason": "bound to its graph"},
    ]
    assert notes.skipped(compared) == [
        "d2 is left out everywhere: it likes noise",
        "ours is left out on lasso, star, 4 nodes: bound to its graph",
    ]
    assert notes.in_short(compared, named=["ours"]) == [
        "note: 1 of 9 runs diverged: Prox-DGD 1 of 3.",
        "note: ours is left out on lasso, star, 4 nodes: bound to its graph",
        "note: left out where they do not apply: d2 (report.md says why)",
    ]
    assert "- d2 is left out everywhere: it likes noise" in report(compared)


@pytest.mark.usefixtures("quick_figures")
def test_the_report_shows_the_gaps_asked_for(tmp_path: Path) -> None:
    small(nodes=[4], algorithms=["prox_ed"], output=tmp_path, tolerances=[1e-2, 1e-9])
    assert "relative optimality gap of 1e-2 / 1e-9" in (tmp_path / "report.md").read_text()
    with pytest.raises(InputError, match="expected one of 1e-1"):
        small(tolerances=[0.5])
