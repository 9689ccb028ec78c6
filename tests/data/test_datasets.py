"""Every file in datasets/ against its contract."""

import inspect

import numpy as np
import pytest
import torch

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems import L1, ElasticNet, Problem, Stochastic, solve
from tests.data.samples import ALL, EVEN, SAMPLED, WITHOUT_SAMPLES, same, sample


@pytest.mark.parametrize("nodes", [1, 5])
@pytest.mark.parametrize("name", ALL)
def test_every_data_set_gives_a_problem_that_can_be_solved(name: str, nodes: int) -> None:
    problem = sample(name, nodes)
    assert isinstance(problem, Problem)
    assert (problem.num_nodes, problem.num_problems) == (nodes, 1)
    x = torch.randn(nodes, problem.dim, dtype=torch.float64)
    for value in (problem.loss(x), problem.gradient(x), problem.smoothness(), problem.prox(x, 0.1)):
        assert value.dtype == torch.float64
        assert value.isfinite().all()
    solution = solve(problem)
    assert solution.value < problem.objective(problem.average(problem.initial_point()))


@pytest.mark.parametrize("name", ALL)
def test_every_data_set_is_reproducible_and_leaves_the_random_state_alone(name: str) -> None:
    problem = sample(name, seed=3)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    assert same(sample(name, seed=3), problem)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


@pytest.mark.parametrize("name", ALL)
def test_different_seeds_give_different_instances(name: str) -> None:
    first, second = sample(name, seed=0), sample(name, seed=1)
    assert not same(first, second)
    assert not torch.allclose(first.gradient(torch.ones(5, first.dim)), second.gradient(torch.ones(5, second.dim)))


@pytest.mark.parametrize("name", ALL)
def test_every_data_set_documents_its_parameters(name: str) -> None:
    plugin = plugins.load("dataset", name)
    assert plugin.description.endswith(".")
    for parameter in plugin.defaults:
        assert f"\n    {parameter}: " in inspect.getdoc(plugin.function), parameter


@pytest.mark.parametrize("name", ALL)
def test_data_sets_of_real_data_say_where_it_is_from(name: str) -> None:
    problem = sample(name)
    synthetic = (*WITHOUT_SAMPLES, *EVEN, "lasso", "linear", "logistic")
    assert bool(problem.source) == (name not in synthetic)
    assert "\n" not in problem.source
    if name in SAMPLED:
        assert Stochastic(problem, batch_size=1, seed=0).draw(1).source == problem.source
    assert problem.repeat(2).to(dtype=torch.float32).source == problem.source


@pytest.mark.parametrize("name", ["lasso", "logistic", "breast_cancer", "census"])
def test_weights_choose_the_regularizer(name: str) -> None:
    one, both = sample(f"{name}:l1_weight=0.3").regularizer, sample(f"{name}:l1_weight=0.3,l2_weight=0.2").regularizer
    assert isinstance(one, L1)
    assert one.weight == 0.3
    assert isinstance(both, ElasticNet)
    assert (both.l1, both.l2) == (0.3, 0.2)


@pytest.mark.parametrize(
    ("spec", "nodes", "message"),
    [
        ("lasso:features=0", 5, "features must be at least 1, got 0"),
        ("linear:samples=0", 5, "samples must be at least 1, got 0"),
        ("logistic:samples=-1", 5, "samples must be at least 1, got -1"),
        ("lasso:l1_weight=-1", 5, "L1 needs a finite weight >= 0, got -1"),
        ("lasso:l1_weight=nan", 5, "l1_weight: expected a finite number, got 'nan'"),
        ("logistic:column_scales=inf", 5, "column_scales: expected a finite number, got 'inf'"),
        ("lasso:imbalance=-1", 5, "imbalance must lie between 0 and 100, got -1"),
        ("lasso:imbalance=1e300", 5, "imbalance must lie between 0 and 100, got 1e.300"),
        ("breast_cancer:samples=0", 5, "samples must be at least 1, got 0"),
        ("breast_cancer:alpha=0", 5, "alpha must be positive, got 0"),
        ("breast_cancer", 570, "569 samples cannot fill 570 nodes; expected at most 569 nodes"),
        ("breast_cancer:samples=200", 5, "the nodes need 1000 samples together, but there are only 569"),
    ],
)
def test_bad_parameters_are_refused(spec: str, nodes: int, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        sample(spec, nodes)
    assert "\n" not in str(error.value)
