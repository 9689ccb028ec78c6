"""How datasets hand out their samples to the nodes."""

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.datasets import load_breast_cancer

from tests.data.samples import EVEN, SAMPLED, SMALL, sample


@pytest.mark.parametrize("name", [name for name in SAMPLED if name not in EVEN])
def test_imbalance_moves_samples_between_nodes(name: str) -> None:
    even, uneven = sample(name), sample(f"{name}:imbalance=2")
    assert even.count.max() - even.count.min() <= 1
    assert uneven.count.max() > 2 * uneven.count.min()
    assert even.count.sum() == uneven.count.sum()


def test_breast_cancer_hands_out_every_sample_once() -> None:
    problem = sample("breast_cancer", 10)
    a = np.concatenate([f[:m] for f, m in zip(problem.features.numpy(), problem.count.flatten(), strict=True)])
    b = np.concatenate([t[:m] for t, m in zip(problem.targets.numpy(), problem.count.flatten(), strict=True)])
    data, labels = load_breast_cancer(return_X_y=True)
    expected = np.column_stack([scipy.stats.zscore(data), labels])
    np.testing.assert_allclose(np.sort(np.column_stack([a, b]), axis=0), np.sort(expected, axis=0), atol=1e-10)
    assert sample("breast_cancer:samples=20", 10).count.flatten().tolist() == [20] * 10


def test_alpha_makes_the_nodes_labels_differ() -> None:
    def spread(spec: str) -> float:
        problem = sample(spec, 10)
        return float((problem.targets.sum(1, keepdim=True) / problem.count).std())

    assert spread("breast_cancer") < 0.12 < 0.3 < spread("breast_cancer:alpha=0.1")


@pytest.mark.parametrize("spec", ["logistic", "breast_cancer", "census", "digits", "mlp", "resnet"])
def test_every_data_set_with_classes_can_be_split_by_them(spec: str) -> None:
    chosen = "samples=30" if spec in SMALL else ""

    def spread(alpha: str) -> float:
        problem = sample(f"{spec}:{chosen},alpha={alpha}", 10)
        return max(float(((problem.targets == c).sum(1) / problem.count.squeeze(1)).std()) for c in range(2))

    assert spread("1e6") < 0.13 < 0.2 < spread("0.1")
    sizes = sample(f"{spec}:{chosen},alpha=1,imbalance=1", 10).count
    assert sizes.max() > 3 * sizes.min()


def test_logistic_with_alpha_holds_the_samples_it_has_without() -> None:
    whole, parted = sample("logistic:features=3", 4), sample("logistic:features=3,alpha=0.5", 4)
    assert not torch.equal(whole.features, parted.features)
    rows = [torch.cat([p.features, p.targets.unsqueeze(2)], dim=2).flatten(0, 1) for p in (whole, parted)]
    first, second = (r[r[:, 0].argsort()] for r in rows)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
