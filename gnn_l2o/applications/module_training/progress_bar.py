"""A progress bar on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gnn_l2o._utils.optional import optional
from gnn_l2o.applications.module_training.progress import Progress
from gnn_l2o.applications.module_training.session import ModuleSession

with optional("report"):
    from rich import progress as bars
    from rich.console import Console


def with_progress_bar(session: ModuleSession, history: Sequence[Progress]) -> Iterator[int]:
    """Yield what a session does, under a bar on stderr with the time left and the last measurement.

    Args:
        session: the session.
        history: the measurements, to which the caller adds.
    """
    measured = bars.TextColumn("{task.description}")
    columns = bars.BarColumn(), bars.TaskProgressColumn(), bars.TimeRemainingColumn(), measured
    with bars.Progress(*columns, console=Console(stderr=True)) as display:
        bar = display.add_task("", total=session.iterations, completed=session.iteration)
        for iteration in session:
            display.update(bar, completed=iteration, description=str(history[-1]))
            yield iteration
