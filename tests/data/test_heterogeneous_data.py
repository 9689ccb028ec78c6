"""Data that is unlike within itself: spikes, tails, scales of nodes, noisy labels, raw columns, two more data sets."""

import os

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.preprocessing import StandardScaler

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.data.splits import node_sizes
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import L1, ElasticNet, LeastSquares, Problem, solve

SYNTHETIC = ["lasso", "linear", "logistic"]
CENSUS = pytest.mark.skipif("GNN_L2O_DATA" not in os.environ, reason="GNN_L2O_DATA does not say where the census is")


def sample(spec: str, nodes: int = 5, seed: int = 0) -> Problem:
    network = Network.from_edges([(i, i + 1) for i in range(nodes - 1)], nodes)
    plugin = plugins.load("dataset", spec)
    return plugin.function(network, seed=seed, **plugin.parameters)


def drawn(spec: str, nodes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples of all nodes, ``(M, d)`` and ``(M,)``, node after node."""
    problem = sample(spec, nodes, seed)
    count = problem.count.flatten().tolist()
    return tuple(
        np.concatenate([rows[:m].numpy() for rows, m in zip(array, count, strict=True)])
        for array in (problem.features, problem.targets)
    )


# What is off by default changes nothing


@pytest.mark.parametrize("name", SYNTHETIC)
def test_by_default_the_draws_are_features_truth_noise_and_sizes_in_this_order(name: str) -> None:
    problem = sample(f"{name}:features=8,samples=6,imbalance=1", seed=3)
    generator = np.random.default_rng(3)
    a, truth = generator.standard_normal((30, 8)), generator.standard_normal(8)
    truth[np.argsort(np.abs(truth))[:6]] = 0
    b = (a @ truth >= 0) if name == "logistic" else a @ truth + 0.1 * generator.standard_normal(30)
    assert problem.count.flatten().tolist() == node_sizes(30, 5, 1.0, generator).tolist()
    features, targets = drawn(f"{name}:features=8,samples=6,imbalance=1", seed=3)
    assert np.array_equal(features, a)
    assert np.array_equal(targets, b)


@pytest.mark.parametrize("name", SYNTHETIC)
def test_zero_and_false_are_the_defaults(name: str) -> None:
    off = "spikes=0,degrees_of_freedom=0,node_scales=0" + (",label_noise=0" if name == "logistic" else "")
    for plain, named in zip(drawn(name), drawn(f"{name}:{off}"), strict=True):
        assert np.array_equal(plain, named)


# Spikes and tails


@pytest.mark.parametrize("name", SYNTHETIC)
def test_the_variance_is_a_hundred_in_the_directions_of_spikes_and_one_in_all_others(name: str) -> None:
    a, _ = drawn(f"{name}:features=12,samples=4000,spikes=3")
    spectrum = np.linalg.eigvalsh(np.cov(a.T))
    np.testing.assert_allclose(spectrum[:9], 1, rtol=0.06)
    np.testing.assert_allclose(spectrum[9:], 100, rtol=0.06)
    directions = np.linalg.eigh(np.cov(a.T))[1][:, 9:]
    assert np.abs(directions).max() < 0.95  # they are no coordinates
    other = np.linalg.eigh(np.cov(drawn(f"{name}:features=12,samples=4000,spikes=3", seed=1)[0].T))[1][:, 9:]
    assert np.linalg.svd(directions.T @ other)[1].min() < 0.9  # every seed has its own


@pytest.mark.parametrize("name", SYNTHETIC)
@pytest.mark.parametrize("degrees", [3.0, 5.0])
def test_features_follow_the_t_distribution_of_variance_one(name: str, degrees: float) -> None:
    a, _ = drawn(f"{name}:features=4,samples=4000,degrees_of_freedom={degrees:g}")
    scale = np.sqrt((degrees - 2) / degrees)
    for column in a.T:
        assert scipy.stats.kstest(column, scipy.stats.t(degrees, scale=scale).cdf).pvalue > 1e-3
        assert scipy.stats.kstest(column, "norm").pvalue < 1e-6
    # One factor for all features of a sample: directions are uniform, and the lengths have Fisher's distribution.
    length = (a**2).sum(axis=1) / 4 / scale**2
    assert scipy.stats.kstest(length, scipy.stats.f(4, degrees).cdf).pvalue > 1e-3


def test_scales_of_columns_are_those_of_spiked_features_too() -> None:
    spiked, _ = drawn("linear:features=30,samples=20,spikes=2")
    scaled, _ = drawn("linear:features=30,samples=20,spikes=2,column_scales=1.5")
    factor = scaled / spiked
    np.testing.assert_allclose(factor, np.tile(factor[0], (100, 1)))
    assert scipy.stats.kstest(np.log10(factor[0]), scipy.stats.uniform(-1.5, 3).cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", ["lasso", "linear"])
def test_targets_remain_a_linear_function(name: str) -> None:
    a, b = drawn(f"{name}:features=16,samples=400,noise=0,spikes=2,degrees_of_freedom=3,node_scales=1,column_scales=1")
    truth, *_ = np.linalg.lstsq(a, b)
    np.testing.assert_allclose(a @ truth, b, atol=1e-8 * np.abs(b).max())
    assert (np.abs(truth) < 1e-9).sum() == 12


# Nodes and labels


@pytest.mark.parametrize("name", SYNTHETIC)
def test_the_data_of_a_node_has_one_factor(name: str) -> None:
    nodes, alpha = 200, ",alpha=1" if name == "logistic" else ""
    plain = sample(f"{name}:features=3,samples=4{alpha}", nodes)
    scaled = sample(f"{name}:features=3,samples=4,node_scales=1.5{alpha}", nodes)
    factor = (scaled.features / plain.features).flatten(1)
    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor))
    decades = factor[:, 0].log10().numpy()
    assert scipy.stats.kstest(decades, scipy.stats.uniform(-1.5, 3).cdf).pvalue > 1e-3
    if name == "logistic":
        assert torch.equal(scaled.targets, plain.targets)
    else:
        torch.testing.assert_close(scaled.targets / plain.targets, factor[:, :1].expand_as(plain.targets))
        # So f_i is the squared factor times what it was, everywhere.
        x = torch.ones(nodes, 3)
        torch.testing.assert_close(scaled.loss(x), factor[:, :1] ** 2 * plain.loss(x))


@pytest.mark.parametrize("share", [0.013, 0.25, 0.5])
def test_the_share_of_labels_is_flipped(share: float) -> None:
    a, plain = drawn("logistic:features=6,samples=200")
    same, flipped = drawn(f"logistic:features=6,samples=200,label_noise={share}")
    assert np.array_equal(a, same)
    assert set(flipped) == {0.0, 1.0}
    places = np.flatnonzero(plain != flipped)
    assert places.size == round(share * 1000)
    assert scipy.stats.kstest(places / 1000, "uniform").pvalue > 1e-3
    assert not np.array_equal(flipped, drawn(f"logistic:features=6,samples=200,label_noise={share}", seed=1)[1])


def test_noisy_labels_are_split_as_they_are_seen() -> None:
    problem = sample("logistic:features=3,samples=100,alpha=1e-4,label_noise=0.2", 10)
    shares = problem.targets.mean(dim=1)
    assert ((shares == 0) | (shares == 1)).sum() >= 9  # one class at every node, but the one where a class is used up


# Real data


def standard(data: np.ndarray) -> np.ndarray:
    return StandardScaler().fit_transform(data)


def is_all_of(spec: str, features: np.ndarray, targets: np.ndarray) -> None:
    """Assert that the nodes hold these samples, each once, and at another seed in another order."""
    found = np.column_stack(drawn(spec))
    expected = np.column_stack([features, targets])
    key = np.random.default_rng(0).standard_normal(expected.shape[1])
    np.testing.assert_allclose(found[np.argsort(found @ key)], expected[np.argsort(expected @ key)], atol=1e-9)
    assert not np.allclose(found, np.column_stack(drawn(spec, seed=1)))


def test_diabetes_is_that_of_scikit_learn() -> None:
    raw, target = load_diabetes(return_X_y=True, scaled=False)
    is_all_of("diabetes", standard(raw), scipy.stats.zscore(target))
    is_all_of("diabetes:raw=true", raw, scipy.stats.zscore(target))
    scaled = load_diabetes().data  # of norm 1 instead of deviation 1
    np.testing.assert_allclose(standard(raw), scaled * np.sqrt(442), atol=1e-9)
    assert isinstance(sample("diabetes"), LeastSquares)


@pytest.mark.parametrize("digit", [0, 8])
def test_digits_tell_one_digit_from_the_rest(digit: int) -> None:
    pixels, digits = load_digits(return_X_y=True)
    is_all_of(f"digits:digit={digit}", standard(pixels), digits == digit)
    is_all_of(f"digits:digit={digit},raw=true", pixels, digits == digit)


def test_the_digit_is_8_by_default() -> None:
    assert sample("digits").targets.sum() == (load_digits().target == 8).sum()


def test_breast_cancer_can_be_left_as_it_was_measured() -> None:
    data, labels = load_breast_cancer(return_X_y=True)
    is_all_of("breast_cancer:raw=true", data, labels)


@CENSUS
@pytest.mark.parametrize("part", ["train", "test"])
def test_the_census_can_be_left_as_numbers(part: str) -> None:
    spec = f"census:samples=300,part={part}"
    (raw, labels), (scaled, same) = drawn(f"{spec},raw=true"), drawn(spec)
    assert np.array_equal(labels, same)
    assert np.array_equal(raw, raw.round())
    assert set(raw[:, 9]) == {0.0, 1.0}  # Female and Male
    assert raw[:, 0].min() >= 17 and raw[:, 2].max() > 1e5  # ages and weights of rows
    design = np.column_stack([scaled[:, 0], np.ones(len(scaled))])
    for k in range(14):  # every column is a shifted and scaled one of the other form
        design[:, 0] = scaled[:, k]
        fit, *_ = np.linalg.lstsq(design, raw[:, k])
        np.testing.assert_allclose(design @ fit, raw[:, k], atol=1e-6 * np.abs(raw[:, k]).max())


def test_what_stands_in_for_the_census_can_be_left_as_it_was_measured() -> None:
    a, _ = drawn("census:raw=true,stand_in=true")
    data = load_breast_cancer().data[:400, :14]
    np.testing.assert_allclose(np.sort(a, axis=0), np.sort(data, axis=0))


@pytest.mark.parametrize("name", ["diabetes", "digits"])
def test_weights_and_samples_of_the_new_data_sets(name: str) -> None:
    one, both = sample(f"{name}:l1_weight=0.3").regularizer, sample(f"{name}:l1_weight=0.3,l2_weight=0.2").regularizer
    assert isinstance(one, L1) and isinstance(both, ElasticNet)
    assert (one.weight, both.l1, both.l2) == (0.3, 0.3, 0.2)
    assert sample(f"{name}:samples=20").count.flatten().tolist() == [20] * 5


# Certified solutions


HARD = "spikes=3,degrees_of_freedom=2.5,node_scales=1,column_scales=2,imbalance=1"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "spec",
    [
        *("diabetes", "diabetes:raw=true", "digits", "digits:digit=0", "digits:raw=true", "breast_cancer:raw=true"),
        *(f"lasso:features=30,samples=20,{HARD}", f"linear:features=30,samples=20,{HARD}"),
        f"logistic:features=30,samples=20,label_noise=0.1,l1_weight=0.01,alpha=0.3,{HARD}",
        *(pytest.param(f"census:{form}", marks=CENSUS) for form in ("raw=true", "onehot=true,alpha=0.3")),
    ],
)
def test_the_optimum_is_certified_and_not_the_start(spec: str, seed: int) -> None:
    problem = sample(spec, 10, seed)
    solution = solve(problem)
    assert solution.certificate.max() <= 1e-12
    assert solution.value < 0.95 * problem.objective(torch.zeros(1, problem.dim))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("lasso:features=4,spikes=5", "spikes lies between 0 and 4, the number of features, got 5"),
        ("linear:spikes=-1", "spikes lies between 0 and 50, the number of features, got -1"),
        ("logistic:degrees_of_freedom=2", r"degrees_of_freedom must be 0 \(normal\) or above 2, got 2"),
        ("lasso:degrees_of_freedom=-3", r"degrees_of_freedom must be 0 \(normal\) or above 2, got -3"),
        ("lasso:degrees_of_freedom=nan", "expected a finite number, got 'nan'"),
        ("linear:node_scales=-1", "node_scales must be at least 0, got -1"),
        ("logistic:label_noise=0.6", "label_noise is a share of the labels between 0 and 0.5, got 0.6"),
        ("logistic:label_noise=-0.1", "label_noise is a share of the labels between 0 and 0.5, got -0.1"),
        ("digits:digit=10", "digit must be 0 to 9, got 10"),
        ("digits:samples=0", "samples must be at least 1, got 0"),
        ("diabetes:samples=0", "samples must be at least 1, got 0"),
        ("diabetes:samples=100", "the nodes need 500 samples together, but there are only 442"),
        ("census:raw=true,onehot=true", r"either raw numbers \(raw=true\) or 0 and 1 \(onehot=true\), got both"),
    ],
)
def test_bad_parameters_are_refused(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        sample(spec)
    assert "\n" not in str(error.value)
