"""L2O-Scale: the loop over coordinates at one node, and what its features, steps and bounds promise."""

import math
from itertools import islice
from typing import Any

import networkx as nx
import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import L2OScaleArchitecture
from gnn_l2o.learned.l2o_scale import L2OScale, averaged, features_of
from gnn_l2o.local_updates import Adam, PartialUpdate
from gnn_l2o.problems import LeastSquares, Problem, Zero
from gnn_l2o.testing.learned import random_algorithm
from tests.learned.local_updates import SCALES, SHAPES, deltas, drawn_update, normal, quadratic

# The loop of the paper, one coordinate after the other


def gru(cell: Any, a: Tensor, h: Tensor, added: Tensor | None) -> Tensor:
    width = len(h)
    added = torch.zeros(3 * width).double() if added is None else added
    bias = torch.cat([cell.gates.bias, cell.candidate.bias]) + added
    both = torch.cat([a, h])
    reset = torch.sigmoid(cell.gates.weight[:width] @ both + bias[:width])
    keep = torch.sigmoid(cell.gates.weight[width:] @ both + bias[width : 2 * width])
    fresh = torch.tanh(cell.candidate.weight @ torch.cat([a, reset * h]) + bias[2 * width :])
    return keep * h + (1 - keep) * fresh


def plain_loop(update: L2OScale, gradients: Tensor, shapes: tuple[tuple[int, ...], ...]) -> Tensor:
    """Return the steps for gradients ``(K, d)`` of one node."""
    net = update.network
    tensors = [t for t, shape in enumerate(shapes) for _ in range(math.prod(shape))]
    h = [net.gru.initial[0] for _ in tensors]
    array = [net.gru.initial[1] for _ in shapes]
    whole = net.gru.initial[2]
    beta, gamma = [0.0] * len(tensors), [0.0] * len(tensors)
    g_bar, lam = [[0.0] * 4 for _ in tensors], [[0.0] * 4 for _ in tensors]
    eta = [math.log(update.initial_rate)] * len(tensors)
    steps = []
    for g in gradients.tolist():
        mean_eta = sum(eta) / len(eta)
        features, momenta, new_h, v, new_eta = [], [], [], [], []
        for c, t in enumerate(tensors):
            m, logs = [], []
            for s in range(4):
                b, q = beta[c] ** (0.5**s), gamma[c] ** (0.5**s)
                g_bar[c][s] = b * g_bar[c][s] + (1 - b) * g[c]
                lam[c][s] = q * lam[c][s] + (1 - q) * (g_bar[c][s] ** 2 + 1e-16)
                m.append(math.asinh(g_bar[c][s] / math.sqrt(lam[c][s])))
                logs.append(math.log(lam[c][s]))
            row = [*m, m[0] * m[1], m[1] * m[2], m[2] * m[3], *(v - sum(logs) / 4 for v in logs), eta[c] - mean_eta]
            a = torch.tensor(row).double()
            added = net.gru.arrays_to_coordinates(array[t]) + net.gru.whole_to_coordinates(whole)
            state = gru(net.gru.coordinates, a, h[c], added)
            out = net.direction.weight[0] @ state
            v.append((out * m[0] if update.zero_preserving else out) + net.shortcut.weight[0] @ a[:4])
            log_rate = eta[c] + float(net.rate_change(state))
            new_eta.append(min(max(log_rate, -33.0), 33.0))
            beta[c], gamma[c] = (float(torch.sigmoid(f(state))) for f in (net.decay, net.square_decay))
            features.append(a)
            momenta.append(m)
            new_h.append(state)
        h = new_h
        rms = [
            math.sqrt(sum(float(x) ** 2 for x, u in zip(v, tensors, strict=True) if u == t) / tensors.count(t) + 1e-16)
            for t in range(len(shapes))
        ]
        steps.append(
            [-math.exp(e + net.offset) * float(x) / rms[t] for e, x, t in zip(new_eta, v, tensors, strict=True)]
        )
        keep = float(torch.sigmoid(net.rate_momentum))
        eta = [keep * old + (1 - keep) * new for old, new in zip(eta, new_eta, strict=True)]
        seen = [
            sum(torch.cat([h[c], features[c]]) for c, u in enumerate(tensors) if u == t) / tensors.count(t)
            for t in range(len(shapes))
        ]
        array = [
            gru(net.gru.arrays, a, state, net.gru.whole_to_arrays(whole)) for a, state in zip(seen, array, strict=True)
        ]
        whole = gru(net.gru.whole, sum(array) / len(array), whole, None)
    return torch.tensor(steps).double()


@pytest.mark.parametrize("zero_preserving", [False, True])
@pytest.mark.parametrize("shapes", [SHAPES, ((10,),)])
def test_it_is_the_loop_over_coordinates_and_arrays(zero_preserving: bool, shapes: tuple[tuple[int, ...], ...]) -> None:
    update = drawn_update(L2OScaleArchitecture(zero_preserving=zero_preserving))
    gradients = normal(12, 1, 10)
    with torch.no_grad():
        plain = plain_loop(update, gradients[:, 0], shapes)
    torch.testing.assert_close(deltas(update, gradients, shapes)[:, 0], plain, rtol=1e-9, atol=1e-13)


