from typing import Any

import pytest

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.evaluation import Results, Run, Trace
from gnn_l2o.evaluation.front import FAMILY
from gnn_l2o.evaluation.overview import Entry, entries
from tests.evaluation import small_overview, small_page
from tests.evaluation.small_cases import PATH, RING, STAR
from tests.evaluation.small_overview import add
from tests.evaluation.small_results import empty, made_up


def made(
    algorithm: str,
    number: int,
    rounds: int | None,
    *,
    gradients: int = 1,
    solve_gradients: int = 0,
    diverged: bool = False,
    setup: int | None = None,
) -> Run:
    """Return a run that reaches a gap of 1e-7 after so many rounds, the gradients an iteration given."""
    last = rounds or 100
    iterations, gap = [0, 1, last, last + 1], [1.0, 0.9, *[0.5 if rounds is None else 1e-7] * 2]
    each = Cost(rounds=1, vectors=1, gradients=gradients, solve_gradients=solve_gradients)
    spent = [each * k for k in iterations]
    measures = {"optimality_gap": gap, "worst_node_gap": [1.0, 0.95, 0.6, gap[-1]]}
    trace = Trace(iterations, measures, [0.0, 0.1, 0.2, 0.3], spent, diverged)
    run = Run.from_trace(trace, Cost(1, 1), algorithm=algorithm, case=RING, instance=number)
    run_with_setup = {**vars(run), "setup_rounds": setup}
    return Run(**run_with_setup)


@pytest.fixture
def results() -> Results:
    """Five instances of a case, with methods of one gradient a round, local solves and limits."""
    settings: dict[str, Any] = {
        "models": {"ours": "0"},
        "handcrafted": ["prox_ed", "nids", *FAMILY, "late"],
        "tuned": [],
        **dict(instances=5, iterations=1000, dtype="float64", batch_size=None, mixing="metropolis"),
        **dict(tuning_instances=1, tuning_budget=4, tuning_tolerance=1e-4),
        "metrics": ["optimality_gap", "worst_node_gap"],
    }
    found = Results("a test", 0, {**settings, "limits": ["diameter", "fista"]})
    found.methods |= {
        "admm": {"label": "ADMM", "units": {}, "local_work": True},
        **{name: {"label": name, "units": {}, "local_work": True} for name in ("admm_4", "admm_16")},
        "fista": {"label": "limit: fista", "units": {}, "local_work": False},
    }
    for k, factor in enumerate((10, 12, 8, 11, 9)):
        found.runs += [
            made("ours", k, 6 * factor, setup=3),
            made("prox_ed", k, 24 * factor),
            made("nids", k, 18 * factor + 40 * (k == 0)),
            made("inexact_admm", k, 20 * factor),
            made("admm_4", k, 10 * factor, gradients=4),
            made("admm_16", k, 5 * factor, gradients=16),
            made("admm", k, 4 * factor, gradients=0, solve_gradients=40),
            made("late", k, None, diverged=k == 1),
            made("diameter", k, 5, gradients=0),
            made("fista", k, factor),
        ]
    return found


@pytest.fixture
def found() -> list[Entry]:
    """The entries of three evaluations together."""
    small, large = small_overview.results(), small_overview.results()
    add(small, RING, "prox_ed", [400, 500])
    add(small, RING, "dapg", [150, 300], each=3)
    add(small, RING, "ours", [100, 105])
    add(small, STAR, "prox_ed", [None, None])
    add(small, STAR, "dapg", [60, 60], each=3)
    add(small, STAR, "ours", [80, -10])
    add(large, PATH, "prox_ed", [100])
    add(large, PATH, "ours", [50])
    horizon = small_overview.results(handcrafted=[])
    add(horizon, RING, "ours", [5, -10])
    return [*entries(small, "small"), *entries(large, "large"), *entries(horizon, "horizon")]


@pytest.fixture
def compared() -> Results:
    """A model, Prox-ED and Prox-DGD on three instances; the model arrives on two, and one run diverges."""
    found = empty(["ours"], ["prox_dgd", "prox_ed"])
    for k, (ours, ed, dgd) in enumerate([(100, 400, 900), (120, 300, 800), (None, 500, None)]):
        found.runs += [made_up("prox_dgd", k, dgd, diverged=dgd is None), made_up("prox_ed", k, ed, cost=2)]
        found.runs.append(made_up("ours", k, ours))
    return found


@pytest.fixture(scope="session")
def evaluated_once() -> Results:
    return small_page.results()


@pytest.fixture
def evaluated(evaluated_once: Results) -> Results:
    """Results to show on a page, which a test may change."""
    return Results(**{name: value for name, value in vars(evaluated_once).items() if not name.startswith("_")})
