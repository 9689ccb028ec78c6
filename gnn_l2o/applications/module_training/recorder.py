"""What happens between the iterations of a training: measuring, telling, deciding whether to go on, saving."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from gnn_l2o._utils.errors import about
from gnn_l2o.applications.module_training.checkpoint import read_checkpoint, write_checkpoint
from gnn_l2o.applications.module_training.early_stopping import EarlyStopping
from gnn_l2o.applications.module_training.progress import Progress
from gnn_l2o.applications.module_training.session import ModuleSession


class Recorder:
    """Records the measurements of a session.

    Args:
        session: what is measured.
        callback: called with every measurement; training ends where it returns ``False``.
        stopping: observes the measurements and ends training too.
        checkpoint: the file that is written at every measurement.

    Attributes:
        history: the measurements.
    """

    def __init__(
        self,
        session: ModuleSession,
        *,
        callback: Callable[[Progress], object] | None,
        stopping: EarlyStopping | None,
        checkpoint: Path | None,
    ) -> None:
        self.session, self.callback, self.stopping, self.checkpoint = session, callback, stopping, checkpoint
        self.history: list[Progress] = []

    def begin(self) -> bool:
        """Go on from the checkpoint if there is one, else take the first measurement; return whether to train.

        Raises:
            InputError: the checkpoint cannot be read, or is of another training.
        """
        if self.checkpoint is None or not self.checkpoint.exists():
            return self.measure()
        content = read_checkpoint(self.checkpoint, self.session.device)
        with about(checkpoint=self.checkpoint):
            self.session.load_state_dict(content["session"])
        self.history = [Progress(**entry) for entry in content["history"]]
        if self.stopping is not None and content["early_stopping"] is not None:
            self.stopping.load_state_dict(content["early_stopping"])
        return self.stopping is None or not self.stopping.holds

    def measure(self) -> bool:
        """Take a measurement, tell the callback, write the checkpoint; return whether to go on."""
        progress = self.session.measure()
        self.history.append(progress)
        if self.stopping is not None:
            self.stopping.observe(progress, self.session.parameters)
        if self.checkpoint is not None:
            self._save(self.checkpoint)
        told = None if self.callback is None else self.callback(progress)
        return told is not False and (self.stopping is None or not self.stopping.holds)

    def _save(self, path: Path) -> None:
        content = {
            "session": self.session.state_dict(),
            "history": [dataclasses.asdict(progress) for progress in self.history],
            "early_stopping": None if self.stopping is None else self.stopping.state_dict(),
        }
        write_checkpoint(path, content)
