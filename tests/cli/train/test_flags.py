"""What the flags of training make of its configuration."""

import dataclasses

import pytest

from gnn_l2o._utils.files import write_text
from gnn_l2o.cli.train import main
from gnn_l2o.learned import GenericL2OArchitecture, MiLoDoArchitecture
from gnn_l2o.training import DEFAULT_STAGES, TrainingConfig, read_recipe, with_epochs, with_learning_rate
from tests.cli.train.arguments import settings, without


def test_the_references_flags_fill_in_what_a_dataset_does_not_say(command, tmp_path):
    argv = [*command, "--features", "9", "--l1_weight", "0.2", "--output", str(tmp_path / "mine")]
    main(argv)
    assert read_recipe(tmp_path / "mine" / "recipe.toml").dataset == ("lasso:features=6,samples=4,l1_weight=0.2",)


@pytest.mark.parametrize(
    ("flags", "setting"),
    [
        (["--restart"], ("restart", True)),
        (["--no-restart"], ("restart", False)),
        (["--no-log_features"], ("log_features", False)),
        (["--edge_weights", "edge"], ("edge_weights", "edge")),
        (["--no-accelerated"], ("accelerated", False)),
    ],
)
def test_flags_of_the_architecture(command, flags, setting):
    config = settings([*command, *flags])
    assert getattr(config.architecture, setting[0]) == setting[1]


def test_nothing_said_is_the_default_configuration():
    assert settings(["--dataset", "lasso"]) == TrainingConfig(dataset=("lasso",))
    assert settings(["--dataset", "lasso", "--parametrization", "paper"]) == TrainingConfig(
        dataset=("lasso",), architecture=MiLoDoArchitecture(parametrization="paper")
    )
    assert settings(["--dataset", "lasso", "--architecture", "generic_l2o"]) == TrainingConfig(
        dataset=("lasso",), architecture=GenericL2OArchitecture()
    )


@pytest.mark.parametrize(
    ("older", "today"),
    [
        (["--lr_init", "0.3"], ["--initial_step_size", "0.3"]),
        (["--start_from", "milodo_gnn"], ["--from", "milodo_gnn"]),
        (["--no-accelerated", "--cycle", "3"], ["--no-accelerated", "--chebyshev_steps", "3"]),
        (["--no-direct"], ["--no-skip_connection"]),
        (["--refresh_every", "5"], ["--recompute_every", "5"]),
        (["--edge_gains", "coordinate"], ["--edge_weights", "coordinate"]),
        (["--optimizee", "logistic"], ["--dataset", "logistic"]),
        (["--agents", "4", "6"], ["--nodes", "4", "6"]),
    ],
)
def test_flags_of_earlier_versions_and_of_the_reference_are_read(older, today):
    assert settings(["--dataset", "lasso", *older]) == settings(["--dataset", "lasso", *today])
    assert settings(["--dataset", "lasso", *older]) != settings(["--dataset", "lasso"])


def test_help_shows_every_setting_with_its_default(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    for text in (
        "--batch_size N problems in a batch (default: 6 for learned_scalars, matrix_milodo, milodo; "
        "4 for local_milodo; 16 for all others)",
        "--nodes N [N ...] sizes of the graphs (default: 10)",
        "Initializations, the default first: random of base_rules; still, random of generic_l2o; ",
        "--weight_decay X weight decay of Adam (default: 0.0)",
        "(default: 100 for base_rules; 20 for generic_l2o, l2o_dm, l2o_swarm, per_node, rnnprop; "
        "16 for local_milodo, matrix_milodo, milodo; 50 for twin_l2o)",
        "(default: no for milodo)",
        "Losses: area, last_objective, log_area, log_gap, log_mean, log_objective, objective, particles, "
        "payoff_differences.",
    ):
        assert text in printed
    assert "None" not in printed and ":class:" not in printed and "--cycle" not in printed
    for field in dataclasses.fields(TrainingConfig):
        if field.name not in ("architecture", "stages", "pretrained", "pretrained_fingerprint"):
            assert f"--{field.name} " in printed


def test_list_names_every_topology_and_dataset(capsys):
    assert main(["--list"]) == 0
    printed = capsys.readouterr().out
    assert "ring" in printed and "lasso:features=300" in printed


def test_a_quick_training_is_short_and_flags_override_it():
    quick = settings(["--dataset", "lasso", "--quick"])
    assert (quick.problems, quick.validation_problems, quick.validation_iterations) == (24, 8, 200)
    assert [dataclasses.replace(stage, epochs=1) for stage in DEFAULT_STAGES] == list(quick.stages)
    longer = settings(["--dataset", "lasso", "--quick", "--problems", "30", "--epochs", "2"])
    assert longer == dataclasses.replace(quick, problems=30, stages=with_epochs(quick.stages, 2))
    layers = settings(["--dataset", "lasso", "--quick", "--architecture", "lpg_extra", "--depth", "30"])
    assert layers.validation_iterations == 30


def test_a_learning_rate_scales_all_stages_and_stays_when_a_training_is_resumed(command, tmp_path):
    stages = settings(["--dataset", "lasso", "--lr", "1e-3"]).stages
    assert [stage.lr for stage in stages] == pytest.approx([1e-3, 5e-4, 1.5e-4], rel=1e-15)
    assert with_learning_rate(stages, 1e-3) == stages
    output = tmp_path / "mine"
    argv = [*without(command, "--stages_config"), "--quick", "--lr", "3e-3", "--output", str(output)]
    argv += ["--problems", "1", "--validation_problems", "1", "--validation_iterations", "2"]
    config = settings(argv)
    write_text(output / "recipe.toml", config.to_toml())
    assert settings([*argv, "--resume"]) == config
