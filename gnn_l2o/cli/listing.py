"""What can be named on the command line of evaluations."""

from __future__ import annotations

from gnn_l2o import plugins
from gnn_l2o._utils.plain_text import summary_of
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.evaluation import METRICS
from gnn_l2o.evaluation.selection import members
from gnn_l2o.graph.real_networks import real_networks
from gnn_l2o.limits import LIMITS, RECOVERY


def listing(what: str = "all") -> str:
    """Return everything that can be named, with parameters and a line of description.

    Args:
        what: ``"real"`` for the names of real networks instead.

    Raises:
        InputError: the package with the real networks is missing.
    """
    if what == "real":
        return "\n".join(f"real:name={name}" for name in real_networks())
    lines = [plugins.overview(), "      (--list real prints the names of all real networks)"]
    for group in ("handcrafted", "tuned"):
        lines += ["", f"{group} methods:", *(_described(name, METHODS[name]) for name in members(group))]
    lines += ["", "limits:", *(_described(name, type(limit)) for name, limit in {**LIMITS, **RECOVERY}.items())]
    lines += ["", "metrics:", *(_described(name, METRICS[name]) for name in METRICS.names())]
    lines += ["", plugins.overview("model", "preset")]
    return "\n".join(lines)


def _described(name: str, kind: type) -> str:
    return f"  {name}\n      {summary_of(kind)}"
