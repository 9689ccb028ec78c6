"""What an evaluation found, in a sentence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gnn_l2o.evaluation.comparison import fastest
from gnn_l2o.evaluation.overview import Entry, tolerances
from gnn_l2o.evaluation.record import CLASSES
from gnn_l2o.evaluation.recovery_metrics import NMSEInDecibels
from gnn_l2o.evaluation.results import Results
from gnn_l2o.evaluation.speedups import Speedup, spelled
from gnn_l2o.evaluation.tables import count, gaps
from gnn_l2o.evaluation.totals import total

NMSE_IN_DECIBELS = NMSEInDecibels.name
NEAREST = 4  # so many algorithms are named


def verdict(runs: Mapping[str, Results], entries: Sequence[Entry]) -> list[str]:
    """Return sentences for each model that stands beside handcrafted methods, or one for the methods alone.

    Where the error of estimates was measured, as in sparse recovery, there is one for each case instead: what estimates
    does not minimize F, so that its rounds to an optimality gap say nothing.

    Args:
        runs: evaluations by name.
        entries: what they found of models.
    """
    estimates = [line for results in runs.values() for line in _of_estimates(results)]
    if estimates:
        return estimates
    beside = [entry for entry in entries if entry.over_best is not None]
    models = list(dict.fromkeys(entry.model for entry in beside))
    if models:
        return [line for model in models for line in _of_model([e for e in beside if e.model == model])]
    return [_of_methods(runs.values())]


def _of_estimates(results: Results) -> Iterator[str]:
    """Yield of every case what ends nearest to the true signal; nothing where that was not measured."""
    for case in results.cases:
        found = {name: results.final(case, name, NMSE_IN_DECIBELS) for name in results.algorithms(case)}
        errors = sorted((error, name) for name, error in found.items() if error is not None)
        if errors:
            best = ", ".join(f"{results.label(name)} {error:.1f} dB" for error, name in errors[:NEAREST])
            yield f"{case}: the lowest errors at the end (NMSE, means over the instances): {best}."


def _of_model(entries: Sequence[Entry]) -> list[str]:
    name, over = entries[0].model, total(entries)
    classes = [
        f"{times(comparison.speedup)} the best of those with {CLASSES[key]}"
        for key, comparison in over.classes.items()
        if comparison.speedup is not None
    ]
    beside = [f"{name} needs {' and '.join(classes)}."] if classes else []
    diverged = [f"{over.diverged} of the {over.runs} runs of {name} diverged."] if over.diverged else []
    return [_beside_the_best(entries, over.best.speedup), *beside, *diverged]


def _beside_the_best(entries: Sequence[Entry], speedup: Speedup | None) -> str:
    """Return how a model does beside the best handcrafted methods: its rounds in one case, else the median ratio."""
    assert speedup is not None  # every entry has one
    first = entries[0]
    goal = f"to a relative optimality gap of {gaps(tolerances(entries))}"
    medians = [first.rounds.median, first.best.rounds.median if first.best.rounds else math.inf]
    if len(entries) == 1 and first.best.name is not None and all(map(math.isfinite, medians)):
        needed, least = map(count, medians)
        return (
            f"{first.model} needs {needed} communication rounds {goal}, the best tuned handcrafted method"
            f" ({first.label(first.best.name)}) {least}."
        )
    faster = sum(1 for e in entries if e.over_best is not None and e.over_best.min > 1)
    where = f"the median over {len(entries)} cases, faster in {faster} of them" if len(entries) > 1 else "one case"
    return f"{first.model} needs {times(speedup)} the best tuned handcrafted method {goal} ({where})."


def _of_methods(runs: Iterable[Results]) -> str:
    """Return which handcrafted method is how often the fastest, or what ran where there is none."""
    winners: Counter[str] = Counter()
    for results in runs:
        for case in results.cases:
            name, _ = fastest(results, case, results.settings["tuning_tolerance"], results.handcrafted)
            winners[results.label(name) if name else "none"] += 1
    first = ", ".join(f"{label} in {number}" for label, number in winners.most_common() if label != "none")
    if first:
        return f"The handcrafted method with the fewest communication rounds: {first} of {winners.total()} cases."
    return "No handcrafted method reached the optimality gap, or none ran."


def times(speedup: Speedup) -> str:
    """Return a speed-up in words, to stand before what the model is compared with.

    Example:
        >>> times(Speedup(2.0, 2.0)), times(Speedup(0.0, 0.5))
        ('2.0 times fewer rounds than', 'over 2.0 times as many rounds as')
    """
    if speedup.shown is None:
        return "an unknown multiple of the rounds of"
    if speedup.is_exact:
        return _times(speedup.min)
    if math.isinf(speedup.max):
        return f"over {_times(speedup.min)}" if speedup.min > 1 else f"at most {_times(speedup.min)}"
    if speedup.min == 0:
        return f"over {_times(speedup.max)}" if speedup.max < 1 else f"at best {_times(speedup.max)}"
    if speedup.max < 1:
        return f"{spelled(1 / speedup.max)} to {spelled(1 / speedup.min)} times as many rounds as"
    return f"{spelled(speedup.min)} to {spelled(speedup.max)} times fewer rounds than"


def _times(ratio: float) -> str:
    if spelled(ratio) == "1.0":
        return "as many rounds as"
    return f"{spelled(ratio)} times fewer rounds than" if ratio > 1 else f"{spelled(1 / ratio)} times as many rounds as"
