"""The tables, files and values of an overview."""

import csv
import dataclasses
import xml.etree.ElementTree
from pathlib import Path

import pytest

from gnn_l2o.evaluation.heat_map import draw_heat_map
from gnn_l2o.evaluation.overview import Entry, entries
from gnn_l2o.evaluation.overview_report import (
    all_cases,
    alone,
    firsts,
    overview_page,
    save_overview,
    totals,
    worst_cases,
)
from tests.evaluation.small_cases import PATH, RING, STAR
from tests.evaluation.small_overview import add, results


def test_totals_are_over_all_cases_and_for_each_dataset(found: list[Entry]) -> None:
    names = ("dataset", "cases", "over best handcrafted", "behind best handcrafted", "over Prox-ED")
    names += ("behind Prox-ED", "runs", "diverged")
    assert [tuple(row[name] for name in names) for row in totals(found).rows] == [
        # over Prox-ED: 4.4 on the ring, 2 on the path, on the star at least 12.5
        ("all", "3", "2.0x", "1 of 3", "4.4x", "0 of 3", "7", "2"),
        ("lasso", "2", "1.3x", "1 of 2", ">8.4x", "0 of 2", "6", "2"),
        ("linear", "1", "2.0x", "0 of 1", "2.0x", "0 of 1", "1", "0"),
    ]
    assert totals(found).bold == (0,)
    assert [row["dataset"] for row in totals(found[:2]).rows] == ["all"]  # of the one there is


def test_totals_of_models_that_ran_on_different_datasets_have_the_same_columns(found: list[Entry]) -> None:
    elsewhere = [dataclasses.replace(e, model="theirs") for e in found if e.case == PATH]
    rows = totals([*found, *elsewhere]).rows
    assert [(row["model"], row["dataset"]) for row in rows[3:]] == [("theirs", "all"), ("theirs", "linear")]
    assert all(set(row) == set(rows[0]) for row in rows)
    without = [dataclasses.replace(e, model="alone", references={}) for e in found if e.case == PATH]
    rows = totals([*found, *without]).rows
    assert all(set(row) == set(rows[0]) for row in rows) and rows[-1]["behind Prox-ED"] == "0 of 0"


def test_cases_have_medians_and_percentiles(found: list[Entry]) -> None:
    ring, star, path = all_cases(found).rows
    assert ring == {
        **{"dataset": "lasso", "topology": "ring", "nodes": "10", "model": "ours", "rounds": "102.5 / 105"},
        **{"best handcrafted": "DAPG: 225 / 300", "Prox-ED": "450 / 500"},
        **{"over best handcrafted": "2.2x, 2 of 2", "over Prox-ED": "4.4x, 2 of 2", "diverged": "0 of 2"},
    }
    assert (star["rounds"], star["best handcrafted"], star["Prox-ED"]) == ("- / -!", "DAPG: 60 / 60", "- / -")
    assert (star["over best handcrafted"], star["over Prox-ED"]) == ("0.38x to 0.41x, 0 of 2", ">12.5x, 1 of 1")
    assert star["diverged"] == "1 of 2"
    assert path["best handcrafted"] == "Prox-ED: 100 / 100"
    assert [row["topology"] for row in worst_cases(found, 2).rows] == ["star", "path"]
    assert alone(found).rows == [
        {
            **{"dataset": "lasso", "topology": "ring", "nodes": "10", "model": "ours", "iterations": "1000"},
            **{"runs": "2", "diverged": "1", "largest final optimality gap": "1.0e-04"},
        }
    ]
    assert firsts(found) == ["First of the handcrafted methods: DAPG in 2, Prox-ED in 1 of 3 cases."]
    assert firsts(found[3:]) == []


def test_the_page_holds_the_tables_and_the_heat_map(found: list[Entry]) -> None:
    page = overview_page(found, "python evaluate.py --preset mine")
    for text in (
        *(
            "    python evaluate.py --preset mine\n",
            "to a relative optimality gap of 1e-4",
            "![ours](figures/overview.png)",
        ),
        *("| **ours** | **all** | **3** |", "## The cases where the model does worst", "## All cases"),
        *("## The model alone", "| lasso | ring | 10 | ours | 1000 | 2 | 1 | 1.0e-04 |"),
    ):
        assert text in page, text
    assert "The model alone" not in overview_page(found[:3], "")


