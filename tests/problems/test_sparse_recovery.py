"""Sparse recovery: the problem, its dictionary, the measures of accuracy, and the classical algorithms."""

import dataclasses
import math
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import spent
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.evaluation import METRICS, Instance
from gnn_l2o.graph.network import Network
from gnn_l2o.limits import RECOVERY
from gnn_l2o.problems import L1, LeastSquares, SparseRecovery, solve
from gnn_l2o.problems.dictionary import analytic_weights
from gnn_l2o.problems.nmse import sample_nmse, set_nmse
from gnn_l2o.problems.sparse_signal import SparseSignal, draw_dictionary
from gnn_l2o.testing import HiddenNetwork

RING = Network.from_networkx(nx.cycle_graph(5))


def drawn(network: Network, seed: int = 0, **settings: Any) -> SparseRecovery:
    found = plugins.load("dataset", "sparse_recovery")(network, seed=seed, **settings)
    assert isinstance(found, SparseRecovery)
    return found


SMALL: dict[str, Any] = {"features": 30, "measurements": 17, "snr": 30.0}


def dense(problem: SparseRecovery) -> tuple[Tensor, Tensor]:
    """A and b, put together row by row."""
    a, b = torch.zeros(problem.total, problem.dim), torch.zeros(problem.total)
    for i in range(problem.num_nodes):
        for j in range(int(problem.count[i])):
            a[problem.rows[i, j]], b[problem.rows[i, j]] = problem.features[i, j], problem.targets[i, j]
    return a, b


def test_the_mean_loss_is_that_of_the_whole_dictionary_however_it_is_split() -> None:
    x = torch.randn(30)
    for network in (RING, Network.from_edges([], 1)):
        problem = drawn(network, **SMALL)
        a, b = dense(problem)
        at_nodes = x.expand(problem.num_nodes, -1)
        torch.testing.assert_close(problem.loss(at_nodes).mean(), 0.5 * (a @ x - b).square().sum())
        torch.testing.assert_close(problem.gradient(at_nodes).mean(dim=0), a.t() @ (a @ x - b))
        local = torch.stack([5.0 * torch.linalg.matrix_norm(f, ord=2) ** 2 for f in problem.dictionary.rows])
        if network is RING:
            torch.testing.assert_close(problem.smoothness().flatten(), local)


def test_a_dictionary_is_shared_by_the_samples_of_all_seeds_and_networks() -> None:
    one, two, other = drawn(RING, 0, **SMALL), drawn(RING, 1, **SMALL), drawn(RING, 0, dictionary=1, **SMALL)
    alone = drawn(Network.from_edges([], 1), 3, **SMALL)
    assert one.dictionaries == two.dictionaries == alone.dictionaries != other.dictionaries
    assert not torch.equal(one.target, two.target)
    assert torch.equal(dense(one)[0], dense(alone)[0])
    assert one.to(dtype=torch.float32).dictionaries == one.dictionaries


def test_a_dictionary_is_known_again_after_the_rounding_of_another_processor() -> None:
    a = draw_dictionary(12, 30, np.random.default_rng(0), condition_number=50.0)
    noise = np.random.default_rng(1).standard_normal(a.shape)
    one, again, other = (
        SparseRecovery.of(matrix, a[:, 0], a[0], 3, L1(0.1), signal=SparseSignal())
        for matrix in (a, a * (1 + 1e-14 * noise), -a)
    )
    assert one.dictionaries == again.dictionaries != other.dictionaries


def test_problems_side_by_side_and_copies_keep_their_measurements() -> None:
    sizes = [Network.from_networkx(nx.path_graph(n)) for n in (3, 5)]
    problems = [drawn(network, seed, **SMALL) for seed, network in enumerate(sizes)]
    together = SparseRecovery.concatenate(problems).repeat(2)
    assert torch.equal(together.target, torch.cat([p.target for p in problems] * 2))
    x = torch.randn(16, 30)
    expected = [
        p.measurements.b - p.dictionary.apply(part) for p, part in zip(problems * 2, x.split([3, 5] * 2), strict=True)
    ]
    dictionary, b = together.measurements
    width = b.size(1)
    padded = torch.cat([torch.nn.functional.pad(e, (0, width - e.size(1))) for e in expected])
    torch.testing.assert_close(b - dictionary.apply(x), padded)
    torch.testing.assert_close(together.loss(x).flatten()[:3], problems[0].loss(x[:3]).flatten())


def test_correlations_average_to_those_of_the_whole_dictionary() -> None:
    problem = drawn(RING, **SMALL)
    dictionary, b = problem.measurements
    a, whole = dense(problem)
    weight = torch.randn(17, 30)
    found = dictionary.correlate(b, dictionary.at_nodes(weight)).mean(dim=0)
    torch.testing.assert_close(found, weight.t() @ whole)
    assert torch.equal(dictionary.whole(), a)


