"""Decentralized training of a module of one's own, in a few lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.applications.module_training.early_stopping import EarlyStopping
from gnn_l2o.applications.module_training.progress import Progress
from gnn_l2o.applications.module_training.recorder import Recorder
from gnn_l2o.applications.module_training.samples import NodeSamples
from gnn_l2o.applications.module_training.session import ModuleSession
from gnn_l2o.graph.network import Network
from gnn_l2o.problems.network_loss import Criterion


@dataclass(frozen=True)
class TrainedModule:
    """What :func:`train_module` returns.

    Attributes:
        module: with the average of the nodes' parameters, in evaluation mode.
        node_modules: the modules of the nodes with their own parameters, likewise.
        parameters: those of every node, ``(N, d)``, in the order of ``module.named_parameters()``, without the frozen.
        history: the measurements, the first before the first iteration.
        iteration: after how many iterations these parameters were reached.
    """

    module: nn.Module
    node_modules: list[nn.Module]
    parameters: Tensor
    history: list[Progress]
    iteration: int


def train_module(
    module: nn.Module | Callable[[], nn.Module],
    loss: Criterion,
    shards: Sequence[NodeSamples],
    network: Network | nx.Graph | str,
    *,
    measure_every: int = 50,
    callback: Callable[[Progress], object] | None = None,
    patience: int | None = None,
    checkpoint: str | Path | None = None,
    progress_bar: bool = False,
    **settings: Any,
) -> TrainedModule:
    """Train a module on data that nodes hold privately; parameters are exchanged between neighbours only.

    This is a loop over a :class:`ModuleSession`, which explains how nodes train; write your own for anything that is
    not here.

    Args:
        module: the module, or a function that returns a new one.
        loss: of outputs and targets.
        shards: the samples of every node.
        network: the communication graph.
        measure_every: iterations between measurements; there is one before the first and one after the last too.
        callback: called with every measurement; training ends where it returns ``False``.
        patience: training ends once so many measurements in a row brought no smaller loss on the test samples, and
            the parameters with the smallest are returned.
        checkpoint: a file that is written, atomically, at every measurement. If it is there already, training goes on
            from it, to the same numbers as without an interruption, bit for bit on the same machine.
        progress_bar: whether to show one on the terminal, which takes ``gnn-l2o[report]``.
        settings: ``optimizer``, ``parameters``, ``batch_size``, ``local_steps``, ``iterations``, ``seed``,
            ``regularizer``, ``test``, ``device`` and ``autocast``, see :class:`ModuleSession`.

    Raises:
        InputError: an argument is wrong, the optimizer cannot run there, or the checkpoint is of another training.
    """
    if measure_every < 1:
        raise InputError(f"measure_every must be at least 1, got {measure_every}")
    stopping = None if patience is None else EarlyStopping(patience)
    session = ModuleSession(module, loss, shards, network, **settings)
    file = None if checkpoint is None else Path(checkpoint)
    recorder = Recorder(session, callback=callback, stopping=stopping, checkpoint=file)
    if recorder.begin():
        for iteration in _with_progress_bar(recorder) if progress_bar else session:
            if (iteration % measure_every == 0 or iteration == session.iterations) and not recorder.measure():
                break
    x, iteration = session.parameters, session.iteration
    if stopping is not None and stopping.parameters is not None:
        x, iteration = stopping.parameters, stopping.iteration
    return TrainedModule(session.module(x), session.node_modules(x), x, recorder.history, iteration)


def _with_progress_bar(recorder: Recorder) -> Iterator[int]:
    # Imported where it is asked for: rich is an extra.
    from gnn_l2o.applications.module_training.progress_bar import with_progress_bar

    return with_progress_bar(recorder.session, recorder.history)
