"""Training a module over a network of nodes: what goes in, the loop, and what comes out."""

import copy
import itertools
import math
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

import gnn_l2o
from gnn_l2o._utils.errors import InputError
from gnn_l2o.applications.module_training import ModuleSession, Progress, TrainedModule
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import HANDCRAFTED, ProxED
from gnn_l2o.problems.regularizers import L1

RING = Network.from_networkx(nx.cycle_graph(4))
D_NASA = dict.fromkeys(HANDCRAFTED["d_nasa"].grid, 0.1)


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


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(module.state_dict())


def assert_equal(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


# What comes out.


def test_a_module_is_trained() -> None:
    told: list[Progress] = []
    trained = train(test=TEST, measure_every=25, callback=told.append)
    assert [p.iteration for p in trained.history] == [0, 25, 50, 60] and trained.iteration == 60
    assert told == trained.history
    assert trained.history[-1].loss < 0.9 * trained.history[0].loss
    assert trained.parameters.shape == (4, 27)
    mean = trained.parameters.mean(dim=0)
    assert torch.equal(parameters_to_vector(trained.module.parameters()), mean)
    with torch.no_grad():
        losses = [F.cross_entropy(trained.module(f.float()), t) for f, t in shards()]
    assert trained.history[-1].loss == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)
    deviation = ((trained.parameters - mean).square().sum(dim=1).mean().sqrt() / mean.norm()).item()
    assert trained.history[-1].consensus == pytest.approx(deviation, rel=1e-4)


def test_the_average_is_judged_on_test_samples() -> None:
    trained = train(test=TEST)
    with torch.no_grad():
        outputs = trained.module(TEST[0].float())
    assert trained.history[-1].accuracy == pytest.approx(float((outputs.argmax(dim=1) == TEST[1]).float().mean()))
    assert trained.history[-1].test_loss == pytest.approx(F.cross_entropy(outputs, TEST[1]).item(), rel=1e-5)
    assert "accuracy" in str(trained.history[-1])


def test_of_targets_that_are_no_classes_only_the_loss_is_measured() -> None:
    values = [(f, f[:, :1].sin()) for f, _ in shards()]
    trained = train(lambda: nn.Linear(4, 1), F.mse_loss, shards=values, test=(TEST[0], TEST[0][:, :1].sin()))
    with torch.no_grad():
        expected = (trained.module(TEST[0].float()) - TEST[0][:, :1].sin()).square().mean()
    assert trained.history[-1].test_loss == pytest.approx(float(expected), rel=1e-5)
    assert trained.history[-1].accuracy is None and "accuracy" not in str(trained.history[-1])


def test_every_node_has_a_module_of_its_own() -> None:
    trained = train()
    for module, row in zip(trained.node_modules, trained.parameters, strict=True):
        assert torch.equal(parameters_to_vector(module.parameters()), row) and not module.training
    assert not torch.equal(trained.parameters[0], trained.parameters[1])


def test_training_follows_the_seed_and_leaves_torchs_stream_alone() -> None:
    loaders = [DataLoader(TensorDataset(*pair), batch_size=3, shuffle=True) for pair in shards()]
    first, other = train(shards=loaders), train(shards=loaders, seed=2)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    again = train(shards=loaders)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.parameters, again.parameters)
    assert not torch.equal(first.parameters, other.parameters)


@pytest.mark.parametrize("optimizer", ["milodo_mlp", "milodo_gnn", "ed", ProxED(0.2)])
def test_any_optimizer_trains_a_module(optimizer: Any) -> None:
    parameters = {"step_size": 0.2} if optimizer == "ed" else None
    history = train(optimizer=optimizer, parameters=parameters, batch_size=None, iterations=40).history
    assert history[-1].loss < 0.95 * history[0].loss


# What goes in.


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


# The loop.


def test_a_session_is_a_loop_that_can_be_left_and_taken_up_again() -> None:
    ours = session(test=TEST)
    assert ours.iteration == 0
    for iteration in ours:
        assert iteration == ours.iteration
        if iteration == 4:
            break
    assert list(ours) == [5, 6, 7, 8, 9]
    expected = train(iterations=9, seed=0, test=TEST)
    assert torch.equal(ours.parameters, expected.parameters)
    assert ours.measure() == expected.history[-1]
    assert_equal(ours.module().state_dict(), expected.module.state_dict())
    assert torch.is_grad_enabled() and not ours.parameters.requires_grad


def test_a_callback_that_returns_false_ends_training() -> None:
    trained = train(measure_every=10, callback=lambda progress: progress.iteration < 20)
    assert [p.iteration for p in trained.history] == [0, 10, 20] and trained.iteration == 20
    assert train(measure_every=30, callback=lambda progress: None).iteration == 60


