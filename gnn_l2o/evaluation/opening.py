"""The output folder of an evaluation before the first run: whether it can be used, and what it holds already."""

from __future__ import annotations

import logging
from pathlib import Path

from gnn_l2o._utils.errors import InputError, about
from gnn_l2o._utils.writable import require_writable
from gnn_l2o.evaluation.report_page.page import missing
from gnn_l2o.evaluation.results import Results
from gnn_l2o.evaluation.results_file import RESULTS

_logger = logging.getLogger(__name__)


def announce(folder: Path, *, begins: bool) -> None:
    """Log where results go, and what is missing there: earlier results, or a package for the page."""
    if begins:
        _logger.info("%s holds no runs: the evaluation begins from the start", folder)
    _logger.info("results go into %s", folder)
    if missing():
        _logger.warning("report.html needs %s; pip install 'gnn-l2o[report]' installs it", " and ".join(missing()))


def check_output(folder: Path | None, *, overwrite: bool, resume: bool) -> None:
    """Check what can be told about the output folder before it is claimed.

    Raises:
        InputError: the folder cannot be used, or is missing.
    """
    if overwrite and resume:
        with about(resume=True):
            raise InputError("cannot be combined with overwrite")
    if folder is None:
        if overwrite or resume:
            with about(**{"resume" if resume else "overwrite": True}):
                raise InputError("needs an output folder")
        return
    with about(output=folder):
        require_writable(folder)


def open_results(fresh: Results, folder: Path | None, *, overwrite: bool, resume: bool) -> Results:
    """Return the results to go on with: those in the folder, or none yet.

    Raises:
        InputError: the results in the folder are neither to be continued nor to be replaced, or cannot be continued.
    """
    if folder is None or overwrite or not (folder / RESULTS).exists():
        return fresh
    with about(output=folder):
        if not resume:
            raise InputError("holds another run already; resume continues it, overwrite replaces it")
        present = Results.load(folder)
        for name, value in fresh.settings.items():
            if present.settings.get(name) != value:
                raise InputError(f"holds a run with {name} {present.settings.get(name)}, not {value}; cannot resume it")
    return present
