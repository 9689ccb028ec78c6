"""The parts of ``results.json`` beside the records of runs: its schema, descriptions, versions; and CSV."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import platform
from collections.abc import Iterable, Mapping
from typing import Any

from gnn_l2o._version import __version__
from gnn_l2o.algorithms.tunable import Method, Range
from gnn_l2o.evaluation.metrics import Accuracy, ConsensusError, Metric, OptimalityGap

SCHEMA = 5
RESULTS, SUMMARY = "results.json", "summary.csv"

DEFAULTS: Mapping[str, Any] = {
    "references": ["prox_ed"],
    "limits": [],
    "metrics": [OptimalityGap.name, ConsensusError.name, Accuracy.name],
    "stop": [],
    "measure": "average",
    "faults": "",
}
"""The settings that older files do not hold."""


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    names = ["torch", "torch-geometric", "numpy", "scipy", "networkx"]
    return {
        "gnn-l2o": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in names},
    }


def upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a file of schema 3 or 4 in the words of the present schema.

    Those of schema 3 have no labels of methods and metrics; those of both count nothing to the worst node. Files of
    releases up to 0.7 have no networks, those up to 0.10 neither published values nor means over instances.
    """
    if content["schema"] == 3:
        renamed = {
            part: [{"case" if key == "cell" else key: value for key, value in entry.items()} for entry in content[part]]
            for part in ("tuning", "skipped")
        }
        content = {**content, **renamed, "methods": {}, "metrics": {}, "schema": 4}
    if content["schema"] == 4:
        content = {"redrawn": [], **content, "schema": 5}
    metrics = {
        name: description if "aggregate" in description else {**description, "aggregate": "median"}
        for name, description in content["metrics"].items()
    }
    return {"networks": [], "published": [], **content, "metrics": metrics}


def describe_method(method: Method) -> dict[str, Any]:
    """Return the label of a method and the units of its parameters."""
    units = {name: axis.unit if isinstance(axis, Range) else "1" for name, axis in method.grid.items()}
    return {"label": method.label, "units": units}


def describe_metric(metric: Metric) -> dict[str, Any]:
    """Return what tables and figures need of a metric."""
    return {
        "label": metric.label,
        "formula": metric.formula,
        "scale": metric.scale,
        "aggregate": metric.aggregate,
    }


def to_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows, the same columns in all, as a table of comma-separated values under a header."""
    rows = list(rows)
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()
