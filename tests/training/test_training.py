import contextlib
import dataclasses
import inspect
import itertools
import json
import math
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.fingerprint import fingerprint
from gnn_l2o.algorithms.base import detach
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.faults import FaultyNetwork
from gnn_l2o.learned import MiLoDoArchitecture, PerNodeArchitecture, available_models, load_model, save_weights
from gnn_l2o.learned.model import model_folder, model_recipe, shortest_name
from gnn_l2o.training import (
    DEFAULT_ARCHITECTURE,
    DEFAULT_STAGES,
    FINE_TUNING_STAGES,
    LOSSES,
    PAPER_STAGES,
    LayerwiseConfig,
    MetaLoss,
    Stage,
    TrainingConfig,
    TrainingRun,
    config_of,
    fine_tuning,
    read_recipe,
    read_stages,
)
from gnn_l2o.training.card import write_card
from gnn_l2o.training.checkpoint import Checkpoint
from gnn_l2o.training.curve import CurvePoint, _draw, write_curve
from gnn_l2o.training.denormals import denormals_are_flushed
from gnn_l2o.training.losses import (
    RESOLUTION,
    Area,
    LogArea,
    LogMean,
    LogOptimalityGap,
    Objective,
    area_above_tolerance,
)
from gnn_l2o.training.mixture import fitted
from gnn_l2o.training.pool import Pool
from gnn_l2o.training.pretrained import weights_fingerprint
from gnn_l2o.training.rollout import run_segment, validate
from gnn_l2o.training.stages import GENERAL_STAGES

TINY = TrainingConfig(
    dataset=("lasso:features=6,samples=4", "logistic:features=5,samples=6"),
    topology=("ring", "star"),
    nodes=(3, 5),
    problems=6,
    validation_problems=3,
    validation_iterations=15,
    batch_size=3,
    loss="log_gap",
    ema=0.5,
    stages=(Stage(1e-2, 3, 6, 2), Stage(1e-3, 4, 4, 1)),
    architecture=MiLoDoArchitecture(hidden_features=4, warmup=3),
)

PAPER = dataclasses.replace(
    TINY,
    dataset=("lasso:features=6,samples=4,l1_weight=0",),
    architecture=MiLoDoArchitecture(
        parametrization="paper", symmetrize="mean", hidden_features=4, warmup=0, recompute_every=1
    ),
    init="special",
    loss="objective",
    stages=(Stage(1e-3, 5, 40, 1),),
)


@pytest.fixture(autouse=True)
def single_precision():
    torch.set_default_dtype(torch.float32)  # what training runs in


class Killed(BaseException):
    """Stands for the signal: nothing in the library catches it."""


def weights_of(run: TrainingRun) -> dict[str, torch.Tensor]:
    return run.weights.state_dict()


def assert_same_weights(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


# Configurations


def test_a_recipe_says_all_and_is_read_back(tmp_path):
    config = dataclasses.replace(TINY, initial_step_size=0.07, seed=5)
    (tmp_path / "recipe.toml").write_text(config.to_toml())
    assert read_recipe(tmp_path / "recipe.toml") == config


def test_the_stages_of_the_paper_in_the_references_format(tmp_path):
    path = tmp_path / "stages.json"
    path.write_text(json.dumps([dataclasses.asdict(stage) for stage in PAPER_STAGES]))
    assert read_stages(path) == PAPER_STAGES
    lengths = [(s.truncation_length, s.iterations) for s in PAPER_STAGES]
    assert lengths == [(5, 10), (10, 20), (20, 40), (40, 80), (20, 100)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "non-empty list"),
        ('[{"lr": 0.1, "truncation_length": 5, "iterations": 10}]', "the stage setting epochs is missing"),
        ('[{"lr": 0.1, "truncation": 5}]', "unknown stage setting 'truncation'; did you mean 'truncation_length'?"),
        ('[{"lr": 0.1, "truncation_length": 4, "iterations": 10, "epochs": 1}]', "multiple of its truncation_length"),
        ('[{"lr": "0.1", "truncation_length": 5, "iterations": 10, "epochs": 1}]', "lr is a number, got '0.1'"),
        ('[{"lr": 0.1, "truncation_length": 5, "iterations": 10, "epochs": 0}]', "epochs is at least 1, got 0"),
    ],
)
def test_bad_stages_are_refused(tmp_path, text, message):
    path = tmp_path / "stages.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_stages(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"problems": 0}, "problems is at least 1, got 0"),
        ({"loss": "gap"}, "unknown loss 'gap'; did you mean 'log_gap'?"),
        ({"clip": 0.0}, "clip is positive, got 0.0"),
        ({"clip": math.nan}, "clip is positive, got nan"),
        ({"ema": 1.0}, "ema is less than 1, got 1.0"),
        ({"ema": math.nan}, "ema is a finite number, got nan"),
        ({"weight_decay": -0.1}, "weight_decay is at least 0, got -0.1"),
        ({"weight_decay": math.inf}, "weight_decay is a finite number, got inf"),
        ({"initial_step_size": math.nan}, "initial_step_size is a finite number, got nan"),
        ({"seed": -1}, "seed is at least 0, got -1"),
        ({"seed": 1.5}, "seed is a whole number, got 1.5"),
        ({"batch_size": 2.5}, "batch_size is a whole number, got 2.5"),
        ({"batch_size": True}, "batch_size is a whole number, got True"),
        ({"problems": "many"}, "problems is a whole number, got 'many'"),
        ({"mixing": 3}, "mixing is a text, got 3"),
        ({"dataset": "lasso"}, r"""dataset is a list, got 'lasso'; expected dataset = \["lasso"\]"""),
        ({"nodes": 10}, r"nodes is a list, got 10; expected nodes = \[10\]"),
        ({"nodes": [10, 5.0]}, r"nodes\[1\] is a whole number, got 5.0"),
        ({"topology": []}, r"topology is a list that is not empty, got \[\]"),
        ({"dataset": ["lasso", 3]}, r"dataset\[1\] is a text, got 3"),
        ({"stages": ()}, "stages is a list that is not empty"),
        ({"stages": ({"lr": 0.1},)}, r"stages\[0\]: the stage setting truncation_length is missing"),
        ({"stages": (3,)}, r"stages\[0\]: .*, got 3"),
        ({"architecture": "milodo"}, "architecture is a table of settings, got 'milodo'"),
        ({"faults": ("drp=0.1",)}, "unknown fault 'drp'; did you mean 'drop'?"),
        ({"gradient_samples": 0}, "gradient_samples is at least 1, got 0"),
        ({"initial_step_size": 1.5}, "initial_step_size lies between 0 and 0.8, got 1.5"),
    ],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(TINY, **change)


