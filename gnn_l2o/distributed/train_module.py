"""Decentralized training of a module by processes that are one node each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from gnn_l2o.applications.module_training import train_module as train
from gnn_l2o.applications.module_training.module import own_module
from gnn_l2o.applications.module_training.samples import NodeSamples
from gnn_l2o.applications.module_training.train import TrainedModule
from gnn_l2o.distributed.joining import join
from gnn_l2o.distributed.processes import TIMEOUT, start
from gnn_l2o.problems.network_loss import Criterion

DECISIVE = ("optimizer", "parameters", "batch_size", "local_steps", "iterations", "measure_every", "patience")
"""Settings in which processes that differ would wait for each other in vain."""


def train_module(
    module: nn.Module | Callable[[], nn.Module],
    loss: Criterion,
    shard: NodeSamples,
    network: Any,
    *,
    seed: int = 0,
    timeout: float = TIMEOUT,
    **settings: Any,
) -> TrainedModule:
    """Train a module where this process is one node of several, under ``torchrun``; see :func:`gnn_l2o.train_module`.

    Args:
        module: the module, or a function that returns a new one; equal in all processes.
        loss: of outputs and targets.
        shard: the samples of this node, which never leave the process.
        network: the graph, or the neighbours of this process, see :func:`~gnn_l2o.distributed.joining.join`.
        seed: of the initial parameters and the mini-batches, the same in all processes.
        timeout: seconds for which a process waits for a message of another.
        settings: as of :func:`gnn_l2o.train_module`, the same in all processes, without ``checkpoint``. A callback may
            end the training only where it does so in all processes, as for the loss, which all have.

    Returns:
        The result, whose ``module`` and measurements are those of all nodes; ``node_modules`` and ``parameters`` are
        of this node alone.

    Raises:
        InputError: an argument is wrong or differs between processes; or this process was not started by torchrun.
        LostProcessError: another process ended or was silent for longer than ``timeout``.
    """
    processes = start(timeout)
    own = own_module(module, seed)
    decisive = {name: settings.get(name) for name in DECISIVE}
    processes.agree(initial_parameters=own, seed=seed, settings=decisive)
    part = join(processes, network)
    return train(own, loss, [shard], part, seed=seed, holders=part.division, **settings)
