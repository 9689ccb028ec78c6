"""Stochastic gradients and the methods made for them."""

from itertools import combinations
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.blocks import Blocks
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import spent
from gnn_l2o.algorithms.driver import run
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import D2, DSGD, DSGT, ATCTracking, DeMuon, Diffusion, ProxED
from gnn_l2o.handcrafted.demuon import matrix_sign
from gnn_l2o.problems import LeastSquares, LinearModel, Logistic, NeuralNetwork, Problem, Stochastic, solve
from gnn_l2o.problems.regularizers import L1, Regularizer, Zero

KINDS: list[type[LinearModel]] = [LeastSquares, Logistic]
L1_WEIGHT = 0.2


def model(
    *counts: int, kind: type[LinearModel] = LeastSquares, regularizer: Regularizer | None = None, seed: int = 0
) -> LinearModel:
    random = np.random.default_rng(seed)
    features, truth = [random.standard_normal((m, 3)) for m in counts], random.standard_normal(3)
    targets = [a @ truth + random.standard_normal(len(a)) for a in features]
    if kind is Logistic:
        targets = [1.0 * (t > 0) for t in targets]
    return kind.from_nodes(features, targets, regularizer or L1(L1_WEIGHT))


def drawn_samples(problem: Stochastic, number: int) -> list[set[int]]:
    """Which samples of each node are in a draw."""
    draw = problem.draw(number).drawn
    assert draw is not None and isinstance(problem.full, LinearModel)
    full = problem.full
    found = []
    for i in range(full.features.size(0)):
        rows = draw.features[i, : int(draw.count[i])]
        found.append({j for j in range(int(full.count[i])) if (rows == full.features[i, j]).all(dim=1).any()})
    return found


