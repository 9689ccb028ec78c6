"""Recording what a function of ``torch.func`` comes to, as plain tensor operations without its overhead a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

Function = Callable[..., Tensor]


def recorded(function: Function, *args: Tensor) -> Function:
    """Return the operations that a function consists of, for arguments of the shapes and types of ``args``.

    The result cannot be differentiated everywhere. Recording rests on parts of torch that are not public and that any
    release may move or change. Where they are missing or fail, the function itself is returned: the same numbers, more
    slowly (``benchmarks/neural_gradients.py`` measures by how much).
    """
    try:
        return _recorded(function, *args)
    except Exception:  # whatever a release of torch may raise; what is wrong with the function, its call raises again
        return function


def _recorded(function: Function, *args: Tensor) -> Function:
    from torch._decomp import get_decompositions
    from torch.fx.experimental.proxy_tensor import make_fx

    # Over a few classes the parts of a softmax take a third of the time of the whole.
    softmax = [torch.ops.aten._log_softmax, torch.ops.aten._log_softmax_backward_data]
    decompositions: Any = get_decompositions(softmax)
    # Of real tensors every operation would make fake ones of a mode of its own, which takes three times as long.
    record = make_fx(function, decompositions, tracing_mode="fake", _allow_non_fake_inputs=True)
    return _pruned(record(*args))


def _pruned(operations: fx.GraphModule) -> fx.GraphModule:
    """Return operations without those that change nothing, such as the factor 1 of ``addmm``'s bias."""
    for node in operations.graph.find_nodes(op="call_function", target=torch.ops.aten.mul.Scalar):
        if node.args[1] == 1 and isinstance(node.args[1], int):
            node.replace_all_uses_with(node.args[0])
    operations.graph.eliminate_dead_code()
    operations.recompile()
    return operations
