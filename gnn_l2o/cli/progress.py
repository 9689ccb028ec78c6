"""What the commands say on stderr while they work: log lines, a bar with the time left, or a line now and then."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gnn_l2o._utils.optional import optional

with optional("report"):
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

LOGGER = logging.getLogger("gnn_l2o")
PERIOD = 30.0  # seconds between two lines where stderr is no terminal

Report = Callable[[str, float], None]


@contextmanager
def logging_to_stderr(*, quiet: bool, verbose: bool) -> Iterator[None]:
    """Write what the package logs to stderr: warnings alone if quiet, every step if verbose."""
    handler, before = logging.StreamHandler(sys.stderr), LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)


@contextmanager
def progress(console: Console) -> Iterator[Report]:
    """Yield what is to be told which step begins, and which fraction of the whole is done.

    Every step is logged for debugging. Unless that or nothing is shown, a terminal has a bar with the time left, and
    another stderr a line every half minute.

    Args:
        console: that of stderr.
    """
    if LOGGER.level != logging.INFO:
        yield _log
    elif console.is_terminal:
        columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("checking", total=1.0)
            yield lambda what, done: bar.update(task, description=what, completed=done)
    else:
        with Heartbeat().running() as heartbeat:
            yield heartbeat.tell


def _log(what: str, done: float) -> None:
    LOGGER.debug("%3.0f %% %s", 100 * done, what)


class Heartbeat:
    """Logs a line now and then that says how far the work is, also while one step takes long.

    Args:
        period: seconds between two lines.
    """

    def __init__(self, period: float = PERIOD) -> None:
        self._period, self._began = period, time.monotonic()
        self._what, self._done = "checking", 0.0

    def tell(self, what: str, done: float) -> None:
        """Take note of the step that begins now, and of the fraction of the whole that is done.

        Time is counted from where nothing was done for the last time, so that preparations do not enter the rate.
        """
        if not done:
            self._began = time.monotonic()
        self._what, self._done = what, done

    def line(self, seconds: float) -> str:
        """Return what is said after so many seconds of work."""
        left = f", about {duration(seconds * (1 - self._done) / self._done)} left" if self._done else ""
        return f"{100 * self._done:.0f} % done after {duration(seconds)}{left}: {self._what}"

    def beat(self) -> None:
        """Log the line of this moment."""
        LOGGER.info("%s", self.line(time.monotonic() - self._began))

    @contextmanager
    def running(self) -> Iterator[Heartbeat]:
        """Log from a thread of its own."""
        over = threading.Event()
        thread = threading.Thread(target=self._beat_until, args=(over,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join()

    def _beat_until(self, over: threading.Event) -> None:
        while not over.wait(self._period):
            self.beat()


def duration(seconds: float) -> str:
    """Spell a time for people.

    Example:
        >>> duration(12.3), duration(200), duration(8000)
        ('12 s', '3 min', '2 h 13 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