def iterates(method: Tunable[Any], problem: Problem, network: Network, x0: Tensor, count: int) -> list[Tensor]:
    states = run(method, problem, network, x0)
    return [next(states).x for _ in range(count + 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_draw_has_the_mean_gradient_of_its_samples(kind: type[LinearModel]) -> None:
    full = model(6, 3, 9, kind=kind)
    problem, x = Stochastic(full, batch_size=4, seed=1), torch.randn(3, 3)
    for k in range(5):
        for i, samples in enumerate(drawn_samples(problem, k)):
            assert len(samples) == min(4, int(full.count[i]))  # none of them twice
            a, b = full.features[i, sorted(samples)], full.targets[i, sorted(samples)]
            expected = (kind.sample_slope(a @ x[i], b) @ a) / len(b)
            torch.testing.assert_close(problem.draw(k).gradient(x)[i], expected, rtol=1e-12, atol=1e-12)


def test_all_subsets_are_equally_likely() -> None:
    problem, draws = Stochastic(model(4, 3), batch_size=2, seed=0), 3000
    seen: list[dict[tuple[int, ...], int]] = [{}, {}]
    for k in range(draws):
        for count, samples in zip(seen, drawn_samples(problem, k), strict=True):
            key = tuple(sorted(samples))
            count[key] = count.get(key, 0) + 1
    for count, m in zip(seen, (4, 3), strict=True):
        subsets = list(combinations(range(m), 2))
        assert set(count) == set(subsets)
        share = 1 / len(subsets)
        for subset in subsets:
            assert abs(count[subset] / draws - share) < 4 * (share * (1 - share) / draws) ** 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_over_all_subsets_is_the_full_gradient(kind: type[LinearModel]) -> None:
    full, x = model(5, 5, kind=kind), torch.randn(2, 3)
    subsets = [torch.tensor([rows, rows]) for rows in combinations(range(5), 2)]
    mean = torch.stack([full.subsample(rows).gradient(x) for rows in subsets]).mean(dim=0)
    torch.testing.assert_close(mean, full.gradient(x), rtol=1e-12, atol=1e-12)


def test_draws_are_the_seeds_and_the_numbers() -> None:
    full, x = model(9, 9), torch.randn(2, 3)

    def gradient(seed: int, number: int) -> Tensor:
        return Stochastic(full, batch_size=3, seed=seed).draw(number).gradient(x)

    problem = Stochastic(full, batch_size=3, seed=1)
    late = problem.draw(7).gradient(x)
    problem.draw(3).gradient(x)
    assert torch.equal(problem.draw(7).gradient(x), late)
    assert torch.equal(problem.draw(3).draw(7).gradient(x), late)
    assert torch.equal(gradient(1, 7), late)
    assert not torch.equal(gradient(1, 8), late)
    assert not torch.equal(gradient(2, 7), late)


def test_nodes_draw_independently() -> None:
    problem = Stochastic(model(9, 9), batch_size=3, seed=0)
    pairs = [drawn_samples(problem, k) for k in range(10)]
    assert any(first != second for first, second in pairs)


@pytest.mark.parametrize("kind", KINDS)
def test_one_draw_serves_gradient_and_loss(kind: type[LinearModel]) -> None:
    problem, x = Stochastic(model(6, 9, kind=kind), batch_size=4, seed=1), torch.randn(2, 3, requires_grad=True)
    draw = problem.draw(5)
    torch.testing.assert_close(draw.gradient(x), torch.autograd.grad(draw.loss(x).sum(), x)[0])
    assert not torch.allclose(draw.loss(x), problem.loss(x))


def test_everything_but_gradient_and_loss_is_the_full_problems() -> None:
    full, x = model(9, 6, 9), torch.randn(3, 3)
    problem = Stochastic(full, batch_size=2, seed=0)
    for ours in (problem, problem.draw(1)):
        assert (ours.dim, ours.num_nodes, ours.regularizer) == (3, 3, full.regularizer)
        assert torch.equal(ours.initial_point(), full.initial_point())
        assert ours.lower_bound() is None and ours.accuracy(x) is None
        assert torch.equal(ours.smoothness(), full.smoothness())
        assert torch.equal(ours.prox(x, 0.1), full.prox(x, 0.1))
        free = torch.arange(3)
        assert torch.equal(ours.hessian(x[0], 0, free), full.hessian(x[0], 0, free))
    assert torch.equal(problem.gradient(x), full.gradient(x))
    assert torch.equal(problem.loss(x), full.loss(x))
    assert torch.equal(problem.objective(x[:1]), full.objective(x[:1]))
    assert not torch.allclose(problem.draw(1).gradient(x), full.gradient(x))
    torch.testing.assert_close(solve(problem).x, solve(full).x)
    assert problem.to(dtype=torch.float32).draw(1).gradient(x.float()).dtype == torch.float32


def test_problems_side_by_side_draw_as_they_do_alone() -> None:
    first, second = (
        Stochastic(model(4, 9, seed=1), batch_size=3, seed=5),
        Stochastic(model(12, 2, 5, seed=2), batch_size=3, seed=6),
    )
    x, y = torch.randn(2, 3), torch.randn(3, 3)
    batch = Stochastic.concatenate([first.repeat(2), second]).repeat(2)
    assert (batch.num_nodes, batch.num_problems) == (14, 6)
    for k in (0, 3):
        one, two = first.draw(k).gradient(x), second.draw(k).gradient(y)
        expected = torch.cat([one, one, two] * 2)
        torch.testing.assert_close(batch.draw(k).gradient(torch.cat([x, x, y] * 2)), expected, rtol=1e-12, atol=1e-12)


def test_what_draws_are_asked_for_counts_for_the_problem() -> None:
    problem, x = Stochastic(model(4, 9), batch_size=3, seed=0), torch.randn(2, 3)
    for k in range(3):
        problem.draw(k).gradient(x)
    problem.draw(3).draw(4).prox(x, 0.1)
    assert (problem.calls.gradients, problem.calls.proxes) == (3, 1)
    others = (problem.repeat(2), problem.to(dtype=torch.float32), Stochastic(problem.full, batch_size=3, seed=0))
    assert all(other.calls.gradients == 0 for other in others)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "at least 1 sample, got 0"),
        ({"seed": -1}, "at least 0, got -1"),
    ],
)
def test_nonsense_is_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Stochastic(model(4), **{"batch_size": 2, "seed": 0, **change})


def test_problems_without_samples_are_refused() -> None:
    with pytest.raises(InputError, match="nodes hold samples, got Stochastic"):
        Stochastic(Stochastic(model(4), batch_size=2, seed=0), batch_size=2, seed=0)


def test_mini_batches_of_a_batch_are_of_one_size() -> None:
    with pytest.raises(InputError, match="mini-batches of 2 and 3"):
        Stochastic.concatenate([Stochastic(model(4), batch_size=size, seed=0) for size in (3, 2)])


# The methods.

GRAPHS = {"ring": nx.cycle_graph(6), "erdos_renyi": nx.gnp_random_graph(6, 0.6, seed=1)}
SAMPLES = (8, 8, 8, 8, 8, 8)
METHODS = pytest.mark.parametrize("method", [DSGD, D2, DSGT])


def metropolis(graph: nx.Graph) -> np.ndarray:
    w = np.zeros((len(graph), len(graph)))
    for i, j in graph.edges:
        w[i, j] = w[j, i] = 1 / (1 + max(graph.degree[i], graph.degree[j]))
    return w + np.diag(1 - w.sum(axis=1))


