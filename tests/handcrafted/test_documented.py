"""Every method in :data:`HANDCRAFTED` is documented with what it costs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.handcrafted import HANDCRAFTED
from tests.handcrafted.dense import METHODS, batches


def documented() -> dict[str, dict[str, str]]:
    """The rows of the tables of methods, by name."""
    docs = Path(__file__).parents[2] / "docs"
    lines = [line for page in ("methods.md", "min_max.md") for line in (docs / page).read_text().splitlines()]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    header = next(row for row in cells if row[0] == "name")
    own = [row for row in cells if row[0].startswith("`") and len(row) == len(header)]  # another table is of limits
    rows = [dict(zip(header, row, strict=True)) for row in own]
    return {row["name"].strip("`"): row for row in rows}


def amount(cell: str, setting: Mapping[str, float]) -> float:
    """What a cell such as ``3``, ``2K`` or ``2K + 1`` says, K being what the method's one whole number counts.

    Diameters count apart.
    """
    terms = [term.strip() for term in cell.split("+") if term.strip() != "diameter"]
    counts = [setting[name] for name in ("mixings", "local_steps", "inner_steps", "terms") if name in setting]
    return sum(float(t[:-1] or 1) * counts[0] if t.endswith("K") else float(t) for t in terms)


@METHODS
def test_every_method_is_documented_with_its_cost(method: type[Tunable[Any]]) -> None:
    row = documented()[method.name]
    assert row["method"] == method.label
    assert (row["exact"], row["prox"]) == tuple("yes" if flag else "no" for flag in (method.exact, method.composite))
    assert all(f"`{name}`" in row["tuned"] for name in method.grid)
    for settings in batches(method, 1):
        cost = method(**settings[0]).cost
        for name in ("gradients", "proxes", "solves", "rounds", "vectors"):
            assert amount(row[name], settings[0]) == getattr(cost, name), name
        assert row["rounds"].count("diameter") == cost.minima


def test_no_other_methods_are_documented() -> None:
    assert set(documented()) == set(HANDCRAFTED)
