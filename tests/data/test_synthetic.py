"""Datasets that are drawn, each distribution against its definition."""

import numpy as np
import pytest
import scipy.stats
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems import LeastSquares, Logistic, Zero, solve
from tests.data.samples import sample


def drawn(spec: str, nodes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    problem = sample(spec, nodes)
    return problem.features.flatten(0, 1).numpy(), problem.targets.flatten().numpy()


@pytest.mark.parametrize("name", ["lasso", "linear", "logistic"])
def test_features_are_standard_normal(name: str) -> None:
    a, _ = drawn(f"{name}:features=100,samples=100")
    assert a.shape == (1000, 100)
    assert scipy.stats.kstest(a.ravel(), "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(a.T) - np.eye(100)).max() < 0.2


@pytest.mark.parametrize("name", ["lasso", "linear"])
def test_targets_are_a_sparse_linear_function_and_noise(name: str) -> None:
    a, b = drawn(f"{name}:features=100,samples=400")
    truth, *_ = np.linalg.lstsq(a, b)
    entries = np.sort(np.abs(truth))
    assert entries[74] < 0.01 < 0.3 < entries[75]  # a quarter of 100 is not zero, those beyond the normal quartile
    assert abs(entries[75] - scipy.stats.norm.ppf(0.875)) < 0.25
    np.testing.assert_allclose((b - a @ truth).std(), 0.1, rtol=0.05)
    noiseless_a, noiseless_b = drawn(f"{name}:features=100,samples=400,noise=0")
    exact, *_ = np.linalg.lstsq(noiseless_a, noiseless_b)
    assert (np.abs(exact) < 1e-12).sum() == 75


def test_labels_are_the_signs_of_a_sparse_linear_function() -> None:
    a, b = drawn("logistic:features=16,samples=1000")
    assert set(b) == {0.0, 1.0}
    assert abs(b.mean() - 0.5) < 0.02
    weight = np.abs(a.T @ (b - 0.5)) / len(b)  # E a (b - 1/2) is a multiple of the truth
    entries = np.sort(weight)
    assert entries[11] < 0.02 < 0.05 < entries[12]
    with pytest.raises(InputError, match="no minimizer"):  # there is a plane that separates the labels
        solve(sample("logistic:features=16,samples=50,l1_weight=0"))


def test_default_sizes_are_those_of_the_paper() -> None:
    lasso, linear, logistic = (sample(name, 10) for name in ("lasso", "linear", "logistic"))
    assert isinstance(lasso, LeastSquares)
    assert (lasso.features.shape, lasso.regularizer.weight) == ((10, 10, 300), 0.1)
    assert isinstance(linear, LeastSquares)
    assert isinstance(linear.regularizer, Zero)
    assert isinstance(logistic, Logistic)
    assert (logistic.features.shape, logistic.regularizer.weight) == ((10, 100, 50), 0.1)


@pytest.mark.parametrize("spec", ["lasso:noise=0", "linear:noise=0", "logistic"])
def test_features_are_correlated_as_asked(spec: str) -> None:
    kind, _, chosen = spec.partition(":")
    chosen = ",".join(filter(None, ["features=6,samples=20000", chosen]))
    rows = sample(f"{kind}:{chosen},correlation=0.8", 2).features.flatten(0, 1).numpy()
    expected = 0.8 ** np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    np.testing.assert_allclose(np.cov(rows.T), expected, atol=0.03)
    plain, named = sample(f"{kind}:{chosen}", 2), sample(f"{kind}:{chosen},correlation=0", 2)
    assert torch.equal(plain.features, named.features)
    assert torch.equal(plain.targets, named.targets)
    with pytest.raises(InputError, match=r"correlation lies between 0 and 1, 0 included, got 1\.0"):
        sample(f"{kind}:correlation=1", 2)


@pytest.mark.parametrize("spec", ["lasso:noise=0", "linear:noise=0", "logistic"])
def test_features_differ_in_scale_as_asked(spec: str) -> None:
    kind, _, chosen = spec.partition(":")
    chosen = ",".join(filter(None, ["features=200,samples=100", chosen]))
    scaled = sample(f"{kind}:{chosen},column_scales=1.5", 2).features.flatten(0, 1).std(dim=0).log10()
    assert -1.6 < scaled.min() < -1.3
    assert 1.3 < scaled.max() < 1.6
    plain, named = sample(f"{kind}:{chosen}", 2), sample(f"{kind}:{chosen},column_scales=0", 2)
    assert torch.equal(plain.features, named.features)
    with pytest.raises(InputError, match=r"column_scales must be at least 0, got -1\.0"):
        sample(f"{kind}:column_scales=-1", 2)
