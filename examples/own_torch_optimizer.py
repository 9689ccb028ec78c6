"""
An optimizer of torch, over a network
=====================================

Any class derived from ``torch.optim.Optimizer`` runs at every node of a network: one of torch, one of another package,
or one of your own, as here. ``Tracked`` gives it an estimate of the mean gradient, so that all nodes minimize the sum
of their losses, and with one node it takes exactly the steps that it takes alone.

Run it with ``python examples/own_torch_optimizer.py``.
"""

# %%
# The optimizer: normalized gradient descent, with a step that shrinks.

from typing import Any

import torch

from gnn_l2o import minimize
from gnn_l2o.decentralized import Tracked
from gnn_l2o.local_updates import TorchOptimizer


class NormalizedDescent(torch.optim.Optimizer):
    """Steps of nearly the same length, whatever the gradient is."""

    def __init__(self, params: Any, lr: float = 0.5, decay: float = 0.05) -> None:
        super().__init__(params, {"lr": lr, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                taken = self.state[p].setdefault("taken", 0)
                p -= group["lr"] / (1 + group["decay"] * taken) * p.grad / (p.grad.norm() + 1e-3)
                self.state[p]["taken"] += 1


# %%
# Every node of a ring has some points; together they look for the centre of all.

points = torch.randn(8, 20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
optimizer = Tracked(TorchOptimizer(NormalizedDescent, {"lr": 0.5}))
result = minimize(lambda x, a: ((x - a) ** 2).sum(1).mean(), list(points), "ring", optimizer=optimizer)

# %%
# It ends where the mean of all points is.

centre = points.mean(dim=(0, 1))
distance = float((torch.as_tensor(result.x) - centre).norm())
print(f"{result.message}; distance from the centre {distance:.1e}")
