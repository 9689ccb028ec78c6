"""Which modules and samples can be trained: what is kept, frozen, dropped and refused."""

import copy
import itertools
from typing import Any

import networkx as nx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from gnn_l2o._utils.errors import InputError
from gnn_l2o.handcrafted import HANDCRAFTED
from gnn_l2o.problems.regularizers import L1
from tests.applications.small_training import TEST, Classifier, assert_equal, session, shards, train

D_NASA = dict.fromkeys(HANDCRAFTED["d_nasa"].grid, 0.1)


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(module.state_dict())


class Pairs(Dataset[Any]):
    def __init__(self, features: Tensor, targets: Tensor) -> None:
        self.features, self.targets = features, targets

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.features[index], int(self.targets[index])


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(itertools.repeat((torch.zeros(4), 0)))


class Strange(Dataset[Any]):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        return object(), 0


@pytest.mark.parametrize(
    "given",
    [
        lambda f, t: TensorDataset(f, t),
        Pairs,
        lambda f, t: Subset(Pairs(torch.cat([f, f]), torch.cat([t, t])), range(len(f))),
        lambda f, t: DataLoader(Pairs(f, t), batch_size=3),
        lambda f, t: [f.numpy(), t.tolist()],
    ],
    ids=["tensors", "dataset", "subset", "loader", "arrays"],
)
def test_samples_come_as_arrays_datasets_or_loaders(given: Any) -> None:
    expected = train(test=TEST).parameters
    assert torch.equal(train(shards=[given(*pair) for pair in shards()], test=given(*TEST)).parameters, expected)


@pytest.mark.parametrize("network", [nx.cycle_graph(4), "ring"], ids=["networkx", "name"])
def test_networks_come_as_graphs_or_names(network: Any) -> None:
    assert torch.equal(train(network=network).parameters, train().parameters)


def test_a_module_that_is_given_stays_as_it_is() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 3)).double().eval()
    before = state_of(module)
    trained = train(module)
    assert_equal(module.state_dict(), before)
    assert not module.training and next(module.parameters()).dtype == torch.float64
    start = parameters_to_vector(module.parameters()).float()
    assert trained.history[0].consensus == 0 and not torch.equal(trained.parameters[0], start)
    assert torch.equal(session(module).parameters[0], start)


@pytest.mark.parametrize("optimizer", ["milodo_mlp", "dsgd"])
def test_frozen_parameters_stay_as_they_are_and_are_not_sent(optimizer: str) -> None:
    module = Classifier()
    module[0].requires_grad_(False)
    parameters = None if optimizer == "milodo_mlp" else {"step_size": 0.3, "momentum": 0.5, "decay": 1e-3}
    trained = train(module, optimizer=optimizer, parameters=parameters, iterations=20)
    assert trained.parameters.shape == (4, 12)
    assert trained.history[-1].loss < trained.history[0].loss
    for result in (trained.module, *trained.node_modules):
        assert torch.equal(result[0].weight, module[0].weight.float())  # type: ignore[index]
        assert not torch.equal(result[2].weight, module[2].weight.float())  # type: ignore[index]