# X all iterates, g(k, x) all gradients of draw k, a(k) the steps.


def dense_dsgd(w, g, prox, x0, count, a, beta):  # type: ignore[no-untyped-def]
    x, m = [x0], 0 * x0
    for k in range(count):
        m = beta * m + (1 - beta) * g(k + 1, x[-1])
        x.append(prox(w @ (x[-1] - a(k) * m), a(k)))
    return x


def dense_d2(w, g, prox, x0, count, a, beta):  # type: ignore[no-untyped-def]
    half, x, m, z, psi = (np.eye(len(w)) + w) / 2, [x0], 0 * x0, x0, x0
    for k in range(count):
        m = beta * m + (1 - beta) * g(k + 1, x[-1])
        before, psi = psi, x[-1] - a(k) * m
        z = half @ (psi + (a(k) / a(k - 1) * (z - before) if k else 0))
        x.append(prox(z, a(k)))
    return x


def dense_dsgt(w, g, prox, x0, count, a, beta):  # type: ignore[no-untyped-def]
    x, m, y = [x0], 0 * x0, 0 * x0
    for k in range(count):
        before, m = m, beta * m + (1 - beta) * g(k + 1, x[-1])
        y = w @ y + m - before
        x.append(prox(w @ (x[-1] - a(k) * y), a(k)))
    return x


def test_local_solves_are_those_of_the_draw_however_curved_it_is() -> None:
    draw = Stochastic(model(*SAMPLES), batch_size=1, seed=2).draw(1)
    assert draw.drawn is not None
    assert (draw.drawn.smoothness() > 2 * draw.smoothness()).any()
    center = torch.randn(6, 3)
    ours = draw.local_solve(center, 0.1, center)
    torch.testing.assert_close(ours, draw.drawn.local_solve(center, 0.1, center), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("method", "dense"), [(DSGD, dense_dsgd), (D2, dense_d2), (DSGT, dense_dsgt)])
@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS.keys())
def test_it_is_its_recursion_over_the_draws(method: Any, dense: Any, graph: nx.Graph) -> None:
    problem, x0 = Stochastic(model(*SAMPLES), batch_size=3, seed=2), torch.randn(6, 3)

    def gradient(number: int, x: np.ndarray) -> np.ndarray:
        return problem.draw(number).gradient(torch.from_numpy(x)).numpy()

    def soft(v: np.ndarray, step: float) -> np.ndarray:
        return np.sign(v) * np.maximum(np.abs(v) - step * L1_WEIGHT, 0)

    ours = iterates(method(0.1, 0.6, 0.02), problem, Network.from_networkx(graph), x0, 50)
    args = gradient, soft, x0.numpy(), 50, lambda k: 0.1 / (1 + 0.02 * k), 0.6
    for x, y in zip(ours, dense(metropolis(graph), *args), strict=True):
        torch.testing.assert_close(x, torch.from_numpy(y), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("method", "plain", "regularizer"),
    [
        (DSGD, Diffusion, L1(L1_WEIGHT)),
        (D2, ProxED, L1(L1_WEIGHT)),
        (DSGT, ATCTracking, Zero()),  # with r it keeps x, where the other keeps what x was before the prox
    ],
)
def test_with_hardly_any_momentum_and_decay_it_is_the_plain_method(
    method: Any, plain: Any, regularizer: Regularizer
) -> None:
    problem, network = model(*SAMPLES, regularizer=regularizer), Network.from_networkx(GRAPHS["ring"])
    x0 = torch.randn(1, 3).expand(6, 3)
    ours = iterates(method(0.1, 1e-14, 1e-14), problem, network, x0, 60)
    for x, y in zip(ours, iterates(plain(0.1), problem, network, x0, 60), strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=1e-11)


@pytest.mark.parametrize("regularizer", [L1(L1_WEIGHT), Zero()], ids=["l1", "zero"])
@pytest.mark.parametrize("method", [D2, DSGT])
def test_with_full_gradients_momentum_and_decay_keep_it_exact(method: Any, regularizer: Regularizer) -> None:
    problem, network = model(*SAMPLES, regularizer=regularizer), Network.from_networkx(GRAPHS["ring"])
    optimum = solve(problem).x
    x = iterates(method(0.2, 0.8, 1e-3), problem, network, torch.randn(6, 3), 900)[-1]
    torch.testing.assert_close(x, optimum.expand(6, 3), rtol=0, atol=1e-9)