def test_new_samples_are_measured_by_the_same_dictionary() -> None:
    problem = drawn(RING, features=30, measurements=17)
    (dictionary, b), target = problem.samples_of(4, np.random.default_rng(0))
    at_nodes = target.repeat_interleave(5, dim=0)
    torch.testing.assert_close(dictionary.apply(at_nodes), b)
    assert (target != 0).any(dim=1).all()


def test_the_lasso_of_a_recovery_problem_is_solved_with_certificate() -> None:
    problem = drawn(RING, l1_weight=0.05, **SMALL)
    a, b = dense(problem)
    plain = LeastSquares.from_nodes([math.sqrt(17) * a], [math.sqrt(17) * b], L1(0.05))
    torch.testing.assert_close(solve(problem).value, solve(plain).value)


def test_stochastic_gradients_and_too_few_measurements_are_refused() -> None:
    with pytest.raises(InputError, match="rows of a dictionary belong together"):
        drawn(RING, **SMALL).subsample(torch.zeros(5, 1, dtype=torch.long))
    with pytest.raises(InputError, match="5 nodes need at least as many measurements, got 4"):
        drawn(RING, features=6, measurements=4)
    with pytest.raises(InputError, match="condition_number must be at least 1"):
        drawn(RING, condition_number=0.5)
    with pytest.raises(InputError, match="density"):
        drawn(RING, density=0.0)


def test_signals_and_noise_have_the_stated_distribution() -> None:
    matrix = draw_dictionary(50, 80, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=0), 1)
    target, clean = SparseSignal(0.1).draw(matrix, 4000, np.random.default_rng(1))
    assert abs((target != 0).mean() - 0.1) < 0.003 and abs(target[target != 0].std() - 1) < 0.02
    np.testing.assert_allclose(clean, target @ matrix.T)
    same, noisy = SparseSignal(0.1, snr=20).draw(matrix, 4000, np.random.default_rng(1))
    np.testing.assert_array_equal(same, target)
    share = ((noisy - clean) ** 2).mean(axis=1) / clean.var(axis=1)
    assert abs(10 * np.log10(share.mean()) + 20) < 0.1


def test_the_condition_number_is_that_before_the_columns_are_scaled() -> None:
    plain, ill = (np.linalg.cond(draw_dictionary(40, 60, np.random.default_rng(0), k)) for k in (None, 100.0))
    assert plain < 15 and 60 < ill < 160


# Analytic weights


def test_analytic_weights_are_the_constrained_minimizer() -> None:
    a = torch.as_tensor(draw_dictionary(16, 32, np.random.default_rng(0)))
    weights = analytic_weights(a)
    torch.testing.assert_close((weights * a).sum(dim=0), torch.ones(32))
    w = a.clone()  # projected gradient steps, as in the paper
    for _ in range(4000):
        w = w - 0.02 * a @ (a.t() @ w)
        w = w + a * (1 - (w * a).sum(dim=0))  # columns of A have norm 1
    torch.testing.assert_close(weights, w, rtol=0, atol=1e-6)
    off_diagonal = (weights.t() @ a).square().sum() - 32
    assert off_diagonal >= 32 * (32 - 16) / 16  # Welch's bound


def test_analytic_weights_are_those_of_every_dictionary_side_by_side() -> None:
    problems = [drawn(RING, dictionary=k, **SMALL) for k in (0, 1)]
    together = SparseRecovery.concatenate(problems).dictionary
    for k, problem in enumerate(problems):
        whole = analytic_weights(dense(problem)[0])
        expected = problem.dictionary.at_nodes(whole)
        torch.testing.assert_close(together.analytic[5 * k : 5 * k + 5], expected)
        torch.testing.assert_close(problem.dictionary.analytic, expected)


# Measures


def test_the_two_measures_of_accuracy() -> None:
    target = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    estimate = torch.tensor([[3.0, 3.5], [1.0, 0.001]])
    torch.testing.assert_close(set_nmse(estimate, target), 10 * torch.tensor((0.25 + 1e-6) / 26).log10())
    expected = 10 * torch.tensor([0.125 / 12.5, (5e-7 + 1e-10) / (0.5 + 1e-10)]).log10()
    torch.testing.assert_close(sample_nmse(estimate, target), expected)