def test_the_files_of_an_overview(found: list[Entry], tmp_path: Path) -> None:
    theirs = [dataclasses.replace(e, model="theirs") for e in found[:2]]
    save_overview([*found, *theirs], tmp_path, "a test")
    names = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    figures = [f"figures/{name}.{ending}" for name in ("overview", "overview_theirs") for ending in ("png", "svg")]
    assert names == [*figures, "overview.csv", "overview.md"]
    assert (tmp_path / "figures/overview.png").read_bytes().startswith(b"\x89PNG")
    svg = (tmp_path / "figures/overview_theirs.svg").read_text()
    assert xml.etree.ElementTree.fromstring(svg).tag.endswith("svg")
    assert "theirs: how many times fewer rounds to an optimality gap of 1e-4" in svg
    assert "(figures/overview_theirs.png)" in (tmp_path / "overview.md").read_text()


def test_the_values_can_be_read_by_a_machine(found: list[Entry], tmp_path: Path) -> None:
    save_overview(found, tmp_path, "a test")
    with (tmp_path / "overview.csv").open() as file:
        ring, star, _, horizon = csv.DictReader(file)
    ratio = {name: sum(values) / 2 for name, values in {"dapg": (1.5, 300 / 105), "prox_ed": (4, 500 / 105)}.items()}
    known = {
        **dict(run="small", dataset="lasso", topology="ring", nodes="10", model="ours", tolerance="0.0001"),
        **dict(iterations="1000", instances="2", diverged="0", final_gap="0.0001", best_handcrafted="dapg"),
        **dict(model_rounds="102.5", model_rounds_90="105", best_handcrafted_rounds="225.0"),
        **dict(best_handcrafted_rounds_90="300", prox_ed_rounds="450.0", prox_ed_rounds_90="500"),
        **dict(best_one_gradient="dapg", best_local_solves="", speedup_vs_best_local_solves_min=""),
        **{f"speedup_vs_best_handcrafted_{end}": str(ratio["dapg"]) for end in ("min", "max")},
        **{f"speedup_vs_prox_ed_{end}": str(ratio["prox_ed"]) for end in ("min", "max")},
        **dict(speedup_vs_prox_ed_faster="2", speedup_vs_prox_ed_pairs="2", speedup_vs_prox_ed_low=""),
    }
    assert {key: ring[key] for key in known} == known
    assert (star["model_rounds"], star["model_rounds_90"], star["diverged"]) == ("", "", "1")
    bounds = [float(star[f"speedup_vs_best_handcrafted_{end}"]) for end in ("min", "max")]
    assert bounds == pytest.approx([0.75 / 2, (0.75 + 0.06) / 2])
    assert (star["speedup_vs_prox_ed_min"], star["speedup_vs_prox_ed_max"]) == ("12.5", "")
    assert (horizon["run"], horizon["best_handcrafted_rounds"], horizon["speedup_vs_prox_ed_min"]) == (
        *("horizon", "", ""),
    )


def test_a_heat_map_that_cannot_be_drawn_is_not_shown(
    found: list[Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("too much")

    monkeypatch.setattr("gnn_l2o.evaluation.overview_report.draw_heat_map", broken)
    with pytest.warns(UserWarning, match="was left out"):
        save_overview(found, tmp_path, "a test")
    assert "![" not in (tmp_path / "overview.md").read_text(encoding="utf-8")


def test_the_best_of_each_class_has_columns_where_both_ran(found: list[Entry]) -> None:
    assert "over best of local solves" not in totals(found).rows[0]
    mixed = results(handcrafted=["prox_ed", "dapg", "admm"])
    mixed.methods["admm"] = {"label": "ADMM", "units": {}, "local_work": True}
    for case, admm in ((RING, 50), (STAR, None)):
        add(mixed, case, "ours", [100])
        add(mixed, case, "prox_ed", [400])
        if admm:
            add(mixed, case, "admm", [admm])
    made = entries(mixed)
    (row,) = totals(made).rows
    assert (row["over best handcrafted"], row["behind best handcrafted"]) == ("2.2x", "1 of 2")
    assert (row["over best of one gradient a round"], row["behind best of one gradient a round"]) == ("4.0x", "0 of 2")
    assert (row["over best of local solves"], row["behind best of local solves"]) == ("0.50x", "1 of 1")
    ring, star = all_cases(made).rows
    assert (ring["best of local solves"], star["best of local solves"]) == ("ADMM: 50 / 50", "-")
    assert "best of local solves" not in worst_cases(made, 2).rows[0]
    titles = [ax.get_title() for ax in draw_heat_map(made).axes]
    assert titles[1:3] == ["over the best of one gradient a round", "over the best of local solves"]
