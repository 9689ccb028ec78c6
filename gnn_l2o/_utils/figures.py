"""Writing figures so that one that cannot be drawn costs no more than itself."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_figure(
    path: Path, draw: Callable[[], Figure], formats: Iterable[str] = ("png",), dpi: int = 150
) -> list[Path]:
    """Draw a figure and write it in some formats, atomically; return the files.

    Results take hours and a figure seconds, so that no error in drawing is raised: a warning says what was left out.

    Args:
        path: of the files, without their endings.
        draw: makes the figure.
        formats: the endings.
        dpi: pixels an inch.

    Raises:
        InputError: ``draw`` needs a package that is not installed.
    """
    drawn = {}
    try:
        figure = draw()
        for ending in formats:
            drawn[ending] = io.BytesIO()
            figure.savefig(drawn[ending], format=ending, dpi=dpi)
    except InputError:
        raise
    except Exception as error:  # matplotlib raises errors of many kinds for numbers that it cannot show
        warnings.warn(f"the figure {path} was left out, as it cannot be drawn: {error}", stacklevel=2)
        return []
    files = [path.with_name(f"{path.name}.{ending}") for ending in drawn]
    for file, content in zip(files, drawn.values(), strict=True):
        write_bytes(file, content.getvalue())
    return files
