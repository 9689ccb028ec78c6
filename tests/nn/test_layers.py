"""Layers with trained weights, the block of many iterations, and what layers refuse."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch_geometric.nn import GCNConv, Sequential
from torch_geometric.utils import from_networkx

import gnn_l2o
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import (
    ConstantCoefficients,
    GenericL2OArchitecture,
    LocalMiLoDo,
    MiLoDo,
    MiLoDoBlock,
    RecomputeSchedule,
    available_models,
    load_model,
)
from gnn_l2o.nn import LocalMiLoDoConv, MiLoDoConv, PenaltyNetwork, Preconditioner, graph_spectrum
from gnn_l2o.problems import LeastSquares
from gnn_l2o.problems.regularizers import Zero

PATH = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])


def edges_of(graph: nx.Graph) -> Tensor:
    return from_networkx(graph).edge_index


def networks() -> list[Network]:
    return [Network.from_networkx(graph) for graph in (nx.star_graph(5), nx.cycle_graph(7), nx.empty_graph(1))]


# The spectrum.


def test_the_spectrum_is_that_of_every_component() -> None:
    expected = networks()
    together = Network.concatenate(expected)
    shuffled = torch.randperm(together.num_nodes)  # components need not stand one after another
    gap, smallest = graph_spectrum(shuffled[together.edge_index], together.num_nodes)
    torch.testing.assert_close(gap[shuffled], together.at_nodes(together.spectral_gap))
    torch.testing.assert_close(smallest[shuffled], together.at_nodes(together.min_eigenvalue))
    values = np.linalg.eigvalsh(expected[1].matrix().numpy())
    assert gap[shuffled][6].item() == pytest.approx(1 - max(values[-2], -values[0]))


# The block.


@pytest.mark.parametrize("name", ["milodo_gnn", "milodo_paper", "milodo_small"])
@pytest.mark.parametrize("warmup", [None, 5])
def test_a_block_does_what_its_optimizer_does(name: str, warmup: int | None) -> None:
    network, own, x0 = networks()[0], torch.randn(6, 3), torch.randn(6, 3)
    identity = np.eye(3) * 3**0.5  # of three samples, so that f_i = |x - own_i|^2 / 2
    problem = LeastSquares.from_nodes([identity] * 6, [identity @ row.numpy() for row in own], Zero())
    optimizer = MiLoDo.from_pretrained(name).to(dtype=torch.float64)
    optimizer = dataclasses.replace(optimizer, safeguarded=False)
    if warmup is not None:
        optimizer = dataclasses.replace(optimizer, schedule=dataclasses.replace(optimizer.schedule, warmup=5, every=0))
    block = MiLoDoBlock(30, pretrained=name, warmup=warmup).double()
    with torch.no_grad():
        driver = Driver(optimizer, problem, network, x0)
        driver.advance(30)
        result = block(x0, network.edge_index, gradient=lambda v: v - own)
        torch.testing.assert_close(result, driver.state.x, rtol=1e-8, atol=1e-8)


def test_a_block_averages_over_components_and_batches() -> None:
    block = MiLoDoBlock(200, pretrained="milodo_gnn").double()
    together = Network.concatenate(networks())
    x = torch.randn(together.num_nodes, 2)
    with torch.no_grad():
        result = block(x, together.edge_index, together.batch)
        torch.testing.assert_close(block(x, together.edge_index), result)
    means = torch.stack([x[together.batch == k].mean(dim=0) for k in range(3)])
    torch.testing.assert_close(result, means[together.batch], rtol=0, atol=1e-6)


def test_a_block_minimizes_losses_of_ones_own() -> None:
    x, scale = torch.zeros(3, 1), torch.tensor([[1.0], [2.0], [5.0]])
    target = torch.tensor([[1.0], [2.0], [4.0]])
    block = MiLoDoBlock(400, pretrained="milodo_gnn").double()

    def shrink(v: Tensor, step: Tensor) -> Tensor:
        return v.sign() * (v.abs() - step).clamp(min=0)  # of r = |x|

    with torch.no_grad():
        result = block(x, PATH, gradient=lambda v: scale * (v - target), prox=shrink, smoothness=scale)
    expected = (scale * target).sum() / scale.sum() - 3 / scale.sum()
    torch.testing.assert_close(result, expected.expand(3, 1), rtol=0, atol=1e-6)


def test_a_spectrum_that_is_given_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    block, x = MiLoDoBlock(5, pretrained="milodo_gnn").double(), torch.randn(3, 2)
    expected, spectrum = block(x, PATH), graph_spectrum(PATH, 3)
    monkeypatch.setattr("gnn_l2o.nn.messages.graph_spectrum", None)
    assert torch.equal(block(x, PATH, spectrum=spectrum), expected)


def test_a_block_is_trained_inside_a_sequential_model() -> None:
    layers = [(GCNConv(4, 2), "x, edge_index -> x"), (MiLoDoBlock(3), "x, edge_index, batch -> x")]
    model = Sequential("x, edge_index, batch", layers).double()
    loss = model(torch.randn(3, 4), PATH, None).square().sum()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert any(p.grad.abs().max() > 0 for p in model[1].conv.parameters())
    assert "MiLoDoBlock(3, MiLoDoConv(hidden_features=20, " in repr(model)
    assert repr(MiLoDoBlock(3, pretrained="milodo_gnn")) == "MiLoDoBlock(3, pretrained='milodo_gnn')"


def test_without_iterations_a_block_changes_nothing() -> None:
    x = torch.randn(3, 2)
    assert torch.equal(MiLoDoBlock(0).double()(x, PATH), x)


def test_a_block_draws_its_weights_anew() -> None:
    block = MiLoDoBlock(2, pretrained="milodo_gnn")
    before = copy.deepcopy(block.state_dict())
    block.reset_parameters()
    assert any(not torch.equal(before[key], value) for key, value in block.state_dict().items())


# Trained weights.


def test_layers_have_the_weights_of_trained_optimizers() -> None:
    for name in ("milodo_gnn", "milodo_local"):
        optimizer: Any = load_model(name)
        conv = optimizer.layer()
        assert [id(p) for p in conv.parameters()] == [id(p) for p in optimizer.weights.parameters()]
    assert isinstance(conv, LocalMiLoDoConv)


@pytest.mark.parametrize(
    "block",
    [
        lambda: MiLoDoBlock(2, pretrained="milodo_paper"),
        lambda: MiLoDoBlock(2, pretrained="milodo_gnn", warmup=3),
        lambda: MiLoDoBlock(2, preconditioner=Preconditioner(5, symmetrize="mean", log_features=False)),
        lambda: MiLoDoBlock(2, preconditioner=Preconditioner(5, parametrization="paper", edge_weights="edge")),
    ],
)
def test_a_block_is_saved_and_loaded(block: Any, tmp_path: Path) -> None:
    saved = block().float()  # weights are saved in single precision
    nn.init.normal_(next(saved.parameters()))
    saved.save_pretrained(tmp_path / "mine")
    again = MiLoDoBlock(2, pretrained=tmp_path / "mine").float()
    assert repr(again.conv) == repr(saved.conv) and again.optimizer.schedule == saved.optimizer.schedule
    assert again.optimizer.step_factors == saved.optimizer.step_factors
    for key, value in saved.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
    again.save_pretrained(tmp_path / "mine")  # what was trained further replaces what it was trained from


def test_the_weights_of_a_layer_are_saved_and_loaded(tmp_path: Path) -> None:
    conv = LocalMiLoDoConv(PenaltyNetwork(5, edges=False))
    LocalMiLoDo(conv.source, RecomputeSchedule(7, 3)).save_pretrained(tmp_path / "mine")
    again = LocalMiLoDo.from_pretrained(tmp_path / "mine")
    assert repr(again.layer()) == repr(conv) and again.schedule == RecomputeSchedule(7, 3)


@pytest.mark.parametrize("name", available_models())
def test_every_trained_optimizer_is_saved_and_loaded(name: str, tmp_path: Path) -> None:
    optimizer = load_model(name)
    optimizer.to(dtype=torch.float64).save_pretrained(tmp_path / name)
    again = type(optimizer).from_pretrained(tmp_path / name)
    assert again.architecture == optimizer.architecture and again.name == name
    for key, value in optimizer.weights.state_dict().items():
        assert torch.equal(again.weights.state_dict()[key], value), key


def test_what_is_no_trained_optimizer_of_the_kind_is_refused(tmp_path: Path) -> None:
    built = GenericL2OArchitecture().algorithm(GenericL2OArchitecture().build())
    refused = [
        (lambda: MiLoDo.from_pretrained("milodo_gmn"), "did you mean 'milodo_gnn'"),
        (lambda: MiLoDoBlock(2, pretrained="milodo_local"), "no optimizer of the rule with gradients"),
        (lambda: MiLoDoBlock(2, pretrained="milodo_mlp"), "no optimizer of the rule with gradients"),
        (lambda: LocalMiLoDo.from_pretrained("milodo_gnn"), "milodo_gnn is a MiLoDo; expected a LocalMiLoDo"),
        (lambda: built.save_pretrained(tmp_path), "generic_l2o was not loaded"),
        (lambda: MiLoDo(ConstantCoefficients(0.4, 0.3, 0.9)).save_pretrained(tmp_path), "milodo was not loaded"),
        (lambda: MiLoDoBlock(-1), "iterations must be at least 0, got -1"),
        (lambda: MiLoDoBlock(1, pretrained="milodo_gnn", preconditioner=Preconditioner()), "got both"),
    ]
    for call, message in refused:
        with pytest.raises(InputError, match=message):
            call()
    load_model("milodo_gnn").save_pretrained(tmp_path / "mine")
    with pytest.raises(InputError, match="holds another model"):
        load_model("milodo_local").save_pretrained(tmp_path / "mine")
    assert load_model(tmp_path / "mine").architecture == load_model("milodo_gnn").architecture


# What layers refuse.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.ones(3)}, r"x must be \(N, d\) of real numbers, got \(3\) .*x.unsqueeze\(-1\)"),
        ({"x": torch.ones(3, 2).long()}, r"got \(3, 2\) of torch.int64 \(x.float\(\)"),
        ({"x": torch.ones(3, 2).float()}, "x is of torch.float32 and the layer of torch.float64"),
        (
            {"gradient": torch.ones(3, 2).float()},
            "gradient must be .* of torch.float64 like x, got .* of torch.float32",
        ),
        ({"gradient": torch.ones(2, 2)}, r"gradient must be \(3, 2\) .* got \(2, 2\)"),
        ({"edge_index": PATH.float()}, r"edge_index must be \(2, E\) of torch.int64, got \(2, 4\) of torch.float32"),
        ({"edge_index": PATH.t()}, r"got \(4, 2\)"),
        ({"edge_index": PATH + 1}, "edge_index names node 3, but nodes are 0 to 2"),
        ({"edge_index": torch.cat([PATH, PATH], dim=1)}, "more than once"),
        ({"batch": torch.tensor([0, 0, 1])}, "joins nodes of different graphs"),
    ],
)
def test_nonsense_is_refused(change: dict[str, Tensor], message: str) -> None:
    arguments = {"x": torch.ones(3, 2), "edge_index": PATH, "gradient": torch.ones(3, 2), **change}
    with pytest.raises(InputError, match=message):
        MiLoDoConv().double().init(**arguments)
    if "gradient" not in change:
        del arguments["gradient"]
        with pytest.raises(InputError, match=message):
            LocalMiLoDoConv().double().init(**arguments)
        with pytest.raises(InputError, match=message):
            MiLoDoBlock(2).double()(**arguments)


def test_gradients_of_a_step_are_like_its_iterates() -> None:
    conv, x = MiLoDoConv().double(), torch.ones(3, 2)
    state = conv.init(x, PATH, x)
    with pytest.raises(InputError, match="gradient must be"):
        conv(state, PATH, x.float())


def test_the_names_are_there() -> None:
    assert gnn_l2o.MiLoDoBlock is MiLoDoBlock
    assert repr(LocalMiLoDoConv()) == "LocalMiLoDoConv(hidden_features=16, edges=True)"
