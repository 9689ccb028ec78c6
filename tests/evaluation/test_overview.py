"""Several evaluations together: percentiles, bounds where runs ended too early, tables, heat maps."""

import csv
import dataclasses
import math
import xml.etree.ElementTree
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.evaluation import Results, Run, Trace
from gnn_l2o.evaluation.heat_map import COLOURS, draw_heat_map
from gnn_l2o.evaluation.overview import Best, Entry, entries, is_worthwhile
from gnn_l2o.evaluation.overview_report import (
    all_cases,
    alone,
    firsts,
    overview_page,
    save_overview,
    totals,
    worst_cases,
)
from gnn_l2o.evaluation.record import Case
from gnn_l2o.evaluation.speedups import Paired, Rounds, Speedup
from gnn_l2o.evaluation.totals import total, worst

RING, STAR, PATH = Case("lasso", "ring", 10), Case("lasso", "star", 10), Case("linear", "path", 50)
NEVER = math.inf
HORIZON = 1000  # iterations


def results(*models: str, handcrafted: Sequence[str] = ("prox_ed", "dapg")) -> Results:
    names = {"models": dict.fromkeys(models or ("ours",), "0"), "handcrafted": list(handcrafted), "tuned": ["ruled"]}
    return Results("a test", 0, {**names, "iterations": HORIZON, "tuning_tolerance": 1e-4})


