"""The problems of Open-L2O against expectations over their distributions, and against their formulas."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.optimize
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import MLP, ConvNet, LeastSquares, LeNet, NASCell, Rastrigin, Zero, solve
from gnn_l2o.problems.open_l2o_models import draw_small
from tests.small_data import image_folder

ONE = build_network("path", 1)
FOUR = build_network("ring", 4)


def sample(spec: str, network: Network = ONE, seed: int = 0):
    return plugins.load("dataset", spec)(network, seed=seed)


def four_standard_errors(values: torch.Tensor) -> float:
    """Return how far a mean of independent draws may be off."""
    return 4 * float(values.std()) / math.sqrt(len(values))


# Quadratics


def test_the_loss_of_quadratics_is_a_squared_norm_with_a_third_of_d_at_zero() -> None:
    problem = sample("quadratic", FOUR)
    scale = math.sqrt(2 * 10)
    x = torch.randn(4, 10).double()
    expected = [
        float((w @ row - y).square().sum())
        for w, y, row in zip(problem.features / scale, problem.targets / scale, x, strict=True)
    ]
    torch.testing.assert_close(problem.loss(x).flatten(), torch.tensor(expected).double())
    entries = torch.cat([sample("quadratic", FOUR, seed).features.flatten() / scale for seed in range(20)])
    assert 0 <= entries.min() < 0.01 < 0.99 < entries.max() <= 1
    many = LeastSquares.concatenate([sample("quadratic", seed=seed) for seed in range(500)])
    values = many.objective(torch.zeros(500, 10).double())
    assert abs(float(values.mean()) - 10 / 3) < four_standard_errors(values) < 0.2


def test_a_square_quadratic_of_one_node_has_the_minimum_zero_and_others_have_not() -> None:
    assert float(solve(sample("quadratic")).value) < 1e-10
    assert float(solve(sample("quadratic", FOUR)).value) > 0.1
    assert sample("quadratic:samples=3,features=7", FOUR).features.shape == (4, 3, 7)


# LASSO


@pytest.mark.parametrize(("features", "samples", "published"), [(10, 5, 128.5), (50, 25, 126.7)])
def test_the_benchmark_lasso_starts_at_the_published_relative_objective(
    features: int, samples: int, published: float
) -> None:
    spec = f"lasso_benchmark:features={features},samples={samples}"
    draws = [
        plugins.load("dataset", f"{spec},dictionary={dictionary}")(ONE, seed=1000 * dictionary + seed)
        for dictionary in range(3)
        for seed in range(200)
    ]
    many = LeastSquares.concatenate(draws)
    optimum = solve(many).value
    initial = many.objective(torch.zeros(len(draws), features).double())
    assert float((initial - optimum).mean() / optimum.mean()) == pytest.approx(published, rel=0.06)


def test_rows_of_the_benchmark_dictionary_are_split_over_the_nodes() -> None:
    whole, split = sample("lasso_benchmark:dictionary=3"), sample("lasso_benchmark:dictionary=3", FOUR)
    x = torch.randn(1, 50).double()
    torch.testing.assert_close(whole.objective(x), split.objective(x))
    a = whole.features[0] / math.sqrt(25)
    torch.testing.assert_close(a.norm(dim=0), torch.ones(50).double())
    b = whole.targets[0] / math.sqrt(25)
    expected = 0.5 * (a @ x[0] - b).square().sum() + 0.005 * x.abs().sum()
    torch.testing.assert_close(whole.objective(x).squeeze(), expected)
    assert torch.equal(sample("lasso_benchmark:dictionary=3", seed=9).features, whole.features)
    assert not torch.equal(sample("lasso_benchmark", seed=9).features, whole.features)
    with pytest.raises(InputError, match="25 samples cannot fill 26 nodes"):
        sample("lasso_benchmark", build_network("ring", 26))
    with pytest.raises(InputError, match="sparsity is a probability above 0, got 0"):
        sample("lasso_benchmark:sparsity=0")


# Rastrigin


def value(arguments: tuple[Tensor, ...], x: np.ndarray) -> float:
    a, b, c, alpha = (t.numpy() for t in arguments)
    return float(0.5 * np.sum((a @ x - b) ** 2) - alpha * c @ np.cos(2 * np.pi * x) + alpha * len(x))


def test_rastrigin_is_its_formula() -> None:
    problem = sample("rastrigin:features=3", FOUR)
    assert isinstance(problem, Rastrigin)
    x = torch.randn(4, 3).double()
    expected = [value(d, row.numpy()) for d, row in zip(problem.data, x, strict=True)]
    torch.testing.assert_close(problem.loss(x).flatten(), torch.tensor(expected).double())
    assert torch.equal(problem.initial_point()[0], problem.initial_point()[3])


@pytest.mark.parametrize(("features", "expected", "bound"), [(2, 23.0, 4.0), (10, 155.0, 20.4)])
def test_rastrigin_has_its_mean_at_the_start(features: int, expected: float, bound: float) -> None:
    many = Rastrigin.concatenate([sample(f"rastrigin:features={features}", seed=seed) for seed in range(200)])
    values = many.objective(many.initial_point())
    assert abs(float(values.mean()) - expected) < four_standard_errors(values)
    assert abs(float(many.lower_bound().mean()) - bound) < 0.1 * expected


def test_no_point_is_below_the_lower_bound_of_rastrigin() -> None:
    problem = sample("rastrigin:features=2", FOUR)

    def objective(x: np.ndarray) -> float:
        return float(np.mean([value(d, x) for d in problem.data]))

    box = [(-4, 4)] * 2
    lowest = scipy.optimize.brute(objective, box, Ns=60, full_output=True)[1]
    bound = float(problem.lower_bound())
    assert bound <= lowest
    # The quadratics alone, without waves, are bounded by their minimum.
    half = math.sqrt(2)  # so that the factor 1 / (2 rows) of least squares is a half
    data = [[half * d[k] for d in problem.data] for k in (0, 1)]
    quadratics = LeastSquares.from_nodes(*data, Zero())
    waves = torch.stack([d[2] for d in problem.data]).mean(dim=0).abs().sum()
    expected = float(solve(quadratics).value) + 10 * (2 - float(waves))
    assert bound == pytest.approx(expected, rel=1e-9)
    with pytest.raises(InputError, match="height must be positive, got 0"):
        sample("rastrigin:height=0")


# Neural networks


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "mlp, training": (lambda: MLP((784, 20, 10), "sigmoid"), (1, 28, 28), 15_910),
    "mlp, testing": (lambda: MLP((784, 20, 20, 10)), (1, 28, 28), 16_330),
    "convnet": (ConvNet, (1, 28, 28), 18_218),
    "convnet, photographs": (lambda: ConvNet((3, 32, 32), stride=2), (3, 32, 32), 13_706),
    "lenet": (LeNet, (3, 32, 32), 62_006 + 2 * (6 + 16 + 120 + 84)),
    "nas cell": (NASCell, (3, 32, 32), 7_706),
}
EACH_NETWORK = pytest.mark.parametrize(("make", "shape", "count"), NETWORKS.values(), ids=NETWORKS.keys())


@EACH_NETWORK
def test_networks_have_the_published_numbers_of_parameters_and_begin_at_the_logarithm_of_ten(
    make: Callable[[], nn.Module], shape: tuple[int, ...], count: int
) -> None:
    torch.manual_seed(0)
    module = make()
    assert sum(p.numel() for p in module.parameters()) == count
    images, labels = torch.randn(4, *shape), torch.tensor([0, 3, 3, 9])
    loss = F.cross_entropy(draw_small(module, 0.0)(images), labels)
    assert loss.item() == pytest.approx(math.log(10), abs=1e-6)
    loss = F.cross_entropy(draw_small(module, 0.01)(images), labels)
    assert loss.item() == pytest.approx(math.log(10), abs=0.2)
    loss.backward()
    for name, parameter in module.named_parameters():
        if name.endswith("weight"):  # normalization takes the biases in front of it away
            assert parameter.grad is not None and bool((parameter.grad != 0).any()), name


@EACH_NETWORK
def test_logits_may_be_negative(make: Callable[[], nn.Module], shape: tuple[int, ...], count: int) -> None:
    torch.manual_seed(0)
    assert draw_small(make(), 0.3)(torch.randn(20, *shape)).min().item() < 0


def test_the_cell_is_its_formula() -> None:
    cell, images = NASCell(width=2), torch.randn(3, 3, 6, 6)
    c = list(cell.layers)
    h0 = c[0](images)
    h1 = c[1](h0)
    around = F.pad(torch.ones(1, 1, 6, 6), (1, 1, 1, 1)), F.pad(h1, (1, 1, 1, 1))
    count, total = (sum(a[..., i : i + 6, j : j + 6] for i in range(3) for j in range(3)) for a in around)
    h3 = total / count + c[2](h0) + c[3](h1) + h0
    torch.testing.assert_close(cell(images), cell.head(h3.mean(dim=(2, 3))))


def test_a_convolutional_network_refuses_images_that_are_too_small() -> None:
    with pytest.raises(InputError, match="images of 12 x 28 pixels are too small for a stride of 2"):
        ConvNet((1, 12, 28), stride=2)
    with pytest.raises(InputError, match=r"deviation is at least 0, got -0\.1"):
        draw_small(MLP(), -0.1)


def test_the_datasets_have_these_networks_and_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNN_L2O_DATA", image_folder().name)
    few = "samples=2,test_samples=2"
    dims = {
        f"mlp:{few},width=20,layers=1,activation=sigmoid,deviation=0.01": 15_910,
        f"mlp:{few},width=20,deviation=0.01": 16_330,
        f"convnet:{few}": 18_218,
        f"convnet:{few},images=cifar10": 13_706,
        f"nas_cell:{few}": 7_706,
    }
    for spec, dim in dims.items():
        problem = sample(spec)
        assert problem.dim == dim
        assert float(problem.objective(problem.initial_point())) == pytest.approx(math.log(10), abs=0.3)
