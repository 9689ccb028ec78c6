"""Writes a page for every handcrafted method, from its class, before the site is read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.tunable import Choice, Method, Range
from gnn_l2o.handcrafted import ALIASES, HANDCRAFTED

FACTS = {
    "spectral_gap": "the spectral gap",
    "min_eigenvalue": "the smallest eigenvalue of W",
    "graph_sizes": "the number of nodes",
    "diameter": "the diameter",
    "radius": "the radius",
    "max_smoothness": "the largest smoothness constant",
    "max_mean_curvature": "the largest mean curvature",
}
UNITS = {"1": "", "1/L": " / L", "L": " L", "curvature": " times the largest mean curvature"}


def page(method: Method) -> str:
    """Return the page of a method: its facts in a table, then its docstring."""
    lines = [method.label, "=" * len(method.label), "", ".. list-table::", "   :widths: 30 70", ""]
    for left, right in facts(method):
        lines += [f"   * - {left}", f"     - {right}"]
    lines += ["", f".. autoclass:: gnn_l2o.handcrafted.{method.__name__}", ""]
    return "\n".join(lines)


def facts(method: Method) -> Iterator[tuple[str, str]]:
    """Yield the rows of the table."""
    setting = method.settings(1)[0]
    example: Any = method(**setting)
    aliases = [alias for alias, name in ALIASES.items() if name == method.name]
    known = [FACTS[fact] for fact in FACTS if fact in example.flooded]
    yield "name", ", also ".join(f"``{name}``" for name in (method.name, *aliases))
    yield "class", "local solves" if example.has_local_work else "one gradient a round"
    yield "converges to the solution", "yes" if method.exact else "to a neighbourhood of it, with constant parameters"
    yield "regularizers", "any" if method.composite else "none: r = 0"
    if method.stochastic:
        yield "gradients", "those of mini-batches"
    choices = {name: f"{setting[name]:g}" for name, axis in method.grid.items() if isinstance(axis, Choice)}
    where = ", ".join(f"``{name}`` = {value}" for name, value in choices.items())
    yield "an iteration costs", costs(example.cost) + (f" (with {where})" if where else "")
    if known:
        yield "known before the first iteration", ", ".join(known)
    yield "tuned", "; ".join(f"``{name}`` {values(axis)}" for name, axis in method.grid.items())


def costs(cost: Cost) -> str:
    """Return what a node does in an iteration, as a phrase."""
    counts = {
        "gradient": cost.gradients,
        "prox": cost.proxes,
        "local solve": cost.solves,
        "round": cost.rounds,
        "vector": cost.vectors,
        "number": cost.numbers,
        "minimum over the graph": cost.minima,
    }
    plural = {"prox": "proxes", "minimum over the graph": "minima over the graph"}
    words = (
        f"{count} {name if count == 1 else plural.get(name, name + 's')}" for name, count in counts.items() if count
    )
    return ", ".join(words)


def values(axis: Range | Choice) -> str:
    """Return over which values a parameter is tuned."""
    if isinstance(axis, Choice):
        return "in " + ", ".join(f"{value:g}" for value in axis.values)
    bound = f", below {axis.below:g}" if axis.below < math.inf else ""
    return f"from {axis.low:g} to {axis.high:g}{UNITS[axis.unit]}{bound}"


def write_pages(app: Sphinx) -> None:
    """Write the pages that have changed, and remove those of methods that are gone."""
    folder = Path(app.srcdir) / "generated" / "methods"
    folder.mkdir(parents=True, exist_ok=True)
    pages = {folder / f"{name}.rst": page(method) for name, method in HANDCRAFTED.items()}
    for old in set(folder.glob("*.rst")) - set(pages):
        old.unlink()
    for path, text in pages.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register this extension."""
    app.connect("builder-inited", write_pages, priority=400)  # before autosummary looks for pages
    return {"parallel_read_safe": True, "parallel_write_safe": True}