def test_unknown_settings_of_a_recipe_are_refused():
    with pytest.raises(
        InputError, match=r"unknown milodo architecture setting 'hidden'; did you mean 'hidden_features'\?"
    ):
        TrainingConfig.from_dict({"architecture": {"hidden": 3}, "training": {"dataset": ["lasso"]}})
    with pytest.raises(InputError, match=r"unknown training setting 'problem'; did you mean 'problems'\?"):
        TrainingConfig.from_dict({"training": {"dataset": ["lasso"], "problem": 3}})
    with pytest.raises(InputError, match=r"unknown table of a recipe 'trainin'; did you mean 'training'\?"):
        TrainingConfig.from_dict({"trainin": {"dataset": ["lasso"]}})
    with pytest.raises(InputError, match=r"\[training\] is a table of a recipe, got training = 3"):
        TrainingConfig.from_dict({"training": 3})
    with pytest.raises(InputError, match="architecture is a table of its own"):
        TrainingConfig.from_dict({"training": {"dataset": ["lasso"], "architecture": {}}})
    with pytest.raises(InputError, match=r"no \[training\] dataset"):
        TrainingConfig.from_dict({"architecture": {}})


@pytest.mark.parametrize("name", available_models())
def test_recipes_of_released_models_are_read_as_they_are_written(name):
    tables = model_recipe(model_folder(name))
    config = config_of(tables)
    written = config.to_dict()
    assert written["architecture"] == tables["architecture"]
    if isinstance(config, LayerwiseConfig):
        assert written["training"] == tables["training"]
        return
    # Recipes before version 0.4 had no ema: the last weights were taken.
    assert written["training"] == {"ema": 0.0, **tables["training"]}
    if config.pretrained is not None:
        assert weights_fingerprint(config.build()) == config.pretrained_fingerprint


def test_settings_of_earlier_versions_are_read():
    older = {"dataset": ["lasso"], "lr_init": 0.1, "init": "averaging"}
    assert TrainingConfig.from_dict({"training": older}).initial_step_size == 0.1
    older = {"dataset": ["lasso"], "start_from": "milodo_gnn", "start_fingerprint": "0"}
    config = TrainingConfig.from_dict({"training": older})
    assert (config.pretrained, config.pretrained_fingerprint) == ("milodo_gnn", "0")
    assert TrainingConfig.from_dict({"training": {"dataset": ["lasso"], "init": "scouted"}}).init == "grid_search"
    older = {"cycle": 3, "direct": False, "edge_gains": "edge", "refresh_every": 5}
    architecture = TrainingConfig.from_dict({"architecture": older, "training": {"dataset": ["lasso"]}}).architecture
    expected = {"chebyshev_steps": 3, "skip_connection": False, "edge_weights": "edge", "recompute_every": 5}
    assert architecture == MiLoDoArchitecture(**expected)


def test_there_is_one_set_of_defaults():
    config = TrainingConfig(dataset=("lasso",))
    assert config == TrainingConfig.from_dict({"training": {"dataset": ["lasso"]}})
    assert config.architecture == DEFAULT_ARCHITECTURE
    assert (config.loss, config.batch_size, config.ema, config.stages) == ("log_area", 6, 0.98, DEFAULT_STAGES)
    other = TrainingConfig(dataset=("lasso",), architecture=PerNodeArchitecture())
    assert (other.loss, other.batch_size, other.ema, other.stages) == ("log_gap", 16, 0.0, GENERAL_STAGES)


