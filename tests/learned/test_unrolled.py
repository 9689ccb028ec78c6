"""The unrolled networks at one node: the dense formulas, untrained the classical algorithms, and what they refuse."""

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.learned import ARCHITECTURES, read_architecture
from gnn_l2o.learned.model import with_run_settings
from gnn_l2o.learned.unrolled import Unrolled
from gnn_l2o.learned.unrolled.thresholds import soft_with_support
from gnn_l2o.limits import RECOVERY
from gnn_l2o.problems import L1, LeastSquares
from gnn_l2o.problems.dictionary import analytic_weights
from tests.learned.small_unrolled import (
    EXCHANGING,
    KINDS,
    LAYERS,
    LONE,
    N_FEATURES,
    RING,
    after,
    network_of,
    problem_on,
    selecting,
    soft,
)


def dense(kind: str, weights: Any, a: Tensor, b: Tensor) -> Tensor:
    """The networks as the papers print them, for one row; a is (m, n), b is (1, m)."""
    x, size = torch.zeros(1, a.size(1)), 1.001 * torch.linalg.matrix_norm(a, ord=2) ** 2
    before, v, others = x, torch.zeros_like(b), torch.zeros_like(x)
    for k, layer in enumerate(weights):
        match kind:
            case "alista":
                x, _ = selecting(x + layer.step * ((b - x @ a.t()) @ analytic_weights(a)), layer.threshold, k)
            case "step_lista":
                step = layer.step / size
                x = soft(x + step * ((b - x @ a.t()) @ a), 0.1 * step)
            case "lista":
                encoded = b @ weights.shared.weight
                x = soft(encoded if k == 0 else encoded + x @ layer.weight.t(), layer.threshold)
            case "lfista":
                encoded = b @ weights.shared.weight
                moved = encoded if k == 0 else encoded + x @ layer.last.t() + before @ layer.before.t()
                x, before = soft(moved, layer.threshold), x
            case "lista_cp":
                x = soft(x + (b - x @ a.t()) @ layer.weight, layer.threshold)
            case "lista_cpss":
                x, _ = selecting(x + (b - x @ a.t()) @ layer.weight, layer.threshold, k)
            case "lamp":
                v = b - x @ a.t() + (x != 0).double().sum() / a.size(0) * v
                x = soft(x + v @ layer.weight, layer.factor * (v.square().sum() / a.size(0)).sqrt())
            case "glista":
                z = (1 + layer.amplification * (1 - (layer.scale * x.abs()).relu()).relu()) * x
                found, passed = selecting(z + (b - z @ a.t()) @ layer.weight, layer.threshold, k)
                if k:
                    previous = weights[k - 1].threshold
                    over = layer.overshoot * previous * others / ((found - x).abs() + 0.1)
                    found = found - over * (found - x)
                x, others = found, 1 - passed
    return x


@KINDS
@torch.no_grad()
def test_a_single_node_has_the_dense_formula_bit_for_bit(kind: str) -> None:
    network, problem = network_of(kind, spread=0.05), problem_on(1)
    expected = dense(kind, network.weights, problem.features[0], problem.targets)
    found = after(network, problem, LONE)
    assert (found != 0).any()
    assert torch.equal(found, expected), float((found - expected).abs().max())
    for sums in ("sum", "exact_diffusion"):
        if sums != "exact_diffusion" or kind in EXCHANGING:
            assert torch.equal(after(dataclasses.replace(network, sums=sums), problem, LONE), expected)


# Untrained, the classical algorithm


@pytest.mark.parametrize("kind", ["lista", "lista_cp", "step_lista"])
def test_untrained_networks_are_ista(kind: str) -> None:
    problem = problem_on(1)
    a, b = problem.features[0], problem.targets
    size, x = 1.001 * torch.linalg.matrix_norm(a, ord=2) ** 2, torch.zeros(1, N_FEATURES)
    for _ in range(LAYERS):
        x = soft(x + (b - x @ a.t()) @ a / size, (0.1 if kind == "step_lista" else 0.4) / size)
    torch.testing.assert_close(after(network_of(kind), problem, LONE), x, rtol=0, atol=1e-13)


def test_untrained_lfista_is_fista() -> None:
    problem = problem_on(1)
    a, b = problem.features[0], problem.targets
    size, x, t = 1.001 * torch.linalg.matrix_norm(a, ord=2) ** 2, torch.zeros(1, N_FEATURES), 1.0
    y = x
    for _ in range(LAYERS):
        before, x = x, soft(y + (b - y @ a.t()) @ a / size, 0.4 / size)
        t, last = (1 + math.sqrt(1 + 4 * t * t)) / 2, t
        y = x + (last - 1) / t * (x - before)
    torch.testing.assert_close(after(network_of("lfista"), problem, LONE), x, rtol=0, atol=1e-12)


