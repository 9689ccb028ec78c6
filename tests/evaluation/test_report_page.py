"""The page of an evaluation: what it says and holds, that it loads nothing, and that a browser shows it."""

import dataclasses
import json
import logging
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import gnn_l2o
from gnn_l2o.evaluation import Plan, Results, experiment, opening
from gnn_l2o.evaluation.report_page import page as pages
from gnn_l2o.evaluation.report_page.case_data import network
from gnn_l2o.evaluation.report_page.page import page, to_json
from tests.evaluation.small_cases import SMALL

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = "</script><script>alert(1)</script><img src=//evil onerror=alert(2)>"
SCRIPTS = pages.library  # the real one, which tests do without elsewhere


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


def test_the_page_holds_every_case_and_algorithm(evaluated: Results) -> None:
    text = page({"": evaluated})
    content = content_of(text)
    assert list(content["cases"]) == ["case-0", "case-1"]
    for target, case in zip(content["cases"], evaluated.cases, strict=True):
        labels = {evaluated.label(name) for name in evaluated.algorithms(case)}
        assert {curve["label"] for curve in content["cases"][target]["curves"]} == labels
        assert f'<option value="{target}">{case}</option>' in text
    assert set(content["charts"]) == {"curves", "trials", "network", "consensus"}
    assert all("layer" in chart and "$schema" not in chart for chart in content["charts"].values())
    assert evaluated.command in text and f"torch {evaluated.versions['torch']}" in text
    assert '<a href="#case-1"' in text  # of the heat map


def test_a_network_of_one_node_is_not_drawn(evaluated: Results) -> None:
    case = evaluated.cases[0]
    assert network(evaluated, case, (1e-4,), 5) is not None
    lone = case._replace(nodes=1)
    found = dataclasses.replace(evaluated, networks=[{"case": lone._asdict(), "links": []}])
    assert network(found, lone, (1e-4,), 5) is None


def test_the_page_refers_to_nothing_outside(evaluated: Results) -> None:
    text = page({"": evaluated})
    for tag, attributes in Reader(text).tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), f"{tag} has {name}={attributes.get(name)}"
    assert not re.search(r"https?://|@import|url\(", text)
    assert "default-src 'none'" in text


def test_names_cannot_become_markup(evaluated: Results) -> None:
    evaluated.methods = {**evaluated.methods, "prox_ed": {"label": HOSTILE, "units": {"step_size": "1/L"}}}
    evaluated.command = f"python evaluate.py --dataset '{HOSTILE}'"
    evaluated.sources = {HOSTILE: HOSTILE}
    for run in (runs := [r for r in evaluated.runs if r.nodes == 4]):
        object.__setattr__(run, "dataset", HOSTILE)
    try:
        text = page({HOSTILE: evaluated, "other": evaluated})
    finally:
        for run in runs:
            object.__setattr__(run, "dataset", SMALL)
    reader = Reader(text)
    assert [tag for tag, _ in reader.tags].count("script") == 3
    assert "img" not in [tag for tag, _ in reader.tags]
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)
    assert HOSTILE not in text and "&lt;/script&gt;" in text
    assert HOSTILE in {curve["label"] for curve in content_of(text)["cases"]["case-0"]["curves"]}


def test_several_evaluations_share_a_page(evaluated: Results) -> None:
    text = page({"one": evaluated, "two": evaluated})
    assert len(content_of(text)["cases"]) == 4
    assert f"two: {evaluated.cases[0]}</option>" in text and "2 evaluations" in text


def test_json_in_a_script_cannot_end_it() -> None:
    assert "<" not in to_json([HOSTILE]) and json.loads(to_json([HOSTILE])) == [HOSTILE]


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
def test_a_browser_shows_the_page(evaluated: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = pytest.importorskip("PIL.Image")
    monkeypatch.setattr(pages, "library", SCRIPTS)
    value = {"label": "Ours", "value": 0.01, "metric": "optimality_gap", "iteration": 20, "source": "a paper"}
    evaluated.published = [{**value, "datasets": [SMALL], "nodes": [6]}]
    file, shot, requests = tmp_path / "report.html", tmp_path / "shot.png", tmp_path / "net.json"
    pages.save_page({"": evaluated}, file)
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
    assert re.search(r"<span[^>]*>Ours, published: 0\.01 after 20 iterations</span>", done.stdout)
    assert "stroke-dasharray" in done.stdout
    sent = [line for line in requests.read_text().splitlines() if re.search(r'"url":"(https?|wss?)://', line)]
    assert not [line for line in sent if '"initiator":"null"' in line]  # by the page; others are by the browser itself
    browse(f"--screenshot={shot}")
    with image.open(shot) as picture:
        colours = picture.convert("RGB").getcolors(maxcolors=2**24)
    assert len(colours) > 500  # anti-aliased lines, letters and bands
    assert dict((rgb, count) for count, rgb in colours).get((0, 114, 178), 0) > 100  # the line of Prox-ED