def spread(method: Tunable[Any], iterations: int, average: int) -> float:
    """The root mean square distance from the limit of full gradients over the last ``average`` iterations."""
    full, network = model(*SAMPLES), Network.from_networkx(GRAPHS["ring"])
    start = solve(full).x.expand(6, 3)
    limit = iterates(method, full, network, start, iterations)[-1] if method.name == "dsgd" else start
    xs = iterates(method, Stochastic(full, batch_size=2, seed=3), network, start, iterations)[-average:]
    return float(torch.stack([(x - limit).square().sum() for x in xs]).mean().sqrt())


@METHODS
def test_the_ball_of_noise_shrinks_with_the_step(method: Any) -> None:
    coarse, fine = spread(method(0.08, 0.1, 1e-9), 1200, 1000), spread(method(0.01, 0.1, 1e-9), 2400, 2000)
    assert fine < 0.6 * coarse  # the square root of the step's share is 0.35


@METHODS
def test_the_ball_of_noise_shrinks_with_the_decay(method: Any) -> None:
    constant, decaying = (spread(method(0.1, 0.1, decay), 2000, 200) for decay in (1e-9, 0.05))
    assert decaying < 0.4 * constant


@METHODS
def test_every_iteration_sees_its_own_draw_and_is_counted(method: Any) -> None:
    problem, network = Stochastic(model(*SAMPLES), batch_size=2, seed=3), Network.from_networkx(GRAPHS["ring"])
    algorithm = method(0.1, 0.5, 1e-3)
    first = iterates(algorithm, problem, network, torch.ones(6, 3), 10)[-1]
    assert spent(problem, network) == algorithm.total_cost(10)
    assert torch.equal(iterates(algorithm, problem, network, torch.ones(6, 3), 10)[-1], first)
    assert not torch.allclose(iterates(algorithm, problem.full, network, torch.ones(6, 3), 10)[-1], first)


def test_a_run_is_taken_up_again_where_it_stopped() -> None:
    problem, network = Stochastic(model(*SAMPLES), batch_size=2, seed=3), Network.from_networkx(GRAPHS["ring"])
    algorithm = D2(0.1, 0.5, 1e-3)
    states = [state for state, _ in zip(run(algorithm, problem, network, torch.ones(6, 3)), range(9), strict=False)]
    state = states[4]
    for k in range(5, 9):
        state = algorithm.step(problem.draw(k), network, state)
    assert torch.equal(state.x, states[8].x)


def polar(matrix: np.ndarray) -> np.ndarray:
    """The nearest orthogonal matrix, with a root mean square of one."""
    u, _, v = np.linalg.svd(matrix, full_matrices=False)
    return max(matrix.shape) ** 0.5 * u @ v


def test_demuon_is_its_recursion_over_the_draws() -> None:
    graph, sizes = GRAPHS["erdos_renyi"], (12, 3, 12, 4)
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 4))
    shards = [(torch.randn(8, 4), torch.randint(4, (8,))) for _ in graph]
    full = NeuralNetwork.from_nodes(module, torch.nn.functional.cross_entropy, shards)
    problem, w = Stochastic(full, batch_size=3, seed=2), metropolis(graph)
    x = problem.initial_point().numpy()
    ours = iterates(DeMuon(0.1, 0.6, 0.02), problem, Network.from_networkx(graph), problem.initial_point(), 20)
    v, m = 0 * x, 0 * x
    for k in range(20):
        before, m = m, 0.6 * m + 0.4 * problem.draw(k + 1).gradient(torch.from_numpy(x)).numpy()
        v = w @ (v + m - before)
        move = np.zeros_like(x)
        for i in range(6):
            a, b, c, d = np.split(v[i], np.cumsum(sizes)[:-1])
            parts = [polar(a.reshape(3, 4)), polar(b[None]), polar(c.reshape(4, 3)), polar(d[None])]
            move[i] = np.concatenate([part.ravel() for part in parts])
        x = w @ (x - 0.1 / (1 + 0.02 * k) * move)
        torch.testing.assert_close(ours[k + 1], torch.from_numpy(x), rtol=1e-8, atol=1e-8)


def test_demuon_does_not_move_without_gradients_and_is_lost_without_a_crash() -> None:
    blocks = Blocks(((3, 4), (3,)))
    assert (matrix_sign(torch.zeros(2, 15), blocks) == 0).all()
    lost = matrix_sign(torch.stack([torch.full((15,), torch.nan), torch.randn(15)]), blocks)
    assert lost[0].isnan().all()
    assert lost[1].isfinite().all()


@METHODS
def test_it_takes_part_only_where_gradients_are_stochastic(method: Any) -> None:
    assert method.stochastic
    assert not ProxED.stochastic
