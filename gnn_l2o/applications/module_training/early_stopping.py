"""Ending a training that no longer gets better on the test samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.applications.module_training.progress import Progress


@dataclass
class EarlyStopping:
    """Keeps the parameters with the smallest test loss, and tells when it has not become smaller for long enough.

    Attributes:
        patience: how many measurements in a row may bring no smaller test loss.
        loss: the smallest test loss so far.
        iteration: after how many iterations it was measured.
        parameters: of the nodes at that time, ``(N, d)``.
        waited: measurements since.

    Raises:
        InputError: ``patience`` is below 1.
    """

    patience: int
    loss: float = math.inf
    iteration: int = 0
    parameters: Tensor | None = None
    waited: int = 0

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise InputError(f"patience must be at least 1, got {self.patience}")

    @property
    def holds(self) -> bool:
        """Whether training may end."""
        return self.waited >= self.patience

    def observe(self, progress: Progress, parameters: Tensor) -> None:
        """Take a measurement into account.

        Args:
            progress: the measurement.
            parameters: that were measured, ``(N, d)``.

        Raises:
            InputError: there are no test samples.
        """
        if progress.test_loss is None:
            raise InputError("patience watches the loss on test samples; expected test=(features, targets)")
        if progress.test_loss < self.loss:
            self.loss, self.iteration, self.parameters = progress.test_loss, progress.iteration, parameters
            self.waited = 0
        else:
            self.waited += 1

    def state_dict(self) -> dict[str, Any]:
        """Return what was observed so far."""
        return {key: value for key, value in vars(self).items() if key != "patience"}

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        vars(self).update(content)