def test_early_stopping_returns_the_parameters_with_the_smallest_test_loss() -> None:
    random = TEST[0], torch.randint(3, (20,))  # nothing can be learned of these
    trained = train(test=random, measure_every=2, patience=4, iterations=100)
    losses = [p.test_loss for p in trained.history if p.test_loss is not None]
    best = losses.index(min(losses))
    assert len(losses) == best + 5 and trained.iteration == 2 * best < 90
    with torch.no_grad():
        assert F.cross_entropy(trained.module(random[0].float()), random[1]).item() == pytest.approx(
            min(losses), rel=1e-5
        )


# Checkpoints.


class Interrupted(Exception):
    pass


def interrupt_at(iteration: int) -> Any:
    def callback(progress: Progress) -> None:
        if progress.iteration == iteration:
            raise Interrupted

    return callback


@pytest.mark.parametrize(
    ("optimizer", "parameters"),
    [
        ("milodo_mlp", None),
        ("milodo_gnn", None),
        ("dinno_adam", {"step_size": 0.1, "penalty": 0.1, "local_steps": 2}),
        (ProxED(0.2), None),
    ],
    ids=str,
)
def test_an_interrupted_training_goes_on_to_the_same_numbers(optimizer: Any, parameters: Any, tmp_path: Path) -> None:
    settings = {"optimizer": optimizer, "parameters": parameters, "iterations": 20, "measure_every": 7}
    expected = train(**settings)
    with pytest.raises(Interrupted):
        train(**settings, checkpoint=tmp_path / "run.pt", callback=interrupt_at(14))
    trained = train(**settings, checkpoint=tmp_path / "run.pt")
    assert torch.equal(trained.parameters, expected.parameters)
    assert trained.history == expected.history and trained.iteration == 20
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_a_training_is_interrupted_at_its_beginning_or_after_its_end(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(iterations=9, checkpoint=tmp_path / "run.pt", callback=interrupt_at(0))
    expected = train(iterations=9)
    for _ in range(2):
        trained = train(iterations=9, checkpoint=tmp_path / "run.pt")
        assert torch.equal(trained.parameters, expected.parameters) and trained.history == expected.history


def test_early_stopping_goes_on_too(tmp_path: Path) -> None:
    random = TEST[0], torch.randint(3, (20,))
    settings = {"test": random, "measure_every": 2, "patience": 4, "iterations": 100}
    expected = train(**settings)
    with pytest.raises(Interrupted):
        train(**settings, checkpoint=tmp_path / "run.pt", callback=interrupt_at(expected.history[-2].iteration))
    for _ in range(2):  # goes on, and then has nothing to do
        trained = train(**settings, checkpoint=tmp_path / "run.pt")
        assert trained.history == expected.history and trained.iteration == expected.iteration
        assert torch.equal(trained.parameters, expected.parameters)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 2}, "begun with another batch_size or seed;"),
        ({"module": Classifier}, "another module or seed;"),
        ({"batch_size": 3}, "another batch_size or seed;"),
        ({"shards": shards(seed=3)}, "another set of samples;"),
        ({"network": "star"}, "another network;"),
        ({"loss": nn.CrossEntropyLoss()}, "another loss;"),
        ({"optimizer": ProxED(0.2), "parameters": None}, "another optimizer;"),
        ({"regularizer": L1(0.1)}, "another regularizer;"),
        ({"iterations": 19}, "has taken 20 iterations, got iterations=19"),
    ],
)
def test_a_checkpoint_is_of_one_training(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    module = Classifier()
    train(module, iterations=20, checkpoint=tmp_path / "run.pt")
    with pytest.raises(InputError, match=message):
        train(**{"module": module, "iterations": 20, **change}, checkpoint=tmp_path / "run.pt")


def test_a_training_is_prolonged(tmp_path: Path) -> None:
    train(iterations=20, checkpoint=tmp_path / "run.pt")
    assert torch.equal(train(iterations=30, checkpoint=tmp_path / "run.pt").parameters, train(iterations=30).parameters)


def test_other_files_are_no_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("hello")
    torch.save({"a": 1}, tmp_path / "other.pt")
    for name, message in (("text.pt", "cannot be read"), ("other.pt", "is no checkpoint of train_module")):
        with pytest.raises(InputError, match=message):
            train(checkpoint=tmp_path / name)


def test_a_state_names_only_classes_that_are_loaded() -> None:
    ours = session()
    content = ours.state_dict()
    for name in ("antigravity:Fly", "os:system", "builtins:dict"):
        with pytest.raises(InputError, match=r"there is no class|cannot be loaded"):
            ours.load_state_dict({**content, "state": {"class": name, "fields": {}}})


# The progress bar.


def test_a_progress_bar_shows_the_last_measurement(capsys: pytest.CaptureFixture[str]) -> None:
    plain = train(measure_every=30)
    assert capsys.readouterr() == ("", "")
    shown = train(measure_every=30, progress_bar=True)
    printed = capsys.readouterr()
    assert torch.equal(shown.parameters, plain.parameters)
    assert printed.out == "" and "100%" in printed.err and "iteration 30: loss" in printed.err
    assert math.isfinite(shown.history[-1].loss)