def test_the_bound_on_gradients_may_be_none():
    assert dataclasses.replace(TINY, clip=math.inf).clip == math.inf


@pytest.mark.parametrize("init", ["averaging", "random"])
def test_building_weights_leaves_torchs_random_numbers_alone(init):
    config = dataclasses.replace(TINY, init=init)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = config.build(), config.build()
    assert torch.equal(torch.rand(3), expected)
    assert_same_weights(first.state_dict(), second.state_dict())
    # The weights of a seed are those that torch draws after it.
    torch.manual_seed(config.seed)
    weights = config.architecture.build()
    config.architecture.initialize(weights, init, None)
    assert_same_weights(first.state_dict(), weights.state_dict())


# The pool and the loss


def test_the_pool_mixes_graphs_and_sizes_and_knows_the_optima():
    pool = Pool(dataclasses.replace(TINY, problems=12), "training", 12, torch.float64)
    batches = pool.batches(4, np.random.default_rng(0))
    assert sum(len(b.optimum) for b in batches) == 12
    sizes = {tuple(torch.bincount(b.network.batch).tolist()) for b in batches}
    assert any(len(set(s)) > 1 for s in sizes)  # graphs of different sizes in one batch
    for batch in batches:
        assert torch.equal(batch.problem.batch, batch.network.batch)
        zero = torch.zeros(len(batch.initial_objective), batch.problem.dim, dtype=torch.float64)
        torch.testing.assert_close(batch.initial_objective, batch.problem.objective(zero))
        assert (batch.optimum < batch.initial_objective).all()
        torch.testing.assert_close(batch.relative_optimality_gap(batch.x0), torch.ones_like(batch.initial_objective))


def test_gradients_may_be_those_of_some_samples(tmp_path):
    config = dataclasses.replace(TINY, gradient_samples=2)
    batch = Pool(config, "training", 4, torch.float64).batches(4)[0]
    whole = Pool(TINY, "training", 4, torch.float64).batches(4)[0]
    assert torch.equal(batch.optimum, whole.optimum)
    x = torch.randn(batch.x0.shape, dtype=torch.float64)
    torch.testing.assert_close(batch.relative_optimality_gap(x), whole.relative_optimality_gap(x))
    first, again, second = (batch.problem.draw(k).gradient(x) for k in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, second)
    draws = torch.stack([batch.problem.draw(k).gradient(x) for k in range(400)])
    error = draws.std(dim=0) / 20
    assert ((draws.mean(dim=0) - whole.problem.gradient(x)).abs() <= 5 * error + 1e-12).all()
    training = TrainingRun(config, tmp_path)
    training.run()
    write_card(training)
    assert "| gradients | of 2 samples a node |" in (tmp_path / "card.md").read_text()


