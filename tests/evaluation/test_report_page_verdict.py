"""The sentences at the top of a page, and the heat maps below them."""

import math
import re

import pytest

import gnn_l2o
from gnn_l2o.evaluation import Case, Results
from gnn_l2o.evaluation.overview import Best, Entry
from gnn_l2o.evaluation.report_page.heat_maps import colour, heat_maps
from gnn_l2o.evaluation.report_page.verdict import times, verdict
from gnn_l2o.evaluation.speedups import Rounds, Speedup


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


def test_without_a_model_the_verdict_names_the_fastest_method(evaluated: Results) -> None:
    [sentence] = verdict({"": evaluated}, [])
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
