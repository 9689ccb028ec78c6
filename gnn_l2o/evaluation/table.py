"""The table of an evaluation."""

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
    made = Table(title=title(tolerances))
    header, *body = rows(results, tolerances)
    for k, name in enumerate(header):
        bold = "bold" if name in results.models else None
        made.add_column(name, overflow="fold", justify="left" if k < 2 else "right", style=bold)
    for row in body:
        made.add_row(*row)
    return made


def title(tolerances: Sequence[float] = TOLERANCES) -> str:
    """Return what the numbers of the table are."""
    gaps = " / ".join(f"{t:.0e}".replace("e-0", "e-") for t in tolerances)
    return f"communication rounds to a relative gap of {gaps} (median over the instances)"


def rows(results: Results, tolerances: Sequence[float] = TOLERANCES) -> list[list[str]]:
    """Return the table as text, the header first."""
    header = ["dataset", "topology", "nodes"]
    header += [HANDCRAFTED[name].label if name in HANDCRAFTED else name for name in results.handcrafted]
    for model in results.models:
        header.append(model)
        header += ["speed-up over best"] * bool(results.handcrafted)
        header += ["speed-up over Prox-ED"] * ("prox_ed" in results.handcrafted)
    return [header, *(_row(results, cell, tolerances) for cell in results.cells)]


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