def test_untrained_lamp_is_amp() -> None:
    problem = problem_on(1)
    expected = after(RECOVERY["amp"], problem, LONE)
    torch.testing.assert_close(after(network_of("lamp"), problem, LONE), expected, rtol=0, atol=1e-7)


def test_untrained_alista_is_ista_with_analytic_weights() -> None:
    problem = problem_on(1)
    a, b = problem.features[0], problem.targets
    size, x = 1.001 * torch.linalg.matrix_norm(a, ord=2) ** 2, torch.zeros(1, N_FEATURES)
    for k in range(LAYERS):
        x, _ = selecting(x + (b - x @ a.t()) @ analytic_weights(a), 0.4 / size, k)
    torch.testing.assert_close(after(network_of("alista"), problem, LONE), x, rtol=0, atol=1e-7)


def test_special_cases_are_bit_for_bit_each_other() -> None:
    problem, cpss = problem_on(8), network_of("lista_cpss")
    plain = dataclasses.replace(cpss, support_rate=0.0)
    assert torch.equal(after(plain, problem, RING), after(network_of("lista_cp"), problem, RING))
    assert torch.equal(after(network_of("glista"), problem, RING), after(cpss, problem, RING))
    assert not torch.equal(after(plain, problem, RING), after(cpss, problem, RING))


def test_the_largest_entries_above_the_threshold_pass() -> None:
    v = torch.tensor([[3.0, -2.0, 1.0, 0.5], [0.4, 0.3, 0.2, 0.1]])
    found = soft_with_support(v, torch.tensor(0.75), 0.3)  # two entries, 0.3 * 4 rounded up
    torch.testing.assert_close(found, torch.tensor([[3.0, -2.0, 0.25, 0.0], [0.0, 0.0, 0.0, 0.0]]))


# Their sizes, and what they refuse


@KINDS
def test_networks_refuse_what_they_cannot_recover(kind: str) -> None:
    network = network_of(kind)
    plain = LeastSquares.from_nodes([[[1.0]]] * 8, [[1.0]] * 8, L1(0.1))
    assert "recovers sparse signals" in str(network.refusal(plain, RING))
    other = problem_on(8, dictionary=6)
    if kind in ("alista", "step_lista"):
        assert network.refusal(other, RING) is None
        after(network, other, RING)
        return
    reason = str(network.refusal(other, RING))
    assert f"belong to the dictionary {problem_on(8).dictionaries[0]}, this one is {other.dictionaries[0]}" in reason
    with pytest.raises(InputError, match="belong to the dictionary"):
        after(network, other, RING)


@pytest.mark.parametrize(
    ("kind", "count"),
    {
        "alista": 2 * 16,
        "step_lista": 16,
        "lista": 256 * 512 + 15 * 512**2 + 16,  # 4.06 million
        "lista_cp": 16 * (256 * 512 + 1),  # 2.10 million, as the next two
        "lista_cpss": 16 * (256 * 512 + 1),
        "lamp": 16 * (256 * 512 + 1),
        "lfista": 256 * 512 + 15 * 2 * 512**2 + 16,  # 8.00 million
        "glista": 16 * (256 * 512 + 512 + 3),
    }.items(),
)
def test_networks_of_the_published_size_have_the_published_numbers_of_weights(kind: str, count: int) -> None:
    problem = problem_on(1, size=(256, 512))
    weights = ARCHITECTURES[kind]().bind(problem, LONE).build()
    assert sum(p.numel() for p in weights.parameters()) == count


def test_a_network_has_as_many_steps_as_layers() -> None:
    with pytest.raises(InputError, match="has 6 layers; expected at most as many iterations"):
        after(network_of("alista"), problem_on(1), LONE, LAYERS + 1)


def test_matrices_need_a_dictionary() -> None:
    with pytest.raises(InputError, match="needs the size of its dictionary"):
        read_architecture({"kind": "lista_cp"}).build()


def test_settings_of_a_run_may_be_texts() -> None:
    network = with_run_settings(network_of("alista"), "sums=exact_diffusion,rounds=3")
    assert isinstance(network, Unrolled) and (network.sums, network.rounds) == ("exact_diffusion", 3)
    with pytest.raises(InputError, match="sums of alista 'gosip'; did you mean 'gossip'"):
        with_run_settings(network_of("alista"), "sums=gosip")
