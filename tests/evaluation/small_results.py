"""Results of runs that nobody ran."""

from typing import Any

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.evaluation import Results, Run, Trace
from tests.evaluation.small_cases import RING

COSTS = tuple(vars(Cost()))


def made_up(
    algorithm: str, instance: int, rounds: int | None, *, diverged: bool = False, cost: int = 1, **chosen: Any
) -> Run:
    """Return a run that reaches a gap of 1e-4, and no less, after so many rounds; the worst node one round later."""
    last = (rounds or 100 * cost) // cost
    iterations = [0, 1, 2, last, last + 1]
    gap = [1.0, 0.9, 0.5, *[0.5 if rounds is None else 1e-4] * 2]
    worst = [1.0, 0.9, 0.5, 0.5, gap[-1]]
    if diverged:
        gap[3:] = [float("nan")] * 2
    spent = [Cost(rounds=cost * k, vectors=2 * cost * k, gradients=k + 1, proxes=k) for k in iterations]
    trace = Trace(
        iterations,
        {"optimality_gap": gap, "worst_node_gap": worst, "consensus_error": [0.0, 0.1, 0.2, 1e-4, 1e-4]},
        [0.0, 0.1, 0.2, 0.3, 0.4],
        spent,
        diverged,
    )
    return Run.from_trace(trace, Cost(cost, 2 * cost), algorithm=algorithm, case=RING, instance=instance, **chosen)


def empty(models: list[str], handcrafted: list[str], tuned: list[str] = []) -> Results:  # noqa: B006
    settings = {
        "models": dict.fromkeys(models, "0"),
        "handcrafted": handcrafted,
        "tuned": tuned,
        **dict(instances=3, iterations=100, dtype="float64", batch_size=None, mixing="metropolis"),
        **dict(tuning_instances=1, tuning_budget=4, tuning_tolerance=1e-4),
        "metrics": ["optimality_gap", "worst_node_gap", "consensus_error", "accuracy"],
    }
    return Results("a test", 0, settings)
