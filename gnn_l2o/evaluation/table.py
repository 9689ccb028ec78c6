"""The table of an evaluation for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from gnn_l2o.evaluation.results import Cell, Results
from gnn_l2o.handcrafted import HANDCRAFTED

TOLERANCES = (1e-3, 1e-4)


def table(results: Results, tolerances: Sequence[float] = TOLERANCES) -> Table:
    """Return the median communication rounds to each tolerance and how many times fewer the models need.

    A row is a dataset on a kind of network; ``-`` stands where a tolerance was not reached, ``!`` marks an algorithm of
    which a run diverged.
    """
    header = " / ".join(f"{t:.0e}".replace("e-0", "e-") for t in tolerances)
    made = Table(title=f"communication rounds to a relative gap of {header} (median over the instances)")
    made.add_column("dataset", overflow="fold")
    made.add_column("topology", overflow="fold")
    made.add_column("nodes", justify="right")
    for name in results.handcrafted:
        made.add_column(HANDCRAFTED[name].label if name in HANDCRAFTED else name, justify="right")
    for model in results.models:
        made.add_column(model, justify="right", style="bold")
        if results.handcrafted:
            made.add_column("fewer than best", justify="right")
        if "prox_ed" in results.handcrafted:
            made.add_column("fewer than Prox-ED", justify="right")
    for cell in results.cells:
        made.add_row(*_row(results, cell, tolerances))
    return made


def _row(results: Results, cell: Cell, tolerances: Sequence[float]) -> list[str]:
    row = [cell.dataset, cell.topology, str(cell.nodes)]
    row += [_rounds(results, cell, name, tolerances) for name in results.handcrafted]
    for model in results.models:
        row.append(_rounds(results, cell, model, tolerances))
        found = [results.compare(cell, t, model) for t in tolerances]
        if results.handcrafted:
            row.append(" / ".join(_times(f["speedup_rounds"]) for f in found))
        if "prox_ed" in results.handcrafted:
            row.append(" / ".join(_times(f["speedup_vs_prox_ed"]) for f in found))
    return row


def _rounds(results: Results, cell: Cell, algorithm: str, tolerances: Sequence[float]) -> str:
    rounds = [results.median_rounds(cell, algorithm, t) for t in tolerances]
    lost = "!" if any(run.diverged for run in results.select(cell, algorithm)) else ""
    return " / ".join("-" if r is None else f"{r:.0f}" for r in rounds) + lost


def _times(speedup: float | None) -> str:
    return "-" if speedup is None else f"{speedup:.1f}x"
