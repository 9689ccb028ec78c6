"""Tables of text, and how numbers are spelled in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gnn_l2o._utils.optional import optional
from gnn_l2o.evaluation.bootstrap import Interval

if TYPE_CHECKING:
    import rich.table


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Attributes:
        title: what the rows are.
        rows: each a text under the heading of every column; the same columns in all.
        words: the columns that hold words; the others hold numbers.
        bold: positions of the rows that stand out.
        parts: positions of the rows that begin a new part of the table.
    """

    title: str
    rows: list[dict[str, str]]
    words: tuple[str, ...]
    bold: tuple[int, ...] = ()
    parts: tuple[int, ...] = ()

    def rich(self) -> rich.table.Table:
        """Return the table as :mod:`rich` prints it."""
        with optional("report"):
            import rich.table

        made = rich.table.Table(title=self.title, title_justify="left")
        for name in self._header:
            made.add_column(name, overflow="fold", justify="left" if name in self.words else "right")
        for k, row in enumerate(self.rows):
            if k in self.parts:
                made.add_section()
            made.add_row(*row.values(), style="bold" if k in self.bold else None)
        return made

    def markdown(self) -> str:
        """Return the table in Markdown, without its title."""
        rule = ["---" if name in self.words else "---:" for name in self._header]
        body = [[f"**{c}**" if k in self.bold and c else c for c in row.values()] for k, row in enumerate(self.rows)]
        return "\n".join("| " + " | ".join(row) + " |" for row in (self._header, rule, *body))

    @property
    def _header(self) -> list[str]:
        return list(self.rows[0]) if self.rows else []


def gaps(tolerances: Sequence[float]) -> str:
    """Return tolerances as a reader knows them, ``"1e-3 / 1e-4"``."""
    return " / ".join(f"{t:.0e}".replace("e-0", "e-") for t in tolerances)


def count(value: float) -> str:
    """Spell a median of whole numbers, which may be a half; ``"-"`` for an infinite one."""
    return f"{value:.1f}".removesuffix(".0") if math.isfinite(value) else "-"


def between(interval: Interval | None) -> str:
    """Spell an interval of counts, to follow their median; nothing where there is none."""
    return f" [{', '.join(map(count, interval))}]" if interval else ""


def without_empty(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return rows without the columns that are empty in all of them."""
    empty = [name for name in (rows[0] if rows else ()) if not any(row[name] for row in rows)]
    return [{name: text for name, text in row.items() if name not in empty} for row in rows]
