"""Stochastic gradients: draws of samples at the nodes, and what is taken from them."""

from itertools import combinations

import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems import LeastSquares, LinearModel, Logistic, Stochastic, solve
from tests.problems.linear_models import SAMPLES, model

KINDS: list[type[LinearModel]] = [LeastSquares, Logistic]


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


def test_local_solves_are_those_of_the_draw_however_curved_it_is() -> None:
    draw = Stochastic(model(*SAMPLES), batch_size=1, seed=2).draw(1)
    assert draw.drawn is not None
    assert (draw.drawn.smoothness() > 2 * draw.smoothness()).any()
    center = torch.randn(6, 3)
    ours = draw.local_solve(center, 0.1, center)
    torch.testing.assert_close(ours, draw.drawn.local_solve(center, 0.1, center), rtol=1e-7, atol=1e-9)