def test_number_of_weights() -> None:
    assert sum(p.numel() for p in L2OScaleArchitecture().build().parameters()) == 8349


# What the features and steps promise


def test_the_features_of_a_multiple_of_the_gradients_are_the_same() -> None:
    update, gradients = drawn_update(), normal(6, 1, 10)

    def features(factor: float) -> Tensor:
        memory = update.init(gradients[0], SHAPES)
        with torch.no_grad():
            for g in factor * gradients:
                _, squares, momenta = averaged(g, memory)
                found = features_of(momenta, squares, memory.log_rate)
                _, memory = update.delta(g, g, memory)
        return found

    assert features(1.0).shape == (1, 10, 12)
    for factor in (1e-2, 1e4):
        torch.testing.assert_close(features(factor), features(1.0), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rate", [1e-4, 0.03])
def test_the_root_mean_square_of_an_arrays_step_is_its_rate(rate: float) -> None:
    update = drawn_update(L2OScaleArchitecture(initial_rate=rate))
    with torch.no_grad():
        update.network.rate_change.weight.zero_()  # else rates differ within an array
        update.network.rate_change.bias.fill_(0.5)
    found = deltas(update, normal(4, 1, 10))[:, 0]
    keep, log_rate = torch.sigmoid(update.network.rate_momentum), math.log(rate)
    for row in found:
        expected = (log_rate + 0.5 + update.network.offset).exp().detach()
        for part in row.split([6, 1, 3]):
            torch.testing.assert_close(part.square().mean().sqrt(), expected)
        log_rate += (0.5 * (1 - keep)).item()


def test_rates_are_bounded_but_have_slopes_outside() -> None:
    update = drawn_update()
    with torch.no_grad():
        update.network.rate_change.bias.fill_(100.0)
    gradient = normal(1, 10)
    delta, memory = update.delta(gradient, gradient, update.init(gradient, SHAPES))
    assert float(memory.log_rate.detach().max()) < 33.0
    (slope,) = torch.autograd.grad(delta.abs().log().sum(), update.network.rate_change.bias)
    assert float(slope) == pytest.approx(10.0, rel=1e-6)


def test_coordinates_of_an_array_may_be_permuted_and_arrays_see_each_other() -> None:
    update, gradients = drawn_update(), normal(5, 1, 10)
    order = torch.tensor([4, 2, 0, 5, 1, 3, 6, 9, 7, 8])
    torch.testing.assert_close(deltas(update, gradients[..., order]), deltas(update, gradients)[..., order])
    across = torch.tensor([6, 1, 2, 3, 4, 5, 0, 7, 8, 9])  # exchanges coordinates of two arrays
    assert not torch.allclose(deltas(update, gradients[..., across]), deltas(update, gradients)[..., across])
    changed = gradients.clone()
    changed[0, :, 7:] *= -3.0
    assert not torch.equal(deltas(update, changed)[2:, :, :6], deltas(update, gradients)[2:, :, :6])


# Over networks


@pytest.mark.parametrize("architecture", SCALES.values(), ids=SCALES.keys())
def test_permuting_the_nodes_permutes_the_iterates(architecture: L2OScaleArchitecture) -> None:
    graph = nx.path_graph(4)
    problem = quadratic(network=Network.from_networkx(graph))
    order = [2, 0, 3, 1]  # the place of node i among the permuted ones
    permuted = Network.from_edges([(order[i], order[j]) for i, j in graph.edges])
    rows = torch.tensor(order).argsort()
    other = LeastSquares.from_nodes(list(problem.features[rows]), list(problem.targets[rows]), Zero())
    algorithm = random_algorithm(architecture)

    def last(p: Problem, network: Network) -> Tensor:
        with torch.no_grad():
            return next(islice(run(algorithm, p, network, torch.zeros(4, 10).double()), 8, None)).x

    torch.testing.assert_close(last(other, permuted), last(problem, Network.from_networkx(graph))[rows])


def test_only_the_variant_that_preserves_zero_stays_at_a_solution() -> None:
    for zero_preserving in (False, True):
        update = drawn_update(L2OScaleArchitecture(zero_preserving=zero_preserving))
        assert update.preserves_zero == zero_preserving
        assert bool((deltas(update, torch.zeros(3, 2, 10).double()) == 0).all()) == zero_preserving


@pytest.mark.parametrize("name", ["initial_rate", "update_first", "update_last"])
def test_settings_out_of_bounds_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} of a l2o_scale lies between 0 and"):
        L2OScaleArchitecture(**{name: 0.0})
    with pytest.raises(InputError, match=r"needs 0 < first <= 1, got 1\.5"):
        PartialUpdate(Adam(step_size=0.1), 1.5, 1.0)