def add(found: Results, case: Case, algorithm: str, rounds: Sequence[int | None], *, each: int = 1) -> None:
    """Add an instance for each of these rounds to a gap of 1e-4: ``None`` for never, negative for divergence there."""
    for number, spent in enumerate(rounds):
        last, gap = (HORIZON, 2e-4) if spent is None else (abs(spent) // each, 1e-4 if spent > 0 else math.nan)
        costs = [Cost(0), Cost(each * last)]
        trace = Trace([0, last], {"optimality_gap": [1.0, gap]}, [0.0, 1.0], costs, diverged=math.isnan(gap))
        found.runs.append(Run.from_trace(trace, Cost(each, each), algorithm=algorithm, case=case, instance=number))


def entry(model: float, best: float | None, prox_ed: float | None = None, **changes: object) -> Entry:
    """Return an entry with these medians."""

    def rounds(median: float | None) -> Rounds | None:
        return None if median is None else Rounds({0: median}, HORIZON)

    name = "prox_ed" if best not in (None, NEVER) else None
    made = Entry("", RING, "ours", HORIZON, 1e-4, 3, 0, 1e-9, Rounds({0: model}, HORIZON), Best(name, rounds(best)))
    references = {"prox_ed": rounds(prox_ed)}
    made = dataclasses.replace(made, references=references, labels={"prox_ed": "Prox-ED"})
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


# --- entries


@pytest.mark.parametrize(
    ("rounds", "median", "percentile"),
    [
        ([70], 70, 70),
        ([50, 10, 30, 20, 40], 30, 50),  # nine tenths of five are four and a half: the slowest
        ([100, 20, 30, 40, 50, 60, 70, 80, 90, 10], 55, 90),
        ([None, 20, 30, 40, 50, 60, 70, 80, 90, 10], 55, 90),  # one of ten may never get there
        ([None, 20, 30], 30, NEVER),
        ([None, None, 30], NEVER, NEVER),
        ([-5, 20, 30], 30, NEVER),  # nor does one that diverged
    ],
)
def test_medians_and_percentiles_are_over_the_instances(
    rounds: list[int | None], median: float, percentile: float
) -> None:
    found = results()
    add(found, RING, "ours", rounds)
    (made,) = entries(found)
    assert (made.rounds.median, made.rounds.percentile90) == (median, percentile)
    assert made.instances == len(rounds)


def test_an_entry_has_the_best_handcrafted_method_and_prox_ed() -> None:
    found = results()
    add(found, RING, "prox_ed", [400, 600, 500])
    add(found, RING, "dapg", [300, 330, 390], each=3)
    add(found, RING, "ruled", [1, 1, 1])  # tuned constants are no handcrafted method
    add(found, RING, "ours", [100, 110, -50])
    (made,) = entries(found, "small")
    assert (made.run, made.case, made.model, made.iterations) == ("small", RING, "ours", HORIZON)
    assert made.best == made.classes["one_gradient"] == Best("dapg", Rounds({0: 300, 1: 330, 2: 390}, 3 * HORIZON))
    assert made.classes["local_solves"] == Best(None, None)
    assert made.references["prox_ed"] == Rounds({0: 400, 1: 600, 2: 500}, HORIZON)
    assert made.rounds == Rounds({0: 100, 1: 110, 2: NEVER}, HORIZON)
    assert (made.instances, made.diverged) == (3, 1)
    assert made.final_gap == 1e-4  # of those that did not diverge
    assert made.over_best == Speedup(3.0, 3.0)  # 3, 3, and at most 0.39
    assert made.over("prox_ed") == Speedup(4.0, 4.0)  # 4, 60 / 11, and at most 0.5


def test_where_no_method_gets_there_the_shortest_horizon_is_the_bound() -> None:
    found = results()
    add(found, RING, "dapg", [None, 90, None], each=3)
    add(found, RING, "prox_ed", [None, None, None])
    add(found, RING, "ours", [100, 100, 200])
    (made,) = entries(found)
    assert made.best.name is None
    assert made.over_best == made.over("prox_ed") == Speedup(HORIZON / 100, math.inf)  # 10, 10 and 5 at least


def test_who_did_not_run_has_no_speed_up() -> None:
    found = results("ours", "theirs", handcrafted=["dapg"])
    add(found, RING, "ours", [100])
    add(found, STAR, "ours", [100])
    add(found, STAR, "theirs", [50])
    add(found, STAR, "dapg", [200])
    alone_, ours, theirs = entries(found)
    assert (alone_.over_best, alone_.over("prox_ed")) == (None, None)
    assert (ours.over_best, ours.over("prox_ed")) == (Speedup(2, 2), None)
    assert (theirs.model, theirs.over_best) == ("theirs", Speedup(4, 4))


@pytest.mark.parametrize(
    ("model", "other", "speedup", "text", "is_behind"),
    [
        (100, 150, (1.5, 1.5), "1.5x", False),
        (100, 80, (0.8, 0.8), "0.80x", True),
        (100, 100, (1, 1), "1.0x", False),
        (100, NEVER, (10, math.inf), ">10.0x", False),
        (NEVER, 50, (0, 0.05), "<0.05x", True),
        (NEVER, 2000, (0, 2), "<2.0x", True),  # the other got there, in more rounds than the model had
        (NEVER, NEVER, (0, math.inf), "-", False),
        (0, 0, (1, 1), "1.0x", False),
        (0, 4, (4, 4), "4.0x", False),
        (1, 250, (250, 250), "250x", False),
    ],
)
def test_a_speed_up_is_bounded_where_runs_end_too_early(
    model: float, other: float, speedup: tuple[float, float], text: str, is_behind: bool
) -> None:
    found = Paired.of(Rounds({0: model}, HORIZON), Rounds({0: other}, HORIZON)).speedup
    assert (found.min, found.max) == speedup
    assert str(found) == text
    assert found.is_behind == is_behind
    assert found.is_exact == (speedup[0] == speedup[1])


# --- over the cases


def test_totals_are_medians_and_counts_over_the_cases() -> None:
    found = [
        entry(100, 50, 200, diverged=1),
        entry(100, 300, NEVER),  # 3x, >10x
        entry(100, 400, 900),
        entry(100, None, None, instances=2, diverged=2),  # alone
        entry(NEVER, 700, NEVER),  # <0.7x, nobody
    ]
    over = total(found)
    assert (over.best.cases, over.best.behind, over.references["prox_ed"].behind) == (4, 2, 0)
    assert (over.runs, over.diverged) == (14, 3)
    # Over the best: 0.5, 3, 4 and at most 0.7. The median is in the middle of the second and the third.
    assert over.best.speedup == Speedup((0.5 + 3) / 2, (0.7 + 3) / 2)
    assert str(over.best.speedup) == "1.8x to 1.9x"
    # Over Prox-ED: 2, at min 10, 9 and anything.
    assert over.references["prox_ed"].speedup == Speedup((2 + 9) / 2, math.inf)
    assert str(over.references["prox_ed"].speedup) == ">5.5x"
    assert total(found[3:4]).best.speedup is None


def test_a_median_that_no_bound_can_move_is_exact() -> None:
    assert total([entry(100, 200), entry(100, 300), entry(100, NEVER)]).best.speedup == Speedup(3, 3)


def test_the_worst_cases_come_first() -> None:
    found = [entry(100, 400), entry(100, 50), entry(NEVER, 100), entry(NEVER, NEVER), entry(1, None), entry(100, 300)]
    assert worst(found, 3) == [found[2], found[1], found[5]]
    assert worst(found, 9) == [found[2], found[1], found[5], found[0]]


def test_an_overview_is_of_several_cases() -> None:
    one, other, by_itself = entry(1, 2), entry(1, 2, case=STAR), entry(1, None, case=PATH)
    assert not is_worthwhile([one, by_itself])
    assert not is_worthwhile([one, dataclasses.replace(one, model="theirs")])
    assert is_worthwhile([one, other])
    assert is_worthwhile([one, entry(1, 2, run="again")])


# --- tables and files


@pytest.fixture
def found() -> list[Entry]:
    small, large = results(), results()
    add(small, RING, "prox_ed", [400, 500])
    add(small, RING, "dapg", [150, 300], each=3)
    add(small, RING, "ours", [100, 105])
    add(small, STAR, "prox_ed", [None, None])
    add(small, STAR, "dapg", [60, 60], each=3)
    add(small, STAR, "ours", [80, -10])
    add(large, PATH, "prox_ed", [100])
    add(large, PATH, "ours", [50])
    horizon = results(handcrafted=[])
    add(horizon, RING, "ours", [5, -10])
    return [*entries(small, "small"), *entries(large, "large"), *entries(horizon, "horizon")]


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


# --- heat maps


def texts(ax: Axes) -> dict[tuple[str, str], str]:
    """Return what is written in the cases of a panel, by the labels of row and column."""
    first = ax.figure.axes[0]  # the other panel has the same rows, and no labels
    columns, rows = ([label.get_text() for label in axis.get_ticklabels()] for axis in (ax.xaxis, first.yaxis))
    places = ((text.get_position(), text.get_text()) for text in ax.texts)
    return {(rows[int(y)], columns[int(x)]): text for (x, y), text in places}


def hatched(ax: Axes) -> set[tuple[int, int]]:
    """Return rows and columns of the hatched cases of a panel."""
    patches = [patch for patch in ax.patches if isinstance(patch, Rectangle) and patch.get_hatch()]
    return {(round(patch.get_y() + 0.5), round(patch.get_x() + 0.5)) for patch in patches}


def test_a_heat_map_has_the_speed_ups_in_their_cases(found: list[Entry]) -> None:
    best, prox_ed, *_ = draw_heat_map(found).axes
    assert best.get_title() == "over the best tuned handcrafted method"
    assert prox_ed.get_title() == "over tuned Prox-ED"
    assert texts(best) == {
        ("ring, 10", "lasso"): "2.2",
        ("star, 10", "lasso"): "0.38x to 0.41!",
        ("path, 50", "linear"): "2.0",
    }
    assert list(texts(prox_ed).values()) == ["4.4", ">12.5!", "2.0"]
    assert hatched(best) == hatched(prox_ed) == {(1, 0)}
    colours = prox_ed.images[0].get_array()
    assert colours is not None
    np.testing.assert_allclose(colours.filled(0), [[math.log2((4 + 500 / 105) / 2), 0], [math.log2(12.5), 0], [0, 1]])
    assert colours.mask.tolist() == [[False, True], [False, True], [True, False]]
    assert best.images[0].get_clim() == prox_ed.images[0].get_clim() == (-math.log2(12.5), math.log2(12.5))


def test_the_colours_are_centred_at_one_and_end_somewhere() -> None:
    cases = [entry(1, 1), entry(1, 200, case=STAR), entry(100, 105, case=PATH)]
    ax = draw_heat_map(cases).axes[0]
    image = ax.images[0]
    assert image.get_clim() == (-5, 5)
    white, strong, _ = (to_hex(image.cmap(image.norm(value))) for value in (0.0, math.log2(200), 0.0))
    assert white == to_hex(mpl.colormaps[COLOURS](0.5))
    assert strong == to_hex(mpl.colormaps[COLOURS](1.0))
    assert [text.get_color() for text in ax.texts] == ["black", "white", "black"]
    faint = draw_heat_map([cases[0], cases[2]])
    assert faint.axes[0].images[0].get_clim() == (-1, 1)
    assert [label.get_text() for label in faint.axes[-1].xaxis.get_ticklabels()] == ["1/2x", "1x", "2x"]


def test_bounds_are_hatched() -> None:
    cases = [entry(1, 2), entry(1, NEVER, case=STAR), entry(NEVER, 1, case=PATH), entry(1, 4, case=Case("x", "x", 1))]
    ax = draw_heat_map(cases).axes[0]
    assert list(texts(ax).values()) == ["2.0", ">1000", "<0.00", "4.0"]
    assert hatched(ax) == {(1, 0), (2, 1)}


def test_rows_are_sorted_by_size_within_a_topology() -> None:
    cases = [Case("a", "star", 50), Case("a", "ring", 100), Case("b", "ring", 9), Case("a", "star", 10)]
    ax = draw_heat_map([entry(1, 2, case=case) for case in cases]).axes[0]
    labels = [label.get_text() for label in ax.yaxis.get_ticklabels()]
    assert labels == ["star, 10", "star, 50", "ring, 9", "ring, 100"]
    assert texts(ax).keys() == {(f"{case.topology}, {case.nodes}", case.dataset) for case in cases}


def test_the_same_cell_in_two_runs_has_two_columns() -> None:
    cases = [entry(1, 2, run="metropolis"), entry(1, 3, run="fastest"), entry(1, 4, run="fastest", case=PATH)]
    ax = draw_heat_map(cases).axes[0]
    assert texts(ax) == {
        ("ring, 10", "lasso\nmetropolis"): "2.0",
        ("ring, 10", "lasso\nfastest"): "3.0",
        ("path, 50", "linear"): "4.0",
    }


def test_without_prox_ed_there_is_one_panel() -> None:
    panel, _ = draw_heat_map([entry(1, 2), entry(1, 2, case=STAR)]).axes  # and the colour bar
    assert panel.get_title() == "over the best tuned handcrafted method"
