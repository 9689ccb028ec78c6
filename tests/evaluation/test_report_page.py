"""The page of an evaluation: what it says and holds, that it loads nothing, and that a browser shows it."""

import json
import logging
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gnn_l2o
from gnn_l2o.evaluation import Case, Plan, Results, experiment, opening
from gnn_l2o.evaluation.overview import Best, Entry
from gnn_l2o.evaluation.report_page import page as pages
from gnn_l2o.evaluation.report_page.case_data import curves, network, thinned, trials
from gnn_l2o.evaluation.report_page.heat_maps import colour, heat_maps
from gnn_l2o.evaluation.report_page.page import cases, data, page, to_json
from gnn_l2o.evaluation.report_page.verdict import times, verdict
from gnn_l2o.evaluation.speedups import Rounds, Speedup

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = "</script><script>alert(1)</script><img src=//evil onerror=alert(2)>"
SMALL = "lasso:features=6,samples=4"
TOLERANCES = (1e-4, 1e-6)
SCRIPTS = pages.library  # the real one, which tests do without elsewhere


def evaluated(**changes: Any) -> Results:
    settings: dict[str, Any] = dict(
        models=["milodo_local"], datasets=[SMALL], nodes=[4, 6], algorithms=["prox_ed", "dapg"], limits=["diameter"]
    )
    settings |= dict(instances=2, iterations=60, tuning_budget=4, tuning_instances=1)
    return gnn_l2o.evaluate(Plan(**{**settings, **changes}))


@pytest.fixture(scope="module")
def shared() -> Results:
    return evaluated()


@pytest.fixture
def results(shared: Results) -> Results:
    return Results(**{name: value for name, value in vars(shared).items() if not name.startswith("_")})


