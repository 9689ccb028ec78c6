"""A small classifier and its training over a ring."""

from typing import Any

import networkx as nx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gnn_l2o
from gnn_l2o.applications.module_training import ModuleSession, TrainedModule
from gnn_l2o.graph.network import Network

RING = Network.from_networkx(nx.cycle_graph(4))


class Classifier(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3))


def shards(sizes: tuple[int, ...] = (8, 8, 4, 6), seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    random = torch.Generator().manual_seed(seed)
    return [(torch.randn(m, 4, generator=random), torch.randint(3, (m,), generator=random)) for m in sizes]


TEST = shards((20,), seed=1)[0]


def train(module: Any = Classifier, loss: Any = F.cross_entropy, network: Any = RING, **changes: Any) -> TrainedModule:
    settings = {"optimizer": "dsgd", "parameters": {"step_size": 0.3, "momentum": 0.5, "decay": 1e-3}, **changes}
    data = settings.pop("shards", shards())
    return gnn_l2o.train_module(
        module, loss, data, network, **{"batch_size": 4, "iterations": 60, "seed": 1, **settings}
    )


def session(module: Any = Classifier, **changes: Any) -> ModuleSession:
    settings = {"optimizer": "dsgd", "parameters": {"step_size": 0.3, "momentum": 0.5, "decay": 1e-3}, **changes}
    return ModuleSession(module, F.cross_entropy, shards(), RING, **{"batch_size": 4, "iterations": 9, **settings})


def assert_equal(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
