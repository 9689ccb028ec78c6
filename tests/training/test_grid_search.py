"""The initialization that training finds by trying constants."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.exchange import NetworkExchange
from gnn_l2o.learned import (
    LearnedScalarsArchitecture,
    LocalMiLoDoArchitecture,
    MatrixMiLoDoArchitecture,
    MiLoDoArchitecture,
)
from gnn_l2o.nn import CoordinateLSTM
from gnn_l2o.nn.features import known_at_edges
from gnn_l2o.problems import Logistic
from gnn_l2o.training import Stage, TrainingConfig, TrainingRun, grid_search as module
from gnn_l2o.training.grid_search import grid_search
from tests.training.small_training import assert_same_weights, cut_off, weights_of

pytestmark = pytest.mark.usefixtures("single_precision")

CONFIG = TrainingConfig(
    dataset=("lasso:features=8,samples=3", "logistic:features=5,samples=6"),
    topology=("ring", "star"),
    nodes=(4, 6),
    problems=8,
    validation_problems=3,
    validation_iterations=20,
    batch_size=4,
    loss="log_area",
    init="grid_search",
    stages=(Stage(1e-2, 4, 4, 1),),
    architecture=MiLoDoArchitecture(hidden_features=4, accelerated=True, edge_weights="edge", warmup=3),
)
ARCHITECTURES = {
    "lstm": CONFIG.architecture,
    "no momentum": dataclasses.replace(CONFIG.architecture, accelerated=False),
    "no spectral gap": dataclasses.replace(CONFIG.architecture, spectral_gap=False),
    "directed": dataclasses.replace(CONFIG.architecture, symmetrize="mean", edge_weights="coordinate"),
    "scalars": LearnedScalarsArchitecture(accelerated=True),
    "local solves": LocalMiLoDoArchitecture(hidden_features=4, warmup=3),
    "matrices": MatrixMiLoDoArchitecture(hidden_features=4),
}


def test_a_ridge_regression_is_scikit_learns():
    generator = np.random.default_rng(0)
    features, targets = generator.standard_normal((20, 3)), generator.standard_normal((20, 2))
    found = module._ridge(*(torch.from_numpy(a).float() for a in (features, targets)))
    expected = Ridge(alpha=module.RIDGE * 20).fit(features, targets)
    np.testing.assert_allclose(found[0], expected.intercept_, atol=1e-5)
    np.testing.assert_allclose(found[1:].t(), expected.coef_, atol=1e-5)


def test_an_lstm_can_be_made_linear_in_its_last_features():
    lstm = CoordinateLSTM(4, 3, 2, skip_connection=True)
    coefficients = torch.randn(3, 2)
    lstm.make_linear(coefficients)
    features = torch.randn(4, 5, 1)
    output, _ = lstm(features, lstm.initial_memory(features[0]))
    expected = coefficients[0, :, None] + torch.einsum("ko,kn->on", coefficients[1:], features[2:, :, 0])
    torch.testing.assert_close(output[:, :, 0], expected)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_problem_gets_about_the_constants_that_suit_it_best(tmp_path, name, monkeypatch):
    monkeypatch.setattr(module, "RIDGE", 1e-5)
    monkeypatch.setattr(module, "TEMPERATURE", 1e-4)
    architecture = ARCHITECTURES[name]
    dataset = ("linear:features=8,samples=3",) if name == "matrices" else CONFIG.dataset  # they bear no regularizer
    training = TrainingRun(dataclasses.replace(CONFIG, architecture=architecture, dataset=dataset), tmp_path)
    weights, algorithm = training.weights, training.algorithm
    batch = training.pool.some(1)[0]
    assert len(batch.optimum) == 1
    grid_search(weights, algorithm, [batch], 30)
    found = module._log_area(algorithm, batch, 30)
    assert found <= min(_tried(training, batch)) + 0.02


def test_problems_that_need_other_constants_get_them(tmp_path):
    """A LASSO and a logistic regression have different features, so one linear layer serves both."""
    training = TrainingRun(CONFIG, tmp_path)
    batches = training.pool.some(100)
    grid_search(training.weights, training.algorithm, batches, 30)
    found = torch.cat([module._log_area(training.algorithm, b, 30) for b in batches]).mean()
    tried = torch.stack([torch.cat(areas) for areas in zip(*(_tried(training, b) for b in batches), strict=True)])
    best = tried.mean(dim=1).min()
    assert found < best + 0.05


def test_each_kind_of_problem_gets_the_constants_that_are_best_for_it(tmp_path, monkeypatch):
    """Where the best dual step size of LASSO is not that of logistic regression, each gets its own."""
    training = TrainingRun(dataclasses.replace(CONFIG, architecture=ARCHITECTURES["scalars"]), tmp_path)
    weights, batches = training.weights, training.pool.some(100)
    best_dual = [0.75 if isinstance(b.problem, Logistic) else 0.2 for b in batches]

    def log_area(algorithm, batch, iterations):
        found = torch.sigmoid(weights.constants()[1][0])
        dual = best_dual[[b is batch for b in batches].index(True)]
        return torch.where((found - dual).abs() < 1e-3, 1.0, 2.0).expand(len(batch.optimum))

    monkeypatch.setattr(module, "_log_area", log_area)
    monkeypatch.setattr(module, "RIDGE", 1e-6)
    grid_search(weights, training.algorithm, batches, 30)
    dual = weights.coefficients.detach()[2]
    for batch, share in zip(batches, best_dual, strict=True):
        facts = training.algorithm.init(batch.problem, batch.network, batch.x0).facts
        known = torch.cat(known_at_edges(facts, NetworkExchange(batch.network), spectral_gap=True), dim=1)
        emitted = torch.sigmoid(dual[0] + known @ dual[1:])
        assert (emitted.mean() - share).abs() < 0.05


def test_a_run_trains_from_the_initialization_it_found_and_says_so(tmp_path):
    training = TrainingRun(CONFIG, tmp_path)
    before = {name: value.clone() for name, value in training.weights.state_dict().items()}
    training._grid_search()
    found = training.weights.state_dict()
    assert not all(torch.equal(before[name], found[name]) for name in before)
    for name, value in found.items():
        assert torch.equal(training.best_weights[name], value)
        assert torch.equal(training.average.module.state_dict()[name], value)
    assert 'init = "grid_search"' in training.config.to_toml()


def test_a_resumed_run_does_not_search_again(tmp_path, monkeypatch):
    resumed = cut_off(CONFIG, tmp_path / "cut", when=lambda run: run.progress.batch == 2)
    assert not resumed.progress.curve and resumed.progress.iterations
    monkeypatch.setattr(resumed, "_grid_search", lambda: pytest.fail("searched again"))
    resumed.run()
    whole = TrainingRun(CONFIG, tmp_path / "whole")
    whole.run()
    assert_same_weights(weights_of(resumed), weights_of(whole))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"initial_step_size": 0.1},
            "init 'grid_search' chooses the step sizes; expected no initial_step_size, got 0.1",
        ),
        ({"architecture": dataclasses.replace(CONFIG.architecture, skip_connection=False)}, "init 'grid_search' needs"),
        (
            {"architecture": MiLoDoArchitecture(parametrization="paper", hidden_features=4)},
            "init 'grid_search' needs the scale_free parametrization",
        ),
        ({"architecture": LearnedScalarsArchitecture(linear=False)}, "expected linear = true"),
    ],
)
def test_what_has_no_grid_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(CONFIG, **change).build()


def _tried(training, batch):
    for constants in training.weights.trials:
        training.weights.emit(**constants)
        yield module._log_area(training.algorithm, batch, 30)


def test_training_reaches_what_networks_emit_before_the_first_iteration(tmp_path):
    few = dataclasses.replace(CONFIG, architecture=ARCHITECTURES["local solves"], stages=(Stage(1e-4, 4, 4, 1),))
    training = TrainingRun(few, tmp_path)
    before = {name: weight.clone() for name, weight in training.weights.named_parameters()}
    training.run()
    after = dict(training.weights.named_parameters())
    # The grid search sets none but first_linear.
    for name in ("power.bias", "relaxation.bias", "first_outer.bias"):
        assert not torch.equal(after[name], before[name]), name
