"""Bad input to the command of training ends in one line, and nothing is written."""

import pytest

from gnn_l2o.learned import MiLoDoArchitecture
from tests.cli.train.arguments import refused


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--topology", "rng"], "--topology rng: unknown topology 'rng'; did you mean 'ring'?"),
        (["--nodes", "2"], "--topology ring --nodes 2: a ring needs at least 3 nodes, got 2"),
        (["--topology", "ring:p=3"], "--topology ring:p=3: "),
        (["--dataset", "laso"], "--dataset laso: unknown dataset 'laso'; did you mean 'lasso'?"),
        (
            ["--dataset", "lasso:features=x"],
            "--dataset lasso:features=x: dataset lasso: features: expected int, got 'x'",
        ),
        (["--dataset", "lasso:feature=3"], "did you mean 'features'?"),
        (["--mixing", "metro"], "unknown mixing 'metro'; did you mean 'metropolis'?"),
        (["--batch_size", "0"], "batch_size is at least 1, got 0"),
        (["--batch_size", "2.5"], "argument --batch_size: invalid int value: '2.5'"),
        (["--weight_decay", "-1"], "weight_decay is at least 0, got -1.0"),
        (["--ema", "nan"], "ema is a finite number, got nan"),
        (
            ["--loss", "gap"],
            "unknown loss 'gap'; did you mean 'log_gap'? "
            "(known: area, last_objective, log_area, log_gap, log_mean, log_objective, objective, particles, "
            "payoff_differences)",
        ),
        (
            ["--chebyshev_steps", "3"],
            "got chebyshev_steps = 3; expected 1",
        ),
        (
            ["--initial_step_size", "2"],
            f"initial_step_size lies between 0 and {MiLoDoArchitecture(accelerated=True).step_size_limit}, got 2.0",
        ),
        (["--init", "special"], "parametrization 'paper', got 'scale_free'"),
        (
            ["--stages_config", "nowhere.json"],
            "--stages_config nowhere.json: nowhere.json cannot be read: No such file or directory",
        ),
        (["--recipe", "nowhere.toml"], "--recipe nowhere.toml: nowhere.toml cannot be read: No such file or directory"),
        (["--optimizer", "sgd"], "argument --optimizer: invalid choice: 'sgd'"),
        (["--resume", "--overwrite"], "--resume cannot be combined with --overwrite"),
        (["--architecture", "per_nod"], "argument --architecture: invalid choice: 'per_nod'"),
        (["--architecture", "lpg_extra"], "unknown lpg_extra architecture setting 'hidden_features' (known: depth)"),
        (["--depth", "3"], "unknown milodo architecture setting 'depth'"),
        (["--init", "specil"], "unknown init of a milodo 'specil'; did you mean 'special'?"),
    ],
)
def test_bad_input_is_refused_in_one_line_before_anything_is_written(command, tmp_path, capsys, argv, message):
    output = tmp_path / "mine"
    assert message in refused(capsys, [*command, *argv, "--output", str(output)])
    assert not output.exists()


def test_a_dataset_is_needed_and_a_folder_to_go_on_in(command, capsys):
    assert "--dataset is needed" in refused(capsys, ["--output", "x"])
    assert refused(capsys, [*command, "--resume"]) == "--resume: needs an output folder"
    assert refused(capsys, [*command, "--overwrite"]) == "--overwrite: needs an output folder"


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [("--lr", "-1.0", "lr is positive, got -1.0"), ("--epochs", "0", "epochs is at least 1, got 0")],
)
def test_a_learning_rate_or_number_of_epochs_out_of_bounds_is_refused(command, tmp_path, capsys, flag, value, message):
    argv = [*command, "--output", str(tmp_path / "mine"), flag, value]
    assert refused(capsys, argv) == f"{flag} {value}: {message}"
