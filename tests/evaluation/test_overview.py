"""Several evaluations together: percentiles, bounds where runs ended too early, and totals."""

import dataclasses
import math

import pytest

from gnn_l2o.evaluation.overview import Best, entries, is_worthwhile
from gnn_l2o.evaluation.speedups import Paired, Rounds, Speedup
from gnn_l2o.evaluation.totals import total, worst
from tests.evaluation.small_cases import PATH, RING, STAR
from tests.evaluation.small_overview import HORIZON, NEVER, add, entry, results


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
