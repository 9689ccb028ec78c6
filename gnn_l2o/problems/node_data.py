"""The data of the nodes, as users give it, as tensors; and nodes whose data has equal shapes together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems.finite_sum import cast, shape_of

NodeData = tuple[Tensor, ...]


def as_tensor(what: str, value: Any) -> Tensor:
    """Return numbers as a tensor, real ones in float64; whole numbers and truth values keep their type.

    Args:
        what: it is, for errors.
        value: a tensor, an array of numpy or scipy.sparse, a number, or whatever numpy makes an array of.

    Raises:
        InputError: they are no real numbers, or not finite.
    """
    if scipy.sparse.issparse(value):
        value = value.toarray()
    if not isinstance(value, Tensor):
        try:
            value = torch.from_numpy(np.array(value))
        except (TypeError, ValueError):
            raise InputError(f"{what} must be an array of numbers, got {_shown(value)}") from None
    tensor = cast(value.detach().to_dense(), torch.device("cpu"), torch.float64)
    if tensor.is_complex() or not bool(tensor.isfinite().all()):
        raise InputError(
            f"{what} must hold finite real numbers, got {'complex ones' if tensor.is_complex() else 'NaN or infinity'}"
        )
    return tensor


def as_node_data(data: Iterable[Any]) -> tuple[NodeData, ...]:
    """Return the arguments of every node as tensors.

    Args:
        data: for every node a tuple or list of its arguments, or its only one.

    Raises:
        InputError: there are no nodes, nodes have different numbers of arguments, or one is no array of finite numbers.
    """
    if isinstance(data, Mapping | str) or not isinstance(data, Iterable):
        raise InputError(f"data_per_node must be a list with the data of each node, got {_shown(data)}")
    nodes = [tuple(entry) if isinstance(entry, tuple | list) else (entry,) for entry in data]
    if not nodes:
        raise InputError("data_per_node must be a list with the data of each node, got an empty one")
    for i, arguments in enumerate(nodes):
        if len(arguments) != len(nodes[0]):
            raise InputError(
                f"node {i} has {len(arguments)} arguments for f, node 0 has {len(nodes[0])}; expected equally many"
            )
    return tuple(
        tuple(as_tensor(f"argument {k + 1} of node {i}", value) for k, value in enumerate(arguments))
        for i, arguments in enumerate(nodes)
    )


class Group(NamedTuple):
    """Nodes whose data has equal shapes, which are evaluated at once."""

    rows: Tensor  # (k,), the nodes
    data: NodeData  # (k, ...) each


def grouped(data: Sequence[NodeData]) -> tuple[Group, ...]:
    """Return nodes in groups of equal shapes and types of their data."""
    members: dict[Any, list[int]] = {}
    for i, arguments in enumerate(data):
        members.setdefault(tuple((a.shape, a.dtype) for a in arguments), []).append(i)
    return tuple(
        Group(torch.tensor(rows), tuple(map(torch.stack, zip(*(data[i] for i in rows), strict=True))))
        for rows in members.values()
    )


def described(arguments: NodeData) -> str:
    """Return the shapes and types of a node's arguments as text."""
    return ", ".join(f"{shape_of(a)} {str(a.dtype).removeprefix('torch.')}" for a in arguments) or "no data"


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text}" if len(text) < 40 else f"a {type(value).__name__}"