class Reader(HTMLParser):
    """Collects the tags of a page with their attributes, and the texts of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, text: str) -> None:
        if self.tags and self.tags[-1][0] == "script" and self.lasttag == "script" and text.strip():
            self.scripts.append(text)


def content_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    content: dict[str, Any] = json.loads(found[1])
    return content


def test_the_page_holds_every_case_and_algorithm(results: Results) -> None:
    text = page({"": results})
    content = content_of(text)
    assert list(content["cases"]) == ["case-0", "case-1"]
    for target, case in zip(content["cases"], results.cases, strict=True):
        labels = {results.label(name) for name in results.algorithms(case)}
        assert {curve["label"] for curve in content["cases"][target]["curves"]} == labels
        assert f'<option value="{target}">{case}</option>' in text
    assert set(content["charts"]) == {"curves", "trials", "network", "consensus"}
    assert all("layer" in chart and "$schema" not in chart for chart in content["charts"].values())
    assert results.command in text and f"torch {results.versions['torch']}" in text
    assert '<a href="#case-1"' in text  # of the heat map


def test_the_page_refers_to_nothing_outside(results: Results) -> None:
    text = page({"": results})
    for tag, attributes in Reader(text).tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), f"{tag} has {name}={attributes.get(name)}"
    assert not re.search(r"https?://|@import|url\(", text)
    assert "default-src 'none'" in text


def test_names_cannot_become_markup(results: Results) -> None:
    results.methods = {**results.methods, "prox_ed": {"label": HOSTILE, "units": {"step_size": "1/L"}}}
    results.command = f"python evaluate.py --dataset '{HOSTILE}'"
    results.sources = {HOSTILE: HOSTILE}
    for run in (runs := [r for r in results.runs if r.nodes == 4]):
        object.__setattr__(run, "dataset", HOSTILE)
    try:
        text = page({HOSTILE: results, "other": results})
    finally:
        for run in runs:
            object.__setattr__(run, "dataset", SMALL)
    reader = Reader(text)
    assert [tag for tag, _ in reader.tags].count("script") == 3
    assert "img" not in [tag for tag, _ in reader.tags]
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)
    assert HOSTILE not in text and "&lt;/script&gt;" in text
    assert HOSTILE in {curve["label"] for curve in content_of(text)["cases"]["case-0"]["curves"]}


def test_several_evaluations_share_a_page(results: Results) -> None:
    text = page({"one": results, "two": results})
    assert len(content_of(text)["cases"]) == 4
    assert f"two: {results.cases[0]}</option>" in text and "2 evaluations" in text


def test_json_in_a_script_cannot_end_it() -> None:
    assert "<" not in to_json([HOSTILE]) and json.loads(to_json([HOSTILE])) == [HOSTILE]


def test_curves_are_medians_and_ranges_over_the_instances(results: Results) -> None:
    case = results.cases[0]
    [ed] = [c for c in curves(results, case, TOLERANCES, 1000) if c["label"] == "Prox-ED"]
    traces = [run.trace for run in results.select(case, "prox_ed")]
    gaps = np.array([t["gap"] for t in traces])
    np.testing.assert_allclose(ed["y"]["gap"]["line"], gaps.mean(axis=0), rtol=6e-3)  # of two; three digits
    np.testing.assert_allclose(ed["y"]["gap"]["high"], gaps.max(axis=0), rtol=6e-3)
    assert ed["x"]["rounds"] == ed["x"]["iteration"] == traces[0]["iteration"]
    assert set(ed["x"]) == {"rounds", "iteration", "vectors", "total_gradients", "seconds"}  # it has no local solves


def test_models_and_references_lead_and_are_drawn_last(results: Results) -> None:
    drawn = curves(results, results.cases[0], TOLERANCES, 20)
    assert [c["lead"] for c in drawn] == sorted(c["lead"] for c in drawn)
    assert {c["label"]: c["lead"] for c in drawn}["diameter of the graph"] is False
    assert all(len(c["x"]["rounds"]) <= 21 for c in drawn)


def test_thinning_keeps_both_ends_and_is_dense_at_the_beginning() -> None:
    kept = thinned(500, 30)
    assert kept[:4] == [0, 1, 2, 3][: len(kept[:4])] and kept[-1] == 499 and len(kept) <= 31
    assert thinned(4, 30) == [0, 1, 2, 3]


def test_a_page_of_many_curves_has_fewer_points(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    def longest(content: dict[str, Any]) -> int:
        return max(len(curve["x"]["rounds"]) for curve in content["cases"]["case-0"]["curves"])

    few = data(cases({"": results}), TOLERANCES)
    monkeypatch.setattr(pages, "ALL_POINTS", 10)
    many = data(cases({"": results}), TOLERANCES)
    assert longest(few) == 61 and 10 < longest(many) <= 17


def test_the_distances_of_the_nodes_make_the_consensus_error(results: Results) -> None:
    case = results.cases[1]
    drawn = network(results, case, TOLERANCES, 1000)
    assert drawn is not None
    assert len(drawn["nodes"]) == 6 and len(drawn["links"]) == 6  # a ring
    assert {tuple(link) for link in drawn["links"]} == {(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5)}
    [ed] = [c for c in drawn["curves"] if c["label"] == "Prox-ED"]
    trace = results.select(case, "prox_ed")[0].trace
    for k, logs in zip(ed["iteration"][1:], ed["distance"][1:], strict=True):
        square = np.mean([10 ** (2 * v) for v in logs])
        np.testing.assert_allclose(math.sqrt(square), trace["consensus"][k], rtol=0.05)


def test_large_networks_are_not_drawn() -> None:
    large = evaluated(nodes=[41], models=[], algorithms=["prox_ed"], limits=[], instances=1, iterations=3)
    assert network(large, large.cases[0], TOLERANCES, 10) is None
    assert large.networks == [] and large.runs[0].node_distances == {}


def test_trials_say_what_came_of_each_setting(results: Results) -> None:
    entry = {
        "algorithm": "prox_ed",
        "case": results.cases[0]._asdict(),
        "setting": {"step_size": 0.5},
        "trials": [
            {"setting": {"step_size": 0.5}, "rounds": [10, 40], "optimality_gap": [1e-5, 1e-5], "stopped": False},
            {"setting": {"step_size": 0.1}, "rounds": [10, None], "optimality_gap": [1e-5, 1e-2], "stopped": True},
            {"setting": {"step_size": 0.2}, "rounds": [10, None], "optimality_gap": [1e-5, 1e-2], "stopped": False},
            {"setting": {"step_size": 9.0}, "rounds": [10, None], "optimality_gap": [1e-5, None], "stopped": False},
        ],
        "warnings": [],
    }
    results.tuning = [entry]
    [found] = trials(results, results.cases[0], TOLERANCES)
    assert found["label"] == "Prox-ED" and found["parameters"] == {"step_size": "step_size [/L]"}
    assert [t["outcome"] for t in found["trials"]] == [
        *("reached the tolerance", "stopped, much slower", "did not reach it", "diverged")
    ]
    assert [t["rounds"] for t in found["trials"]] == [pytest.approx(20), None, None, None]
    assert [t["chosen"] for t in found["trials"]] == [True, False, False, False]


def entry(model: float, best: float, topology: str = "ring", diverged: int = 0) -> Entry:
    rounds = [Rounds({0: value}, 1000.0) for value in (model, best)]
    case = Case("lasso", topology, 10)
    return Entry("", case, "ours", 1000, 1e-4, 1, diverged, 1e-9, rounds[0], Best("admm", rounds[1]))


def test_the_verdict_is_a_sentence() -> None:
    found = [entry(10, 20), entry(10, 30, "star"), entry(20, 10, "path", diverged=1)]
    assert verdict({}, found) == [
        "ours needs 2.0 times fewer rounds than the best tuned handcrafted method to a relative optimality gap of 1e-4"
        " (the median over 3 cases, faster in 2 of them).",
        "1 of the 3 runs of ours diverged.",
    ]


def test_of_one_case_the_verdict_says_the_rounds() -> None:
    assert verdict({}, [entry(97, 96.5)]) == [
        "ours needs 97 communication rounds to a relative optimality gap of 1e-4, the best tuned handcrafted method"
        " (admm) 96.5."
    ]
    assert verdict({}, [entry(math.inf, 20)]) == [
        "ours needs over 50.0 times as many rounds as the best tuned handcrafted method to a relative optimality gap of"
        " 1e-4 (one case)."
    ]


def test_where_signals_are_recovered_the_verdict_is_their_error() -> None:
    results = gnn_l2o.evaluate(
        ["lista_cpss", "alista"],
        datasets=["sparse_recovery"],
        topologies=["complete"],
        nodes=[1],
        algorithms=(),
        limits=["recovery_ista"],
        metrics=["nmse_db"],
        instances=1,
        iterations=16,
    )
    [sentence] = verdict({"": results}, [])
    (case,) = results.cases
    errors = [results.final(case, name, "nmse_db") for name in ("lista_cpss", "alista", "recovery_ista")]
    assert None not in errors
    listed = [float(number) for number in re.findall(r"(-\d+\.\d) dB", sentence)]
    assert listed == sorted(round(error, 1) for error in errors if error is not None)
    assert sentence.startswith("sparse_recovery, complete, 1 node: the lowest errors at the end")


def test_without_a_model_the_verdict_names_the_fastest_method(results: Results) -> None:
    [sentence] = verdict({"": results}, [])
    assert re.fullmatch(r"The handcrafted method with the fewest communication rounds: .* of 2 cases\.", sentence)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (1.0, 1.0, "as many rounds as"),
        (0.5, 0.5, "2.0 times as many rounds as"),
        (3.0, math.inf, "over 3.0 times fewer rounds than"),
        (0.5, math.inf, "at most 2.0 times as many rounds as"),
        (0.0, 0.25, "over 4.0 times as many rounds as"),
        (0.0, 2.0, "at best 2.0 times fewer rounds than"),
        (1.5, 2.5, "1.5 to 2.5 times fewer rounds than"),
        (0.25, 0.5, "2.0 to 4.0 times as many rounds as"),
        (0.0, math.inf, "an unknown multiple of the rounds of"),
    ],
)
def test_speed_ups_and_bounds_are_said_in_words(low: float, high: float, words: str) -> None:
    assert times(Speedup(low, high)) == words


def test_squares_of_a_heat_map_open_their_cases() -> None:
    found = [entry(10, 20), entry(20, 10, "star", diverged=1)]
    [drawn] = heat_maps(found, {("", e.case): f"case-{k}" for k, e in enumerate(found)})
    assert drawn.columns == ["lasso"] and [label for label, _ in drawn.rows] == ["ring, 10", "star, 10"]
    faster, slower = (squares[0] for _, squares in drawn.rows)
    assert faster is not None and slower is not None
    assert (faster.text, faster.target, faster.is_bound) == ("2.0x", "case-0", False)
    assert (slower.text, slower.target, slower.is_bound) == ("0.50x!", "case-1", True)
    assert (faster.colour, slower.colour) == (colour(1.0), colour(-1.0))
    assert heat_maps(found[:1], {("", found[0].case): "case-0"}) == []


def test_evaluations_write_the_page_or_say_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plan = Plan(datasets=[SMALL], nodes=[4], algorithms=["prox_ed"], limits=[], instances=1, iterations=5)
    monkeypatch.setattr(experiment, "save_figures", lambda *_, **__: None)
    gnn_l2o.evaluate(plan, output=tmp_path / "with")
    assert "case-0" in (tmp_path / "with/report.html").read_text()
    assert "missing" not in caplog.text
    for module in (experiment, opening):
        monkeypatch.setattr(module, "missing", lambda: ["altair"])
    with caplog.at_level(logging.WARNING):
        gnn_l2o.evaluate(plan, output=tmp_path / "without")
    assert "report.html needs altair; pip install 'gnn-l2o[report]' installs it" in caplog.text
    assert not (tmp_path / "without/report.html").exists() and (tmp_path / "without/report.md").exists()


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_shows_the_page(results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = pytest.importorskip("PIL.Image")
    monkeypatch.setattr(pages, "library", SCRIPTS)
    file, shot, requests = tmp_path / "report.html", tmp_path / "shot.png", tmp_path / "net.json"
    pages.save_page({"": results}, file)
    assert file.stat().st_size < 4e6

    def browse(*flags: str) -> subprocess.CompletedProcess[str]:
        always = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,2400", "--enable-logging=stderr"]
        always += ["--disable-background-networking", "--virtual-time-budget=20000", f"--log-net-log={requests}"]
        always += [f"--user-data-dir={tmp_path / 'profile'}"]
        address = f"{file.as_uri()}#case-1"
        return subprocess.run([str(CHROMIUM), *always, *flags, address], capture_output=True, text=True, timeout=120)

    done = browse("--dump-dom")
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert '<html lang="en" data-ready="yes">' in done.stdout
    assert len(re.findall(r'<svg[^>]*class="marks"', done.stdout)) == 4  # a chart in each of its places
    assert re.search(r'<a href="#case-1"[^>]*class="current"', done.stdout)
    sent = [line for line in requests.read_text().splitlines() if re.search(r'"url":"(https?|wss?)://', line)]
    assert not [line for line in sent if '"initiator":"null"' in line]  # by the page; others are by the browser itself
    browse(f"--screenshot={shot}")
    with image.open(shot) as picture:
        colours = picture.convert("RGB").getcolors(maxcolors=2**24)
    assert len(colours) > 500  # anti-aliased lines, letters and bands
    assert dict((rgb, count) for count, rgb in colours).get((0, 114, 178), 0) > 100  # the line of Prox-ED
