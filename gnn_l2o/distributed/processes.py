"""The processes of one run: how they find each other, agree, and reduce numbers over all of them."""

from __future__ import annotations

import atexit
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.fingerprint import fingerprint
from gnn_l2o.problems.holders import Holders

TIMEOUT = 60.0
"""Seconds for which a process waits for a message of another by default."""
_LONG = timedelta(days=7)  # while the first process tunes, the others wait for it


class Processes:
    """The processes that ``torchrun`` started, and the calls that all of them make together, in the same order.

    Only tensors and the bytes of JSON travel; nothing is pickled.

    Args:
        timeout: seconds for which a process waits for a message.

    Attributes:
        rank: the number of this process, from 0.
        count: how many there are.
        bytes_sent: what this process has sent to others in point-to-point messages.
        messages: how many messages these were.
    """

    def __init__(self, timeout: float) -> None:
        self.rank, self.count = dist.get_rank(), dist.get_world_size()
        self.bytes_sent = self.messages = 0
        self._group, self._patient = (dist.new_group(timeout=t) for t in (timedelta(seconds=timeout), _LONG))

    @property
    def is_first(self) -> bool:
        """Whether this is process 0, which writes results."""
        return self.rank == 0

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum of the tensors that the processes give, of one shape."""
        return self._reduced(value, dist.ReduceOp.SUM)

    def max(self, value: Tensor) -> Tensor:
        """Return the largest of the tensors that the processes give, entry by entry."""
        return self._reduced(value, dist.ReduceOp.MAX)

    def _reduced(self, value: Tensor, operation: Any) -> Tensor:
        if self.count == 1:
            return value
        total = value.clone().contiguous()
        with connection_errors():
            dist.all_reduce(total, operation, group=self._group)
        return total

    def concatenate(self, rows: Tensor, counts: list[int]) -> Tensor:
        """Return the rows of all processes one after another: ``(n, k)`` to ``(N, k)``.

        Args:
            rows: of this process.
            counts: how many rows every process gives.
        """
        if self.count == 1:
            return rows
        # Gathering wants equal shapes, so that short parts are padded.
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in counts]
        with connection_errors():
            dist.all_gather(parts, padded, group=self._group)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    def from_first(self, make: Callable[[], Any]) -> Any:
        """Return at every process what ``make`` returns at the first one: what JSON can hold.

        An :class:`InputError` that ``make`` raises at the first process is raised at all of them.
        """
        content = b""
        if self.is_first:
            try:
                content = json.dumps({"value": make()}).encode()
            except InputError as error:
                content = json.dumps(
                    {"error": str(error), "given": {k: str(v) for k, v in error.given.items()}}
                ).encode()
        received = json.loads(self._broadcast(content))
        if "error" in received:
            problem = InputError(received["error"])
            problem.given = received["given"]
            raise problem
        return received["value"]

    def _broadcast(self, content: bytes) -> bytes:
        if self.count == 1:
            return content
        length = torch.tensor([len(content)])
        with connection_errors():
            dist.broadcast(length, 0, group=self._patient)
            data = torch.empty(int(length), dtype=torch.uint8)
            if self.is_first:
                data.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
            dist.broadcast(data, 0, group=self._patient)
        return data.numpy().tobytes()

    def agree(self, **given: Any) -> None:
        """Check that all processes were given the same, up to rounding.

        Args:
            given: what they were given, by name in words, with ``_`` for spaces.

        Raises:
            InputError: a process has another one than the first; all processes raise it.
        """
        for name, own in given.items():
            digests = self._digests(fingerprint(own, rounded=True))
            other = next((rank for rank, digest in enumerate(digests) if digest != digests[0]), None)
            if other is not None:
                what = name.replace("_", " ")
                raise InputError(
                    f"processes 0 and {other} have different values of {what}; all processes need the same arguments"
                )

    def _digests(self, own: str) -> list[bytes]:
        rows = self.concatenate(torch.tensor([list(own.encode())], dtype=torch.uint8), [1] * self.count)
        return [bytes(row.tolist()) for row in rows]

    def exchange(
        self,
        outgoing: dict[int, Tensor],
        incoming: dict[int, Tensor],
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        """Send tensors to other processes while theirs arrive, at most one each way for every pair.

        Args:
            outgoing: by the receiver.
            incoming: by the sender, the tensors to fill.
            meanwhile: what is done while messages are under way.
        """
        # Receives first: a large message is not taken in before its receiver is ready for it.
        calls = [dist.P2POp(dist.irecv, tensor, rank, self._group) for rank, tensor in incoming.items()]
        calls += [dist.P2POp(dist.isend, tensor, rank, self._group) for rank, tensor in outgoing.items()]
        if not calls:
            return
        with connection_errors():
            works = dist.batch_isend_irecv(calls)
            meanwhile()
            for work in works:
                work.wait()
        self.messages += len(outgoing)
        self.bytes_sent += sum(tensor.numel() * tensor.element_size() for tensor in outgoing.values())


def start(timeout: float = TIMEOUT) -> Processes:
    """Join the processes that ``torchrun`` started; again and again, if need be.

    Messages go over the loopback device where all processes are on one machine. Otherwise
    ``GLOO_SOCKET_IFNAME`` names the network device; they are not encrypted.

    Args:
        timeout: seconds for which a process waits for the others, at the start and for every message.

    Raises:
        InputError: this process was not started by torchrun, or the others cannot be reached.
    """
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        raise InputError("this is a lone process; start it with: torchrun --nproc-per-node 2 SCRIPT ...")
    if os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"]:
        loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), None)
        if loopback is not None:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
    where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    try:
        if not dist.is_initialized():  # once in the life of a process; torch cannot join the same processes twice
            _join(timedelta(seconds=timeout))
            atexit.register(dist.destroy_process_group)
        return Processes(timeout)
    except (RuntimeError, ValueError) as error:  # among them torch's DistNetworkError and DistStoreError
        raise InputError(
            f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} cannot join the others at {where} within "
            f"{timeout:g} s: {_line(error)}"
        ) from error


def _join(timeout: timedelta) -> None:
    """Make the group of all processes of this attempt.

    After a restart torchrun keeps what the processes before have told each other, such as their addresses; a prefix
    of its own keeps an attempt from reading it.
    """
    store, rank, count = next(rendezvous("env://", timeout=timeout))
    attempt = PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
    dist.init_process_group("gloo", store=attempt, rank=rank, world_size=count, timeout=timeout)


class LostProcessError(InputError):
    """Another process does not answer."""


@contextmanager
def connection_errors() -> Iterator[None]:
    """Say in a line that a process does not answer.

    Raises:
        LostProcessError: in place of the error of torch.
    """
    try:
        yield
    except RuntimeError as error:
        raise LostProcessError(
            f"process {dist.get_rank()} lost the connection to another one, which ended or was silent for too long: "
            f"{_line(error)}"
        ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


class Division(Holders):
    """The nodes of one network divided among processes.

    Args:
        processes: these.
        owner: ``(N,)``, the process that holds each node.

    Attributes:
        processes: these.
        owner: likewise.
        nodes: ``(n,)``, the numbers of this process's nodes, ascending.
    """

    def __init__(self, processes: Processes, owner: Tensor) -> None:
        self.processes, self.owner = processes, owner
        self._counts = torch.bincount(owner, minlength=processes.count).tolist()
        self._nodes = (owner == processes.rank).nonzero().squeeze(1)
        by_process = torch.argsort(owner, stable=True)
        self._position = torch.empty_like(by_process)
        self._position[by_process] = torch.arange(len(owner))

    @property
    def num_nodes(self) -> int:
        return len(self.owner)

    @property
    def nodes(self) -> Tensor:
        return self._nodes

    def sum(self, value: Tensor) -> Tensor:
        return self.processes.sum(value)

    def max(self, value: Tensor) -> Tensor:
        return self.processes.max(value)

    def gather(self, rows: Tensor) -> Tensor:
        return self.processes.concatenate(rows, self._counts).index_select(0, self._position)