def test_batches_have_the_faults_of_the_mixture(tmp_path):
    config = dataclasses.replace(TINY, faults=("", "drop=0.4"), problems=24)
    pool = Pool(config, "training", config.problems, torch.float32)
    assert not any(isinstance(batch.network, FaultyNetwork) for batch in pool.batches(3))
    first, again, other = (pool.batches(3, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert {batch.network.faults.drop for batch in first} == {0.0, 0.4}
    assert [batch.network.faults for batch in first] == [batch.network.faults for batch in again]
    assert not {batch.network.faults for batch in first} & {batch.network.faults for batch in other}
    mixtures = {"none": None, "drop": ("", "drop=0.4"), "same": ("", "drop=0.4")}
    runs = [TrainingRun(dataclasses.replace(TINY, faults=f), tmp_path / name) for name, f in mixtures.items()]
    for training in runs:
        training.run()
    none, drop, same = map(weights_of, runs)
    assert_same_weights(drop, same)
    assert any(not torch.equal(none[name], drop[name]) for name in none)
    assert "| faults, one a batch | none, `drop=0.4` |" in (tmp_path / "drop" / "card.md").read_text()


def test_training_and_validation_problems_differ_and_come_again():
    first, again = (Pool(TINY, "training", 4, torch.float32).batches(4) for _ in range(2))
    held_out = Pool(TINY, "validation", 4, torch.float32).batches(4)
    assert [b.optimum.tolist() for b in first] == [b.optimum.tolist() for b in again]
    known = {v for b in first for v in b.optimum.tolist()}
    assert not known & {v for b in held_out for v in b.optimum.tolist()}


def test_the_losses():
    batch = Pool(TINY, "training", 1, torch.float64).batches(1)[0]
    x = torch.randn(batch.problem.num_nodes, batch.problem.dim, dtype=torch.float64)
    mean = x.mean(0)
    rows = mean.expand(len(x), -1)
    objective = batch.problem.loss(rows).mean() + batch.problem.regularizer.value(mean.unsqueeze(0))[0]
    gap = (objective - batch.optimum[0]) / (batch.initial_objective[0] - batch.optimum[0])
    found = {3: batch.relative_optimality_gap(x)}
    torch.testing.assert_close(Objective().segment_loss(batch, range(1, 4), found), objective)
    torch.testing.assert_close(LogOptimalityGap().segment_loss(batch, range(1, 4), found), torch.log(gap + RESOLUTION))
    area = torch.log10(1 + gap / 1e-5)
    torch.testing.assert_close(LogArea().segment_loss(batch, range(1, 4), found), torch.log(1 + 6 * area))


def test_the_logarithm_of_means_is_decided_by_the_problem_with_most_left():
    # By hand: means 0.5 and 0.05 over the problems, of which the second is solved; a negative gap is rounding.
    found = {1: torch.tensor([1.0, 0.0], dtype=torch.float64), 9: torch.tensor([0.1, -1e-9], dtype=torch.float64)}
    expected = (math.log(0.5 + RESOLUTION) + math.log(0.05 + RESOLUTION)) / 2
    assert float(LogMean().segment_loss(None, range(1, 10), found)) == pytest.approx(expected, rel=1e-12)
    values = LogMean().validation_values(range(1, 10), found)
    assert values.tolist() == pytest.approx([math.log10(0.5 + RESOLUTION), math.log10(0.05 + RESOLUTION)], rel=1e-12)


def test_the_area_above_the_tolerance_is_a_sum_over_iterations():
    curve = {k: torch.tensor([10 ** (-k / 4), 1.0], dtype=torch.float64) for k in range(1, 41)}
    heights = np.log10(1 + np.array([[10 ** (-k / 4), 1.0] for k in range(1, 41)]) / 1e-5)
    expected = heights.sum(0) + 40 * heights[-1]  # what is left at the end counts for as long again
    torch.testing.assert_close(area_above_tolerance(range(1, 41), curve), torch.from_numpy(expected))
    sparse = {k: curve[k] for k in LogArea().measured_iterations(40)}
    torch.testing.assert_close(area_above_tolerance(range(1, 41), sparse), torch.from_numpy(expected), rtol=0.1, atol=0)
    given_up = {k: curve[k] for k in range(1, 5)}
    rest = heights[:4].sum(0) + 36 * heights[3] + 40 * heights[3]
    torch.testing.assert_close(area_above_tolerance(range(1, 41), given_up), torch.from_numpy(rest))


def test_the_objective_is_measured_everywhere_and_the_gap_at_log_spaced_iterations():
    assert Objective().measured_iterations(5) == [1, 2, 3, 4, 5]
    spaced = LogOptimalityGap().measured_iterations(400)
    assert spaced[0] == 1 and spaced[-1] == 400 and len(spaced) < 40
    assert all(b - a == 1 or b / a < 1.34 for a, b in itertools.pairwise(spaced))


def test_a_segments_loss_is_the_mean_over_its_iterations_and_its_gradient_ends_at_the_cut():
    batch = Pool(TINY, "training", 2, torch.float32).batches(2)[0]
    architecture = dataclasses.replace(TINY.architecture, warmup=6)
    algorithm = architecture.algorithm(architecture.build())
    first_state = algorithm.init(batch.problem, batch.network, batch.x0)
    states = [s for _, s in zip(range(7), run(algorithm, batch.problem, batch.network, batch.x0), strict=False)]
    measured = Objective().measured_iterations(6)
    first = run_segment(algorithm, batch, first_state, range(1, 4), Objective(), measured)
    expected = Objective().segment_loss(
        batch, range(1, 4), {k: batch.relative_optimality_gap(states[k].x) for k in (1, 2, 3)}
    )
    torch.testing.assert_close(first.loss, expected)

    x = first.state.x.detach().requires_grad_()
    second = run_segment(algorithm, batch, detach(first.state), range(4, 7), Objective(), measured)
    assert second.state.iteration == 6 and not second.diverged
    assert torch.autograd.grad(second.loss, first.state.x, allow_unused=True, retain_graph=True) == (None,)
    # Only what was not cut off sees the input: with the state put in by hand the gradient is there.
    linked = dataclasses.replace(detach(first.state), x=x)
    linked = run_segment(algorithm, batch, linked, range(4, 7), Objective(), measured)
    assert torch.autograd.grad(linked.loss, x)[0].abs().max() > 0


def test_validation_is_infinite_where_a_run_diverges():
    batch = Pool(PAPER, "validation", 2, torch.float32).batches(2)[0]
    weights = PAPER.architecture.build()
    algorithm = PAPER.architecture.algorithm(weights)
    weights.emit_exact_diffusion(0.1)
    assert -7 < validate(algorithm, [batch], 40, LogOptimalityGap()) < 0
    weights.emit_exact_diffusion(100.0)
    assert validate(algorithm, [batch], 40, LogOptimalityGap()) == math.inf


class FinalGap(MetaLoss):
    """What a user writes: the minimum that a loss needs."""

    name = "final_gap"
    label = "the optimality gap that is left"

    def segment_loss(self, batch, segment, optimality_gaps):
        *_, last = optimality_gaps.values()
        return (last.clamp(min=0) + RESOLUTION).log().mean()


def test_a_loss_in_a_file_of_ones_own_trains(tmp_path, monkeypatch):
    labels = set()
    monkeypatch.setattr("gnn_l2o.training.trainer.write_curve", lambda folder, curve, label: labels.add(label))
    source = textwrap.dedent(inspect.getsource(FinalGap))
    (tmp_path / "mine.py").write_text(f"from gnn_l2o.training.losses import RESOLUTION, MetaLoss\n\n\n{source}")
    config = dataclasses.replace(TINY, loss=str(tmp_path / "mine.py"))
    training = TrainingRun(config, tmp_path / "out")
    assert type(training.loss).__name__ == "FinalGap" and training.loss.tolerance == math.inf
    training.run()
    write_card(training)
    assert "(the optimality gap that is left, up to iteration 15)" in (tmp_path / "out" / "card.md").read_text()
    assert labels == {"the optimality gap that is left"}
    assert read_recipe(tmp_path / "out" / "recipe.toml") == training.config
    with pytest.raises(InputError, match="there is no loss file"):
        dataclasses.replace(TINY, loss="nowhere.py")


def test_every_loss_measures_and_judges():
    assert LOSSES.names() == [
        "area",
        "last_objective",
        "log_area",
        "log_gap",
        "log_mean",
        "log_objective",
        "objective",
        "particles",
        "payoff_differences",
    ]
    batch = Pool(TINY, "training", 2, torch.float64).batches(2)[0]
    for name in LOSSES.names():
        loss = LOSSES[name]()
        for measured in (loss.measured_iterations(50), loss.validation_iterations(50)):
            assert measured == sorted(set(measured)) and measured[0] >= 1 and measured[-1] == 50
        if not loss.applies(batch.problem):
            continue
        near, far = ({k: torch.full((2,), g, dtype=torch.float64) for k in measured} for g in (1e-4, 1e-2))
        assert loss.segment_loss(batch, range(1, 51), near) < loss.segment_loss(batch, range(1, 51), far)
        values = [loss.validation_values(range(1, 51), gaps) for gaps in (near, far)]
        assert values[0].dim() == 1 and values[0].mean() < values[1].mean()
    assert Area().measured_iterations(48) == list(range(2, 49, 2))


def test_the_axis_of_the_curve_says_what_is_measured(tmp_path):
    point = CurvePoint(1, 1, 5, 0.1, 0.2, 0.2, 0, 1.0)
    for loss in (LogArea(), LogOptimalityGap()):
        axes = _draw([point], loss.label).axes[0]
        assert " ".join(axes.get_ylabel().split()) == loss.label
    write_curve(tmp_path, [point], LogArea.label)
    assert (tmp_path / "curve.csv").read_text().splitlines()[0].split(",")[-2:] == ["rollbacks", "seconds"]


# Runs


def test_training_lowers_the_loss_and_saves_the_best_weights(tmp_path):
    config = dataclasses.replace(TINY, stages=(Stage(2e-2, 6, 6, 10),))
    training = TrainingRun(config, tmp_path)
    training.run()
    curve = training.progress.curve
    assert curve[-1].loss < curve[0].loss - 0.05
    assert training.progress.best == min(p.validation for p in curve) < math.inf
    loaded = load_model(tmp_path)
    assert_same_weights(loaded.source.state_dict(), training.best_weights)
    again = validate(loaded, training.validation, 15, LogOptimalityGap())
    torch.testing.assert_close(again, training.progress.best, rtol=0, atol=1e-6)
    assert (tmp_path / "curve.png").stat().st_size > 1000
    assert len((tmp_path / "curve.csv").read_text().splitlines()) == len(curve) + 1


@pytest.mark.parametrize("killed_after", [1, 5, 9])
def test_a_killed_run_resumes_to_the_same_weights_bit_for_bit(tmp_path, killed_after):
    whole = TrainingRun(TINY, tmp_path / "whole")
    whole.run()

    def kill(training: TrainingRun) -> None:
        kill.calls += 1
        if kill.calls > killed_after:
            raise Killed

    kill.calls = 0
    with pytest.raises(Killed):
        TrainingRun(TINY, tmp_path / "cut", report=kill, checkpoint_seconds=0).run()
    resumed = TrainingRun(TINY, tmp_path / "cut", resume=True)
    assert 0 < resumed.progress.iterations < whole.progress.iterations
    resumed.run()
    assert_same_weights(weights_of(resumed), weights_of(whole))
    assert_same_weights(resumed.best_weights, whole.best_weights)
    untimed = [[dataclasses.replace(p, seconds=0) for p in r.progress.curve] for r in (resumed, whole)]
    assert untimed[0] == untimed[1]


def test_a_run_is_resumed_only_with_its_own_settings(tmp_path):
    TrainingRun(dataclasses.replace(TINY, stages=(Stage(1e-3, 3, 3, 1),)), tmp_path).run()
    with pytest.raises(InputError, match=r"batch_size = 3, got 2; a run is resumed with the settings"):
        TrainingRun(dataclasses.replace(TINY, batch_size=2), tmp_path, resume=True)
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match="cannot be read"):
        TrainingRun(TINY, tmp_path, resume=True)


def test_no_flipped_byte_of_a_checkpoint_is_taken_for_a_number(tmp_path):
    training = TrainingRun(dataclasses.replace(TINY, stages=(Stage(1e-3, 3, 3, 1),)), tmp_path)
    training.run()
    path, device = tmp_path / "checkpoint.pt", "cpu"
    content, settings = path.read_bytes(), training.config.to_dict()
    saved = fingerprint(Checkpoint.load(path, settings, device))
    random, refused = np.random.default_rng(0), []
    for place in random.choice(len(content), 60, replace=False):
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(random.integers(8))
        path.write_bytes(flipped)
        try:
            assert fingerprint(Checkpoint.load(path, settings, device)) == saved  # between the records
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 20 and not any("\n" in line for line in refused)
    assert any("is damaged: its record" in line for line in refused)


SOMETIMES_TRIVIAL = """
    \"\"\"Least squares of one sample a node.\"\"\"
    import numpy as np
    from gnn_l2o.problems import L1, LeastSquares

    def sample(network, *, seed: int, trivial: float = 0.5):
        \"\"\"Targets are zero with a probability.\"\"\"
        random = np.random.default_rng(seed)
        a = random.standard_normal((network.num_nodes, 1, 3))
        b = a.sum(axis=2) * (random.random() >= trivial)
        return LeastSquares.from_nodes(list(a), list(b), L1(0.001))
"""


def test_problems_with_nothing_to_minimize_are_drawn_anew_or_named(tmp_path):
    file = tmp_path / "sometimes.py"
    file.write_text(textwrap.dedent(SOMETIMES_TRIVIAL))
    config = dataclasses.replace(TINY, dataset=(str(file),))
    (drawn,) = Pool(config, "training", 12, torch.float32).groups
    assert len(drawn) == 12 and all(bool(b.initial_objective > b.optimum) for b in drawn)
    usual = dataclasses.replace(TINY, dataset=(f"{file}:trivial=0",))
    (undisturbed,) = Pool(usual, "training", 12, torch.float32).groups
    same = [torch.equal(a.problem.targets, b.problem.targets) for a, b in zip(drawn, undisturbed, strict=True)]
    assert 0 < sum(same) < 12  # the others are the first draws
    with pytest.raises(InputError, match=r"optimal in 10 of 10 draws on (ring|star), . nodes, so there is nothing"):
        TrainingRun(
            dataclasses.replace(TINY, dataset=("lasso:features=6,samples=4,l1_weight=100",)), tmp_path / "o"
        ).run()


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("diverges", [False, True])
def test_denormal_numbers_are_computed_as_before_after_training(tmp_path, monkeypatch, before, diverges):
    seen = []

    def train_on(training, *_):
        seen.append(denormals_are_flushed())
        training.progress.updates += 1 - diverges
        return math.nan if diverges else 0.0

    monkeypatch.setattr(TrainingRun, "_train_on", train_on)
    torch.set_flush_denormal(before)
    try:
        with pytest.raises(InputError) if diverges else contextlib.nullcontext():
            TrainingRun(TINY, tmp_path).run()
        assert denormals_are_flushed() == before
    finally:
        torch.set_flush_denormal(False)
    assert seen and all(seen) == torch.set_flush_denormal(False)  # which says whether the CPU can flush them


def test_checkpoints_of_earlier_versions_are_read_or_refused_in_one_line(tmp_path):
    training = TrainingRun(dataclasses.replace(TINY, stages=(Stage(1e-3, 3, 3, 1),)), tmp_path)
    training.run()
    path = tmp_path / "checkpoint.pt"
    content = torch.load(path, weights_only=True)
    progress = content["progress"]
    progress["setbacks"] = progress.pop("rollbacks") + 2
    progress["curve"] = [{("setbacks" if k == "rollbacks" else k): v for k, v in p.items()} for p in progress["curve"]]
    torch.save(content, path)
    resumed = TrainingRun(training.config, tmp_path, resume=True)
    assert resumed.progress.rollbacks == 2 and resumed.progress.curve == training.progress.curve
    for change, message in [
        ({"progress": {"curve": [], "unheard_of": 1}}, "is of another version of gnn-l2o"),
        ({"config": {}}, "is of another version of gnn-l2o"),
        ({"weights": {}}, "does not fit the architecture"),
        ({"optimizer": {"state": {}, "param_groups": []}}, "does not fit the architecture"),
    ]:
        torch.save({**content, **change}, path)
        with pytest.raises(InputError, match=message) as refused:
            TrainingRun(training.config, tmp_path, resume=True)
        assert "\n" not in str(refused.value)


def test_divergence_rolls_the_weights_back_and_halves_the_learning_rate(tmp_path):
    training = TrainingRun(PAPER, tmp_path)
    good = {k: v.clone() for k, v in weights_of(training).items()}
    training.weights.emit_exact_diffusion(100.0)  # with such steps every problem diverges
    stage = training.config.stages[0]
    batch = training.pool.batches(3)[0]
    for _ in range(9):
        training._train_on(batch, stage)
    assert training.progress.rollbacks == 0
    training._train_on(batch, stage)
    assert training.progress.rollbacks == 1
    assert_same_weights(weights_of(training), good)
    training._train_on(batch, stage)
    assert training.optimizer.param_groups[0]["lr"] == stage.lr / 2


@pytest.mark.parametrize(
    ("loss", "best", "found", "rolled_back"),
    [
        ("objective", -1.0, math.inf, True),
        ("objective", -1.0, 1.0, False),
        ("area", -1.0, -0.8, True),
        ("area", -1.0, -0.95, False),
        ("area", math.inf, math.inf, False),
    ],
)
def test_weights_that_got_much_worse_in_validation_are_rolled_back(
    tmp_path, monkeypatch, loss, best, found, rolled_back
):
    training = TrainingRun(dataclasses.replace(PAPER, loss=loss), tmp_path)
    good = {k: v.clone() for k, v in weights_of(training).items()}
    training.progress.best, training.progress.losses, training.progress.updates = best, [0.0], 1
    training.weights.emit_exact_diffusion(100.0)
    bad = {k: v.clone() for k, v in weights_of(training).items()}
    monkeypatch.setattr(training, "_validate", lambda: found)
    training._finish_epoch()
    assert training.progress.rollbacks == rolled_back
    assert_same_weights(weights_of(training), good if rolled_back else bad)


@pytest.mark.parametrize("ema", [0.0, 0.75])
def test_what_is_judged_and_saved_is_the_moving_average(tmp_path, ema):
    training = TrainingRun(dataclasses.replace(TINY, ema=ema), tmp_path)
    batch = training.pool.batches(3)[0]
    mean = None
    for _ in range(3):
        training._train_on(batch, Stage(1e-2, 6, 6, 1))  # one update
        now = {name: value.clone() for name, value in weights_of(training).items()}
        mean = now if mean is None else {name: ema * mean[name] + (1 - ema) * value for name, value in now.items()}
    training.progress.losses = [0.0]
    training._finish_epoch()
    torch.testing.assert_close(training.best_weights, mean)
    torch.testing.assert_close(load_file(tmp_path / "weights.safetensors"), mean)
    assert (training.weights.node.lstm.outer.bias == training.judged.source.node.lstm.outer.bias).all() == (ema == 0)


@pytest.mark.parametrize(
    ("loss", "why"),
    [
        (math.nan, r"every run diverged; expected another initialization \(init\) or a smaller initial_step_size"),
        (0.5, r"no batch gave a finite gradient; expected a shorter truncation_length or a smaller initial_step_size"),
    ],
)
def test_an_epoch_without_an_update_is_an_error(tmp_path, monkeypatch, loss, why):
    def train_on(training, *_):
        training.progress.updates += training.progress.stage == 0 and training.progress.epoch == 0
        return loss if training.progress.epoch else 0.0

    monkeypatch.setattr(TrainingRun, "_train_on", train_on)
    with pytest.raises(InputError, match=f"^epoch 2 of stage 1 ended without an update: {why}$"):
        TrainingRun(TINY, tmp_path).run()


def test_an_update_without_a_finite_gradient_changes_nothing(tmp_path):
    training = TrainingRun(TINY, tmp_path)
    before = {k: v.clone() for k, v in weights_of(training).items()}
    bad = sum(p.sum() for p in training.weights.parameters()) * math.nan
    assert not training._update(bad, TINY.stages[0])
    assert_same_weights(weights_of(training), before)


# Fine-tuning


def save_model(folder: Path, config: TrainingConfig = TINY, *, seed: int = 3) -> dict[str, torch.Tensor]:
    """Write a model with drawn weights, as a training run of this configuration would; return them."""
    config = fitted(dataclasses.replace(config, seed=seed, init="random"))
    weights = config.build()
    save_weights(folder, weights, config.architecture)
    (folder / "recipe.toml").write_text(config.to_toml())
    return weights.state_dict()


@pytest.fixture
def model(tmp_path):
    """A folder with a model of :data:`TINY`'s architecture."""
    save_model(tmp_path / "model")
    return tmp_path / "model"


def tuned_from(folder: Path) -> TrainingConfig:
    return dataclasses.replace(TINY, pretrained=str(folder), loss="area")


def test_fine_tuning_starts_from_the_models_weights_and_with_a_fresh_optimizer(model, tmp_path):
    training = TrainingRun(tuned_from(model), tmp_path / "mine")
    assert_same_weights(weights_of(training), load_model(model).source.state_dict())
    assert not training.optimizer.state
    before = validate(load_model(model), training.validation, 15, Area())
    training.run()
    assert training.progress.updates > 0
    assert training.progress.best <= before


def test_fine_tuning_from_whatever_seed_starts_from_the_same_weights(model):
    first, second = (dataclasses.replace(tuned_from(model), seed=seed).build() for seed in (0, 1))
    assert_same_weights(first.state_dict(), second.state_dict())


def test_the_recipe_says_from_which_weights_training_started(model):
    config = fitted(tuned_from(model))
    assert (config.pretrained, config.init, config.initial_step_size) == (str(model), None, None)
    assert config.pretrained_fingerprint and TrainingConfig.from_dict(config.to_dict()) == config == fitted(config)
    save_model(model, seed=3)
    assert fitted(tuned_from(model)) == config
    save_model(model, seed=4)
    assert fitted(tuned_from(model)).pretrained_fingerprint != config.pretrained_fingerprint


def test_a_model_in_models_is_recorded_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model(Path("elsewhere/known"))
    assert fitted(tuned_from(Path("elsewhere/known"))).pretrained == "elsewhere/known"
    (shipped,) = plugins.folders("model")
    assert shortest_name(shipped / "milodo_gnn") == shortest_name("milodo_gnn") == "milodo_gnn"


def test_a_killed_fine_tuning_resumes_to_the_same_weights_bit_for_bit(model, tmp_path):
    whole = TrainingRun(tuned_from(model), tmp_path / "whole")
    whole.run()

    def kill(training: TrainingRun) -> None:
        if training.progress.updates > 5:
            raise Killed

    with pytest.raises(Killed):
        TrainingRun(tuned_from(model), tmp_path / "cut", report=kill, checkpoint_seconds=0).run()
    resumed = TrainingRun(read_recipe(tmp_path / "cut" / "recipe.toml"), tmp_path / "cut", resume=True)
    assert 0 < resumed.progress.iterations < whole.progress.iterations
    resumed.run()
    assert_same_weights(weights_of(resumed), weights_of(whole))
    assert_same_weights(resumed.best_weights, whole.best_weights)


def test_a_model_that_has_changed_is_refused(model, tmp_path):
    training = TrainingRun(tuned_from(model), tmp_path / "mine")
    training.save_checkpoint()
    recipe = training.config
    save_model(model, seed=4)
    for folder, resume in ((tmp_path / "mine", True), (tmp_path / "again", False)):
        with pytest.raises(
            InputError, match="have changed since this recipe was written: expected pretrained_fingerprint"
        ):
            TrainingRun(recipe, folder, resume=resume)
    # Named anew, the model is taken as it is; but not to go on with what was begun from the old one.
    with pytest.raises(InputError, match="belongs to a run with pretrained_fingerprint"):
        TrainingRun(tuned_from(model), tmp_path / "mine", resume=True)
    TrainingRun(tuned_from(model), tmp_path / "again")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"init": "averaging"}, "either with the model .*model or with init averaging"),
        ({"initial_step_size": 0.3}, "either with the model .*model or with initial_step_size 0.3"),
        ({"pretrained": None, "pretrained_fingerprint": "0"}, "pretrained_fingerprint is that of the model pretrained"),
        ({"pretrained": "nowhere"}, "unknown model 'nowhere'"),
        (
            {"architecture": MiLoDoArchitecture(hidden_features=5, warmup=4)},
            "with its own architecture: it has hidden_features 4, got 5, warmup 3, got 4$",
        ),
        ({"architecture": PerNodeArchitecture()}, "it has kind 'milodo', got 'per_node'$"),
    ],
)
def test_what_contradicts_the_pretrained_model_is_refused(model, change, message):
    with pytest.raises(InputError, match=message):
        fitted(dataclasses.replace(tuned_from(model), **change))


