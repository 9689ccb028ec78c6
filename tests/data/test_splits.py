"""How samples are split over nodes: sizes and classes."""

import numpy as np
import pytest

from gnn_l2o.data.splits import node_sizes, split


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("total", "nodes"), [(10, 10), (11, 10), (569, 10), (7, 1), (1000, 999)])
@pytest.mark.parametrize("imbalance", [0.0, 0.5, 3.0])
def test_node_sizes_add_up_and_leave_no_node_empty(total: int, nodes: int, imbalance: float) -> None:
    sizes = node_sizes(total, nodes, imbalance, generator())
    assert sizes.shape == (nodes,)
    assert sizes.sum() == total
    assert sizes.min() >= 1
    if imbalance == 0:
        assert sizes.max() - sizes.min() <= 1


def test_imbalance_is_the_deviation_of_the_logarithm_of_the_sizes() -> None:
    for imbalance in (0.25, 1.0):
        sizes = node_sizes(10_000_000, 2000, imbalance, generator())
        np.testing.assert_allclose(np.log(sizes).std(), imbalance, rtol=0.1)


@pytest.mark.parametrize("alpha", [None, 1e-6, 0.1, 1.0, 1e6])
@pytest.mark.parametrize("pool", [100, 150])
def test_a_split_gives_every_node_its_size_and_no_sample_twice(alpha: float | None, pool: int) -> None:
    labels = np.arange(pool) % 3
    sizes = np.array([1, 50, 20, 29])
    parts = split(labels, sizes, generator(), alpha)
    assert [p.size for p in parts] == sizes.tolist()
    assert np.unique(np.concatenate(parts)).size == sizes.sum()
    again, other = split(labels, sizes, generator(), alpha), split(labels, sizes, generator(1), alpha)
    assert all(np.array_equal(p, q) for p, q in zip(parts, again, strict=True))
    assert not all(np.array_equal(p, q) for p, q in zip(parts, other, strict=True))


def proportions(alpha: float | None) -> np.ndarray:
    """The part of class 1 on each of 200 nodes, in a pool from which three quarters remain; it makes up 40 % there."""
    labels = (np.arange(80_000) % 5 < 2).astype(int)
    parts = split(labels, np.full(200, 100), generator(), alpha)
    return np.array([labels[p].mean() for p in parts])


@pytest.mark.parametrize("alpha", [0.1, 1.0, 10.0])
def test_class_proportions_follow_the_dirichlet_distribution(alpha: float) -> None:
    # Of Dirichlet(alpha p), component k has the variance p_k (1 - p_k) / (alpha + 1); drawing 100 samples adds theirs.
    found = proportions(alpha)
    expected = 0.4 * 0.6 * (1 / (alpha + 1) * (1 - 1 / 100) + 1 / 100)
    assert abs(found.mean() - 0.4) < 4 * np.sqrt(expected / 200)
    np.testing.assert_allclose(found.var(), expected, rtol=0.3)


def test_extreme_alphas_give_one_class_a_node_or_the_same_mix_everywhere() -> None:
    assert set(proportions(1e-4).round(6)) == {0.0, 1.0}
    assert proportions(1e6).std() < 0.07
    assert proportions(None).std() < 0.07
