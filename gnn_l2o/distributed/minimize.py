"""Decentralized minimization by processes that are one node each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.standing import Standing
from gnn_l2o.algorithms.stopping import StoppingRule
from gnn_l2o.applications.checkpoints import Checkpoints
from gnn_l2o.applications.minimize import STOP, MinimizeResult, minimize_problem
from gnn_l2o.distributed.joining import join
from gnn_l2o.distributed.network import DistributedNetwork
from gnn_l2o.distributed.processes import TIMEOUT, Processes, start
from gnn_l2o.graph.faults import Faults
from gnn_l2o.problems import Differentiable, Problem, Regularizer
from gnn_l2o.problems.differentiable import Function


def minimize(
    f: Function | Problem,
    data: Any,
    network: Any,
    *,
    regularizer: Regularizer | None = None,
    optimizer: str | Path | Algorithm[Any] = "milodo_local",
    x0: Any = None,
    stop: StoppingRule = STOP,
    checkpoints: str | Path | None = None,
    checkpoint_every: int = 50,
    faults: Faults | str | None = None,
    timeout: float = TIMEOUT,
) -> MinimizeResult:
    r"""Minimize :math:`F(x) = \frac1N \sum_i f_i(x) + r(x)` where this process is node i of N, under ``torchrun``.

    Every process calls it, with its own data, which never leaves it; what is sent are the vectors of the optimizer,
    the facts before the first iteration, and sums that measure the run. ``torchrun --nproc-per-node 8 script.py``
    starts eight nodes on a machine.

    Args:
        f: the loss of a node, as in :func:`gnn_l2o.minimize`; or a problem that holds this node alone.
        data: the arguments of this node; ``None`` with a problem.
        network: the graph, the same in every process, whose node k is process k; or the numbers of this process's
            neighbours (:func:`~gnn_l2o.distributed.joining.join`).
        regularizer: r, the same in every process, as all that follows.
        optimizer: what runs, see :func:`gnn_l2o.minimize`.
        x0: the initial point of all nodes.
        stop: when the run ends. A wall time counts as over as soon as it is in one process.
        checkpoints: a folder, which every process reaches its own files in. After a process has ended early, those that
            are started in place of all go on from the last iteration of which all have a file, to the same numbers.
        checkpoint_every: iterations from one file to the next.
        faults: of links and nodes, as in :meth:`.Network.with_faults`, to see what an optimizer does about them; all
            processes draw the same. Not with checkpoints, which do not know what late messages refer to.
        timeout: seconds for which a process waits for a message of another.

    Returns:
        The result, equal in all processes but for ``nodes``, which has the row of this node alone, and ``bytes``, what
        this process has really sent to its neighbours.

    Raises:
        InputError: an argument is wrong or differs between processes; or this process was not started by torchrun.
        LostProcessError: another process ended or was silent for longer than ``timeout``.
    """
    if faults is not None and checkpoints is not None:
        raise InputError("a run with faults cannot go on from checkpoints; expected one of faults and checkpoints")
    processes = start(timeout)
    part: DistributedNetwork = join(processes, network)
    if faults is not None:
        part = part.with_faults(faults)
    problem = _own_problem(f, data, regularizer, x0)
    processes.agree(
        number_of_coordinates=problem.dim,
        regularizer=problem.regularizer,
        optimizer=optimizer if isinstance(optimizer, Algorithm) else str(optimizer),
        x0=problem.initial_point(),
        stopping_rule=stop,
        faults=faults,
        checkpoints=(checkpoints is None, checkpoint_every),
    )
    result = minimize_problem(
        dataclasses.replace(problem, holders=part.division),
        part,
        optimizer=optimizer,
        stop=Together(stop, processes),
        checkpoints=None if checkpoints is None else _checkpoints(checkpoints, checkpoint_every, processes),
    )
    result.bytes = processes.bytes_sent
    if isinstance(problem, Differentiable):
        result.x, result.nodes = problem.layout.unflatten(result.x), problem.layout.unflatten(result.nodes)
    return result


def _own_problem(f: Function | Problem, data: Any, regularizer: Regularizer | None, x0: Any) -> Problem:
    if not isinstance(f, Problem):
        return Differentiable.from_nodes(f, [data], x0=x0, regularizer=regularizer)
    if data is not None or regularizer is not None or x0 is not None:
        raise InputError("a problem has its data, regularizer and initial point; expected data=None and no others")
    if f.num_nodes != 1:
        raise InputError(f"expected the problem of this node alone, got one of {f.num_nodes} nodes")
    return f


@dataclasses.dataclass(frozen=True)
class Together(StoppingRule):
    """A rule that holds in all processes as soon as it holds in one.

    Attributes:
        rule: this.
        processes: these.
    """

    rule: StoppingRule
    processes: Processes

    def holds(self, standing: Standing) -> bool:
        return self._anywhere(self.rule.holds(standing))

    def converged(self, standing: Standing) -> bool:
        return self._anywhere(self.rule.converged(standing))

    def _anywhere(self, here: bool) -> bool:
        return bool(self.processes.max(torch.tensor(int(here))))


def _checkpoints(folder: str | Path, every: int, processes: Processes) -> Checkpoints:
    def common(found: Sequence[int]) -> int | None:
        """Return the last iteration of which all processes have a file."""
        most = int(processes.max(torch.tensor(len(found))))
        own = torch.full((1, most), -1)
        own[0, : len(found)] = torch.tensor(found, dtype=torch.long)
        everyone = processes.concatenate(own, [1] * processes.count).tolist()
        return max(set.intersection(*map(set, everyone)) - {-1}, default=None)

    return Checkpoints(folder, every=every, name=f"process{processes.rank}", choose=common)