class Counting(nn.Module):
    """Counts its calls in a buffer, on which the output depends."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.linear(x) + self.calls


def test_what_a_module_writes_to_its_buffers_is_dropped() -> None:
    trained = train(Counting(), iterations=3)
    assert trained.module.calls.tolist() == [0]
    module = trained.module.linear
    with torch.no_grad():
        losses = [F.cross_entropy(module(f.float()) + 1, t) for f, t in shards()]  # type: ignore[operator]
    assert trained.history[-1].loss == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)


def test_running_statistics_are_those_of_all_nodes_or_of_the_own_samples() -> None:
    module = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3))
    data = shards((8, 8, 8, 8))
    trained = train(module, shards=data, batch_size=None, iterations=5)
    features = torch.stack([f for f, _ in data]).float()
    torch.testing.assert_close(trained.module[0].running_mean, features.mean(dim=(0, 1)))  # type: ignore[index]
    for own, result in zip(features, trained.node_modules, strict=True):
        torch.testing.assert_close(result[0].running_mean, own.mean(dim=0))  # type: ignore[index]
        torch.testing.assert_close(result[0].running_var, own.var(dim=0))  # type: ignore[index]


class Attentive(nn.Module):
    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.lift, self.head = nn.Linear(1, 4), nn.Linear(4, 3)
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=dropout, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.lift(x.unsqueeze(-1))).mean(dim=1))


def test_attention_is_trained() -> None:
    history = train(Attentive, optimizer="milodo_mlp", parameters=None, iterations=4, test=TEST).history
    assert history[-1].loss < history[0].loss


def test_mixed_precision_computes_in_bfloat16_and_returns_float32() -> None:
    single, mixed = train(batch_size=None), train(batch_size=None, autocast=torch.bfloat16)
    assert isinstance(mixed.module, Classifier) and isinstance(mixed.node_modules[0], Classifier)
    assert mixed.parameters.dtype == torch.float32
    assert not torch.equal(mixed.parameters, single.parameters)
    torch.testing.assert_close(mixed.parameters, single.parameters, rtol=0, atol=0.05)


class Drops(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(super().forward(x))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shards": shards((5, 3, 7))}, "the network has 4 nodes, but there is data of 3"),
        ({"shards": TensorDataset(*TEST)}, "list with the samples of each node, got a TensorDataset.*random_split"),
        ({"shards": [Endless()] * 4}, "node 0 has a Endless, which may never end"),
        (
            {"shards": [TensorDataset(TEST[0])] * 4},
            "of the TensorDataset of node 0 pairs of features and a target",
        ),
        ({"shards": [[*zip(TEST[0], "abcdefgh", strict=False)]] * 4}, "expected of node 0 features .* got a list of 8"),
        ({"shards": [Strange()] * 4}, "expected of the Strange of node 0 pairs .*, as arrays; .*object"),
        ({"shards": [torch.zeros(2, 4)] * 4}, "expected of node 0 features .* got a Tensor"),
        ({"shards": [("a", "b")] * 4}, "got str and str that are no arrays"),
        (
            {"network": 4},
            "a network is the name of a topology, a Network, a networkx graph, or a square matrix; got int",
        ),
        ({"network": "rng"}, "did you mean 'ring'"),
        ({"module": 3}, "expected a torch.nn.Module or a function that returns one, got a int"),
        ({"module": list}, "got a function that returns a list"),
        (
            {"module": lambda: Classifier().requires_grad_(False)},
            "no parameters to train; expected one with requires_grad",
        ),
        ({"module": lambda: Attentive(0.1)}, "layer.self_attn has dropout.* or with dropout=0"),
        ({"module": lambda: Drops(4, 3)}, "it draws random numbers, as dropout does"),
        ({"module": Attentive, "autocast": torch.bfloat16}, "cannot be run on samples"),
        ({"autocast": torch.float16}, "mixed precision is in torch.bfloat16, got torch.float16"),
        ({"batch_size": 9}, "batch_size is 9, but no node has more than 8 samples"),
        ({"device": "gpu"}, "cannot compute on device 'gpu'"),
        ({"iterations": 0}, "iterations must be at least 1"),
        ({"measure_every": 0}, "measure_every must be at least 1"),
        ({"patience": 0, "test": TEST}, "patience must be at least 1"),
        ({"patience": 1}, "patience watches the loss on test samples"),
        ({"optimizer": "dsgd", "parameters": None}, "needs the parameters step_size, momentum, decay"),
        ({"parameters": {"stepsize": 0.1}}, "did you mean 'step_size'"),
        ({"optimizer": "milodo_gnn"}, "not for milodo_gnn"),
        ({"optimizer": "milodo_gmn", "parameters": None}, "did you mean 'milodo_gnn'"),
        ({"optimizer": "d_nasa", "parameters": D_NASA, "regularizer": L1(0.1)}, "smooth problems"),
        ({"optimizer": "milodo_mlp", "parameters": None, "regularizer": L1(0.1)}, "expected no regularizer, got L1"),
    ],
)
def test_nonsense_is_not_trained(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(**change)
