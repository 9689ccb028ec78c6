"""Tables of text, and how numbers are spelled in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gnn_l2o._utils.optional import optional
from gnn_l2o.evaluation.bootstrap import Interval

if TYPE_CHECKING:
    import rich.table

CERTIFIED = 1e-12  # the precision to which minima are known
COMMON = ("dataset", "topology", "nodes", "class")  # columns that may have the same text in all rows


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Attributes:
        title: what the rows are.
        rows: each a text under the heading of every column; the same columns in all.
        words: the columns that hold words; the others hold numbers.
        bold: positions of the rows that stand out.
        parts: positions of the rows that begin a new part of the table.
        essential: the columns that a narrow screen shows too.
    """

    title: str
    rows: list[dict[str, str]]
    words: tuple[str, ...]
    bold: tuple[int, ...] = ()
    parts: tuple[int, ...] = ()
    essential: tuple[str, ...] = ()

    def rich(self, width: int) -> rich.table.Table:
        """Return the table as :mod:`rich` prints it, in lines of so many characters that break no word.

        Where the columns do not fit, those with the same text in all rows go into the title, then columns that are not
        essential are left out from the last on; a caption names them.
        """
        with optional("report"):
            import rich.table

        shown, left_out = self._narrowed(width)
        caption = f"left out of {width} characters: {', '.join(left_out)}" if left_out else None
        made = rich.table.Table(title=shown.title, title_justify="left", caption=caption, caption_justify="left")
        for name, wide in zip(shown.header, shown._widths(width), strict=True):
            made.add_column(name, overflow="fold", width=wide, justify="left" if name in self.words else "right")
        for k, row in enumerate(shown.rows):
            if k in self.parts:
                made.add_section()
            made.add_row(*row.values(), style="bold" if k in self.bold else None)
        return made

    def markdown(self) -> str:
        """Return the table in Markdown, without its title."""
        rule = ["---" if name in self.words else "---:" for name in self.header]
        body = [[f"**{c}**" if k in self.bold and c else c for c in row.values()] for k, row in enumerate(self.rows)]
        return "\n".join("| " + " | ".join(row) + " |" for row in (self.header, rule, *body))

    @property
    def header(self) -> list[str]:
        """The headings of the columns."""
        return list(self.rows[0]) if self.rows else []

    def _narrowed(self, width: int) -> tuple[Table, list[str]]:
        """Return the part of the table whose words fit, and which columns are left out."""
        if self._room(width) >= sum(self._max_lengths(str.splitlines)):
            return self, []
        common = [name for name in COMMON if name in self.header and len({row[name] for row in self.rows}) == 1]
        alike = {name: self.rows[0][name] for name in common}
        rows = [{k: spaced(v) if k in COMMON else v for k, v in row.items() if k not in alike} for row in self.rows]
        title = f"{', '.join(alike.values())}: {self.title}" if alike else self.title
        shown, left_out = replace(self, rows=rows, title=title), list[str]()
        while shown._room(width) < sum(shown._max_lengths(str.split)):
            others = [name for name in shown.header if name not in self.essential]
            if not others:
                break
            left_out.insert(0, others[-1])
            rows = [{k: v for k, v in row.items() if k != others[-1]} for row in shown.rows]
            shown = replace(shown, rows=rows)
        return shown, left_out

    def _room(self, width: int) -> int:
        """Return how many characters of a line are for text; each column has two spaces and a line."""
        return width - 3 * len(self.header) - 1

    def _max_lengths(self, parts: Callable[[str], list[str]]) -> list[int]:
        """Return for every column the length of the longest part of its texts."""
        columns = [[name, *(row[name] for row in self.rows)] for name in self.header]
        return [max((len(part) for text in texts for part in parts(text)), default=0) for texts in columns]

    def _widths(self, width: int) -> list[int]:
        """Return the widths of the columns: as their texts are, the widest narrowed to their longest words."""
        wide, words = self._max_lengths(str.splitlines), self._max_lengths(str.split)
        while sum(wide) > self._room(width) and any(w > word for w, word in zip(wide, words, strict=True)):
            widest = max(range(len(wide)), key=lambda k: wide[k] if wide[k] > words[k] else 0)
            wide[widest] -= 1
        return wide


def optimality_gap(value: float) -> str:
    """Spell a relative optimality gap; below the precision of certified minima there is rounding only."""
    return f"{value:.1e}" if value >= CERTIFIED else f"<{CERTIFIED:.0e}"


def spaced(spec: str) -> str:
    """Return a spec with spaces, at which a line may end: ``"lasso: features=6, samples=4"``."""
    return spec.replace(":", ": ").replace(",", ", ")


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
