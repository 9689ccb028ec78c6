"""Heartbeats of long runs: what they say, and when."""

import threading

import pytest

from gnn_l2o.cli.progress import LOGGER, Heartbeat


def test_heartbeats_say_how_much_time_is_left() -> None:
    heartbeat = Heartbeat()
    assert heartbeat.line(5) == "0 % done after 5 s: checking"
    heartbeat.tell("tuning dapg", 0.25)
    assert heartbeat.line(600) == "25 % done after 10 min, about 30 min left: tuning dapg"


def test_heartbeats_judge_the_time_left_without_preparations(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 700.0, 730.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    said: list[str] = []
    monkeypatch.setattr(LOGGER, "info", lambda _, line: said.append(line))
    heartbeat = Heartbeat()
    heartbeat.tell("drawing", 0.0)
    heartbeat.tell("training", 0.5)
    heartbeat.beat()
    assert said == ["50 % done after 30 s, about 30 s left: training"]


def test_heartbeats_go_on_during_a_long_step(monkeypatch: pytest.MonkeyPatch) -> None:
    said = threading.Event()
    monkeypatch.setattr(LOGGER, "info", lambda *_: said.set())
    with Heartbeat(period=0.001).running():
        assert said.wait(10)
