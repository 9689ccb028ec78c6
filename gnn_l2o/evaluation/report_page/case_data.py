"""The numbers behind the charts of a case: curves, trials of the tuning, and the network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np

from gnn_l2o.evaluation import comparison
from gnn_l2o.evaluation.aggregate import over_instances
from gnn_l2o.evaluation.curves import abscissa, leaders, stack
from gnn_l2o.evaluation.metrics import MEASURES
from gnn_l2o.evaluation.published_lines import looks
from gnn_l2o.evaluation.ranking_tables import UNITS
from gnn_l2o.evaluation.record import TOTAL_GRADIENTS, Case, Run, file_key, finite
from gnn_l2o.evaluation.results import Results
from gnn_l2o.evaluation.styles import PUBLISHED_COLOURS, style

SCALES = {
    "rounds": "communication rounds",
    "iteration": "iterations",
    "vectors": "vectors over an edge",
    TOTAL_GRADIENTS: "gradients of a node",
    "solves": "local solves of a node",
    "seconds": "seconds",
}
"""What curves can be drawn against: quantities, and what axes call them."""

GREY = "#8a8a8a"  # on a light page and on a dark one


def metrics(results: Results) -> dict[str, dict[str, Any]]:
    """Return the metrics that were measured, by their columns: what axes call them, and whether they are logarithmic.

    Axes say of which metrics lines are means over the instances.

    That which rounds are counted to comes first.
    """
    first = MEASURES[results.measure].name
    relative = {kind.name for kind in MEASURES.values()}
    return {
        file_key(name): {
            "label": ("relative " if name in relative else "") + results.metrics[name]["label"] + _mean(results, name),
            "log": results.metrics[name]["scale"] == "log",
        }
        for name in sorted(results.metrics, key=lambda name: name != first)
        if results.measures(name)
    }


def _mean(results: Results, metric: str) -> str:
    return ", mean" if results.metrics[metric]["aggregate"] == "mean" else ""


def curves(results: Results, case: Case, tolerances: Sequence[float], points: int) -> list[dict[str, Any]]:
    """Return the curves of all algorithms of a case, those that lead last, so that they are drawn over the others.

    Args:
        results: of the evaluation.
        case: the case.
        tolerances: the relative optimality gaps that rank the algorithms.
        points: how many a curve may have, about.
    """
    lead = leaders(results, case, tolerances)
    names = sorted(results.algorithms(case), key=lambda name: name in lead)
    return [{**_curve(results, case, name, points), "lead": name in lead} for name in names]


def _curve(results: Results, case: Case, name: str, points: int) -> dict[str, Any]:
    runs, look = results.select(case, name), style(results, name)
    is_limit = name in results.limits
    longest = max(runs, key=lambda run: len(run.trace["iteration"]))
    kept = thinned(len(longest.trace["iteration"]), points)
    spent = {q: abscissa(runs, q)[kept] for q in SCALES if q == TOTAL_GRADIENTS or q in longest.trace}
    measured = {}
    for metric, description in results.metrics.items():
        column = file_key(metric)
        having = [run for run in runs if column in run.trace]
        if having:
            values = stack(having, column)[:, kept]
            measured[column] = {"line": _short(over_instances(values, having, metric, description))}
            if len(having) > 1:
                measured[column] |= {"low": _short(values.min(axis=0)), "high": _short(values.max(axis=0))}
    return {
        "label": look["label"],
        "color": GREY if is_limit else look["color"],
        "limit": is_limit,
        "model": name in results.models,
        "x": {q: _short(values, digits=4) for q, values in spent.items() if q != "solves" or values.any()},
        "y": measured,
    }


def thinned(count: int, points: int) -> list[int]:
    """Return some of the positions below ``count``, the first and the last among them, dense at the beginning.

    Example:
        >>> thinned(1000, 8)
        [0, 1, 3, 7, 19, 52, 139, 372, 999]
        >>> thinned(3, 8)
        [0, 1, 2]
    """
    if count <= points + 1:
        return list(range(count))
    spaced = np.unique(np.geomspace(1, count - 1, points).round().astype(int))
    return [0, *spaced.tolist()]


def published(results: Results, case: Case) -> list[dict[str, Any]]:
    """Return the published values of all metrics of a case, with the colours and dashes of their lines."""
    return [
        {
            "label": value.caption,
            "metric": file_key(value.metric),
            "y": value.value,
            "iteration": value.iteration,
            "color": GREY if look["color"] in PUBLISHED_COLOURS else look["color"],
            "dash": list(look["linestyle"][1]),
        }
        for metric in results.metrics
        for value, look in looks(results, case, metric)
    ]


def trials(results: Results, case: Case, tolerances: Sequence[float]) -> list[dict[str, Any]]:
    """Return what tuning tried for each method of a case, in the order of the ranking.

    The rounds of a setting are the geometric mean over the instances, ``None`` where it did not reach the tolerance on
    every one.
    """
    found = []
    for name in comparison.ranking(results, case, tolerances):
        entry = results.find_tuning(case, name)
        if entry is not None and entry["setting"]:
            units = results.methods.get(name, {}).get("units", {})
            found.append(
                {
                    "label": results.label(name),
                    "parameters": {key: key + _unit(units.get(key, "1")) for key in entry["setting"]},
                    "trials": [_trial(trial, entry["setting"]) for trial in entry["trials"]],
                }
            )
    return found


def _unit(unit: str) -> str:
    return f" [{UNITS[unit].strip()}]" if UNITS.get(unit) else ""


def _trial(trial: dict[str, Any], chosen: dict[str, float]) -> dict[str, Any]:
    rounds = trial["rounds"]
    arrives = all(r is not None for r in rounds)
    if any(gap is None for gap in trial["optimality_gap"]):
        outcome = "diverged"
    elif arrives:
        outcome = "reached the tolerance"
    else:
        outcome = "stopped, much slower" if trial["stopped"] else "did not reach it"
    return {
        "setting": {name: finite(value, digits=4) for name, value in trial["setting"].items()},
        "rounds": finite(math.exp(np.log(np.maximum(rounds, 1.0)).mean()), digits=4) if arrives else None,
        "outcome": outcome,
        "chosen": trial["setting"] == chosen,
    }


def network(results: Results, case: Case, tolerances: Sequence[float], snapshots: int) -> dict[str, Any] | None:
    """Return the network of the first instance and how far its nodes are from their average.

    There is none, ``None``, of a large network or of one node. Distances are there for the algorithms that lead, as
    decimal logarithms.

    Args:
        results: of the evaluation.
        case: the case.
        tolerances: the relative optimality gaps that rank the algorithms.
        snapshots: at how many iterations distances may be shown, about.
    """
    links = next((entry["links"] for entry in results.networks if Case(**entry["case"]) == case), None)
    if links is None or case.nodes == 1:
        return None
    found = ((name, results.find(case, name, 0)) for name in leaders(results, case, tolerances))
    return {
        "links": links,
        "nodes": _positions(links, case.nodes),
        "curves": [
            {"label": results.label(name), **_distances(run, snapshots)} for name, run in found if run is not None
        ],
    }


def _positions(links: list[list[int]], nodes: int) -> list[list[float]]:
    graph = nx.Graph()
    graph.add_nodes_from(range(nodes))
    graph.add_edges_from(links)
    places = nx.kamada_kawai_layout(graph)  # begins with a circle, so that the same graph has the same drawing
    return [[round(float(v), 3) for v in places[node]] for node in range(nodes)]


def _distances(run: Run, snapshots: int) -> dict[str, Any]:
    content = run.node_distances
    kept = thinned(len(content["iteration"]), snapshots)
    iterations = [content["iteration"][k] for k in kept]
    rounds = dict(zip(run.trace["iteration"], run.trace["rounds"], strict=True))
    return {
        "iteration": iterations,
        "rounds": [rounds[k] for k in iterations],
        "distance": [[v if not v else round(math.log10(v), 2) for v in content["distance"][k]] for k in kept],
    }


def _short(values: np.ndarray, digits: int = 3) -> list[float | None]:
    """Return numbers with few digits, whole ones without a point; ``None`` where they are not finite."""
    short = (finite(float(v), digits) for v in values)
    return [int(v) if v is not None and v == int(v) else v for v in short]