def test_a_model_bound_to_its_graph_is_fine_tuned_on_that_graph_only(tmp_path):
    bound = dataclasses.replace(TINY, topology=("ring",), nodes=(4,), architecture=PerNodeArchitecture(None, 4))
    save_model(tmp_path, bound)
    tables = fine_tuning(str(tmp_path))
    assert fitted(TrainingConfig.from_dict(tables)).architecture.links == "0-1 0-3 1-2 2-3"
    tables["training"]["nodes"] = [5]
    with pytest.raises(InputError, match="does not suit a per_node: its networks are bound to their graph of 4 nodes"):
        fitted(TrainingConfig.from_dict(tables))


def test_fine_tuning_keeps_the_models_mixture_and_trains_it_briefly(tmp_path):
    save_model(tmp_path, dataclasses.replace(TINY, initial_step_size=0.1, clip=0.5))
    config = TrainingConfig.from_dict(fine_tuning(str(tmp_path)))
    assert config == dataclasses.replace(
        TINY, clip=0.5, seed=3, loss="log_area", stages=FINE_TUNING_STAGES, pretrained=str(tmp_path)
    )


def test_what_was_fine_tuned_is_fine_tuned_again(model, tmp_path):
    first, second = fitted(tuned_from(model)), tmp_path / "second"
    save_model(second, seed=4)
    (second / "recipe.toml").write_text(first.to_toml())
    config = fitted(TrainingConfig.from_dict(fine_tuning(str(second))))
    assert config.pretrained == str(second) and config.pretrained_fingerprint != first.pretrained_fingerprint


def test_a_model_is_not_fine_tuned_in_its_own_place(model):
    with pytest.raises(InputError, match="holds the pretrained model"):
        TrainingRun(tuned_from(model), model)


def test_the_card_says_how_weights_were_initialized(model, tmp_path):
    for config, initialization in (
        (tuned_from(model), f"area, `{model}` (fingerprint"),
        (TINY, "log_gap, averaging |"),
    ):
        training = TrainingRun(config, tmp_path / "mine")
        write_card(training)
        text = (tmp_path / "mine" / "card.md").read_text()
        assert f"| loss, initialization | {initialization}" in text
        assert ("began with the weights of" in " ".join(text.split())) == (config is not TINY)