def test_metrics_measure_the_nodes_against_the_signal() -> None:
    problem = drawn(RING, **SMALL)
    solution = solve(problem)
    reference = Instance(problem, RING, solution.x, solution.value).reference(torch.float64)
    x = problem.target + 0.01 * torch.randn(5, 30)
    error = torch.stack([(row - problem.target[0]).square().sum() for row in x])
    nmse, decibels = METRICS["nmse"](), METRICS["nmse_db"]()
    assert nmse.applies(reference) and decibels.applies(reference)
    torch.testing.assert_close(nmse.values(reference, x), error.mean().reshape(1) / 3)
    expected = sum(float(sample_nmse(row[None], problem.target)) for row in x) / 5
    torch.testing.assert_close(decibels.values(reference, x), torch.tensor([expected]))


# The classical algorithms


def soft(v: Tensor, t: Tensor | float) -> Tensor:
    return torch.sign(v) * torch.clamp(v.abs() - t, min=0)


def classical(name: str, a: Tensor, b: Tensor, steps: int) -> Tensor:
    """The algorithms as they stand in textbooks, on the whole dictionary."""
    size, x = torch.linalg.matrix_norm(a, ord=2) ** 2, torch.zeros(a.size(1))
    if name == "recovery_ista":
        for _ in range(steps):
            x = soft(x + a.t() @ (b - a @ x) / size, 0.4 / size)
    elif name == "recovery_fista":
        y, t = x, 1.0
        for _ in range(steps):
            before, x = x, soft(y + a.t() @ (b - a @ y) / size, 0.1 / size)
            t, last = (1 + math.sqrt(1 + 4 * t * t)) / 2, t
            y = x + (last - 1) / t * (x - before)
    else:
        v = torch.zeros(a.size(0))
        for _ in range(steps):
            v = b - a @ x + (x != 0).sum() / a.size(0) * v
            x = soft(x + a.t() @ v, 1.1402 * v.norm() / math.sqrt(a.size(0)))
    return x


@pytest.mark.parametrize("name", RECOVERY)
def test_references_are_the_textbook_algorithms(name: str) -> None:
    problem, network = drawn(RING, **SMALL), RING.to()
    driver = Driver(RECOVERY[name], problem, HiddenNetwork(network), torch.zeros(5, 30))
    driver.advance(12)
    torch.testing.assert_close(driver.x, classical(name, *dense(problem), 12).expand(5, -1), rtol=0, atol=1e-12)
    assert spent(problem, network).rounds == spent(problem, network).gradients == 12
    refusal = RECOVERY[name].refusal(LeastSquares.from_nodes([[[1.0]]] * 5, [[1.0]] * 5, L1(0.1)), RING)
    assert refusal is not None and "recovers sparse signals" in refusal


def test_iterations_to_minus_35_db_are_those_that_are_published() -> None:
    """250 measurements of 500 entries at 40 dB, entries of A independent: AMP 25, FISTA 202, ISTA 3,420 iterations.

    Borgerding, Schniter, Rangan 2017, arXiv:1612.01183. ISTA and FISTA solve the LASSO with the fixed point of AMP,
    which for a few signals in a thousand fails and is therefore judged by the median.
    """
    random, samples = np.random.default_rng(0), 12
    a = torch.as_tensor(random.standard_normal((250, 500)) / np.sqrt(250))
    target, b = (torch.as_tensor(v) for v in SparseSignal(0.1, snr=40.0).draw(a.numpy(), samples, random))
    size = torch.linalg.matrix_norm(a, ord=2) ** 2

    def error(x: Tensor) -> float:
        ratio = (x - target).square().sum(dim=1) / target.square().sum(dim=1)
        return float(10 * ratio.median().log10())

    x, v, reached = torch.zeros(samples, 500), torch.zeros(samples, 250), {}
    for k in range(1, 60):
        v = b - x @ a.t() + (x != 0).sum(dim=1, keepdim=True) / 250 * v
        deviation = v.norm(dim=1, keepdim=True) / math.sqrt(250)
        x = soft(x + v @ a, 1.1402 * deviation)
        if error(x) < -35:
            reached.setdefault("amp", k)
    weight = 1.1402 * deviation * (1 - (x != 0).sum(dim=1, keepdim=True) / 250)
    for name, limit in (("fista", 300), ("ista", 4500)):
        x = y = torch.zeros(samples, 500)
        t = 1.0
        for k in range(1, limit):
            before, x = x, soft(y + (b - y @ a.t()) @ a / size, weight / size)
            t, last = (1 + math.sqrt(1 + 4 * t * t)) / 2, t
            y = x if name == "ista" else x + (last - 1) / t * (x - before)
            if k % 5 == 0 and set_nmse(x, target) < -35:
                reached[name] = k
                break
    assert 14 <= reached["amp"] <= 25
    assert 150 <= reached["fista"] <= 260
    assert 2500 <= reached["ista"] <= 4400


def test_fields_of_a_problem_fit_together() -> None:
    problem = drawn(RING, **SMALL)
    with pytest.raises(InputError, match="target must be"):
        dataclasses.replace(problem, target=problem.target[:, 1:])
