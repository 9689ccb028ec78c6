"""Faults that befall a message in one direction, of which its sender learns nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from gnn_l2o.graph.faults.description import Faults
from gnn_l2o.graph.faults.draws import Draws


class Reception:
    """What receivers take for a message, for each directed edge.

    Args:
        faults: the description.
        edges: numbers the directed edges.
    """

    def __init__(self, faults: Faults, edges: Draws) -> None:
        self._faults, self._edges = faults, edges
        self._last: dict[tuple[str, torch.Size], tuple[Tensor, Tensor]] = {}

    def lost(self, k: int) -> Tensor:
        """Return which messages get lost in round k, ``(E, 1)``."""
        return self._edges.uniform("one_way", k) < self._faults.one_way

    def received(self, sent: Tensor, arrived: Tensor, k: int, kind: str) -> tuple[Tensor, Tensor]:
        """Return what receivers take for the messages, ``(E, d)``, and whether they have any, ``(E, 1)``.

        Args:
            sent: the messages, ``(E, d)``.
            arrived: whether they arrive, in time or not, ``(E, 1)``.
            k: the round.
            kind: of the messages; the last one that is used again is one of this kind and shape.
        """
        if self._faults.noise and kind != "numbers":
            scale = sent.square().mean(dim=1, keepdim=True).sqrt()
            sent = sent + self._faults.noise * scale * self._edges.normal(f"noise {kind}", k, sent)
        if not self._faults.delay:
            return sent, arrived
        key = kind, sent.shape
        last, is_known = self._last.get(key, (torch.zeros_like(sent), torch.zeros_like(arrived)))
        late = self._edges.uniform("delay", k) < self._faults.delay
        is_new = arrived & ~late
        last, is_known = torch.where(is_new, sent, last), is_known | is_new
        self._last[key] = last.detach(), is_known
        return last, is_known & arrived
