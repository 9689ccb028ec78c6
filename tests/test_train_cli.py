import dataclasses
import json
import re

import pytest
import torch

from gnn_l2o._utils.files import write_text
from gnn_l2o.cli.train import build_parser, main
from gnn_l2o.cli.training_configuration import configuration
from gnn_l2o.learned import GenericL2OArchitecture, MiLoDoArchitecture, load_model, save_weights
from gnn_l2o.training import (
    DEFAULT_STAGES,
    FINE_TUNING_STAGES,
    TrainingConfig,
    read_recipe,
    with_epochs,
    with_learning_rate,
)

STAGES = [{"lr": 0.001, "truncation_length": 2, "iterations": 4, "epochs": 1}]


@pytest.fixture(autouse=True)
def single_precision():
    torch.set_default_dtype(torch.float32)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def command(tmp_path):
    """A command that trains for a moment."""
    stages = tmp_path / "stages.json"
    stages.write_text(json.dumps(STAGES))
    return [
        *("--dataset", "lasso:features=6,samples=4", "--topology", "ring", "star", "--nodes", "3", "5"),
        *("--problems", "4", "--validation_problems", "2", "--validation_iterations", "5", "--batch_size", "2"),
        *("--hidden_features", "4", "--warmup", "2", "--stages_config", str(stages), "--threads", "1"),
    ]


def without(argv, *flags):
    """Return a command without these flags and their values."""
    return [a for k, a in enumerate(argv) if a not in flags and (k == 0 or argv[k - 1] not in flags)]


def refused(capsys, argv):
    """Run the script on bad input; return its one line."""
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    *progress, line = err.strip().splitlines()
    assert line.startswith("train_gnn.py: error: ") and "Traceback" not in err and not out
    assert not any("usage: " in said or "error: " in said for said in progress)
    return line.removeprefix("train_gnn.py: error: ")


def test_the_command_trains_a_model_that_loads(command, tmp_path, capsys):
    output = tmp_path / "mine"
    assert main([*command, "--output", str(output)]) == 0
    assert load_model(output).name == "mine"
    assert {p.name for p in output.iterdir()} == {
        "card.md",
        "checkpoint.pt",
        "curve.csv",
        "curve.png",
        "recipe.toml",
        "weights.safetensors",
    }
    printed = capsys.readouterr().err
    assert "stage 1/1 epoch 1: loss" in printed


def test_its_recipe_trains_the_same_model_again(command, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    main([*command, "--output", str(first)])
    main(["--recipe", str(first / "recipe.toml"), "--output", str(second), "--threads", "1"])
    assert read_recipe(first / "recipe.toml") == read_recipe(second / "recipe.toml")
    assert (first / "weights.safetensors").read_bytes() == (second / "weights.safetensors").read_bytes()


def test_the_references_flags_fill_in_what_a_dataset_does_not_say(command, tmp_path):
    argv = [*command, "--features", "9", "--l1_weight", "0.2", "--output", str(tmp_path / "mine")]
    main(argv)
    assert read_recipe(tmp_path / "mine" / "recipe.toml").dataset == ("lasso:features=6,samples=4,l1_weight=0.2",)


def test_the_settings_of_the_paper(command, tmp_path):
    argv = without(command, "--hidden_features", "--warmup")
    main([*argv, "--paper", "--output", str(tmp_path / "mine")])
    config = read_recipe(tmp_path / "mine" / "recipe.toml")
    assert (config.loss, config.init) == ("objective", "special")
    assert config.architecture == MiLoDoArchitecture(
        parametrization="paper", symmetrize="mean", hidden_features=20, warmup=0, recompute_every=1
    )


@pytest.mark.parametrize(
    ("kind", "flags", "setting"),
    [
        ("per_node", ["--nodes", "3", "--topology", "ring", "--hidden_features", "3"], ("links", "0-1 0-2 1-2")),
        ("generic_l2o", ["--hidden_features", "3"], ("hidden_features", 3)),
        ("lpg_extra", ["--depth", "6"], ("depth", 6)),
        ("learned_scalars", ["--no-linear", "--warmup", "0"], ("linear", False)),
    ],
)
def test_other_kinds_of_architecture(command, tmp_path, kind, flags, setting):
    argv = without(command, "--hidden_features", "--warmup")
    main([*argv, "--architecture", kind, *flags, "--output", str(tmp_path / "mine")])
    architecture = read_recipe(tmp_path / "mine" / "recipe.toml").architecture
    assert architecture.name == kind and getattr(architecture, setting[0]) == setting[1]
    assert load_model(tmp_path / "mine").name == "mine"


def test_another_kind_takes_the_papers_training_but_not_its_architecture(command, tmp_path):
    argv = without(command, "--hidden_features", "--warmup")
    flags = ["--paper", "--architecture", "generic_l2o", "--init", "still"]
    main([*argv, *flags, "--output", str(tmp_path / "mine")])
    config = read_recipe(tmp_path / "mine" / "recipe.toml")
    assert (config.loss, config.architecture.hidden_features) == ("objective", 20)


def test_a_finished_run_can_be_resumed_and_stays_as_it_is(command, tmp_path):
    output = tmp_path / "mine"
    main([*command, "--output", str(output)])
    before = (output / "weights.safetensors").read_bytes()
    assert main(["--resume", "--output", str(output), "--threads", "1"]) == 0
    assert (output / "weights.safetensors").read_bytes() == before


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


# Fine-tuning


@pytest.fixture
def model(tmp_path):
    """The folder of a model, trained on another mixture than that of ``command``."""
    config = TrainingConfig(
        dataset=("lasso:features=5,samples=3",),
        topology=("path",),
        nodes=(4,),
        mixing="lazy",
        problems=3,
        validation_problems=2,
        validation_iterations=7,
        seed=11,
        init="averaging",
        architecture=MiLoDoArchitecture(hidden_features=4, warmup=2),
    )
    save_weights(tmp_path / "model", config.build(), config.architecture)
    (tmp_path / "model" / "recipe.toml").write_text(config.to_toml())
    return tmp_path / "model"


def settings(argv):
    return configuration(build_parser().parse_args(argv))


def test_fine_tuning_takes_from_the_model_what_no_flag_says(model):
    own = read_recipe(model / "recipe.toml")
    config = settings(["--from", str(model), "--dataset", "lasso:features=9", "--nodes", "6"])
    expected = {"dataset": ("lasso:features=9",), "nodes": (6,), "loss": "log_area", "stages": FINE_TUNING_STAGES}
    assert config == dataclasses.replace(own, **expected, init=None, pretrained=str(model))
    assert settings(["--from", str(model)]).dataset == own.dataset


def test_fine_tuning_is_run_again_and_resumed_from_its_recipe(command, model, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    main([*command, "--from", str(model), "--output", str(first)])
    config = read_recipe(first / "recipe.toml")
    assert (config.pretrained, config.nodes, config.seed) == (str(model), (3, 5), 11)
    main(["--recipe", str(first / "recipe.toml"), "--output", str(second), "--threads", "1"])
    assert read_recipe(second / "recipe.toml") == config
    weights = (first / "weights.safetensors").read_bytes()
    assert (second / "weights.safetensors").read_bytes() == weights
    assert main(["--resume", "--output", str(first), "--threads", "1"]) == 0
    assert main([*command, "--from", str(model), "--resume", "--output", str(first)]) == 0
    assert (first / "weights.safetensors").read_bytes() == weights

    save_weights(model, load_model(first).source, config.architecture)
    for argv in (["--resume", "--output", str(first)], ["--recipe", str(first / "recipe.toml"), "--output", "x"]):
        capsys.readouterr()
        message = refused(capsys, argv)
        assert f"--pretrained {model}: the weights in {model} have changed since this recipe was written" in message


def test_fine_tuning_with_a_recipe(command, model, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[training]\ndataset = ["lasso"]\ninit = "random"\n')
    config = settings(["--from", str(model), "--recipe", str(recipe)])
    # The recipe decides what training does, as without --from; of the architecture it says nothing.
    assert config == TrainingConfig(
        ("lasso",), architecture=read_recipe(model / "recipe.toml").architecture, pretrained=str(model)
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--hidden_features", "5"], "a model is trained further with its own architecture: it has hidden_features 4"),
        (["--no-spectral_gap"], "it has spectral_gap True, got False"),
        (["--architecture", "generic_l2o"], "it has kind 'milodo', got 'generic_l2o'"),
        (["--depth", "3"], "unknown milodo architecture setting 'depth'"),
        (["--init", "random"], "training begins either with the model"),
        (["--initial_step_size", "0.3"], "or with initial_step_size 0.3"),
        (["--paper"], "--from begins with the settings of a model, --paper with the paper's; leave one out"),
        (["--from", "nowhere"], "--pretrained nowhere: unknown model 'nowhere'"),
        (["--recipe", "other.toml"], "it has hidden_features 4, got 6, warmup 2, got 20"),
        (["--output", "model"], "holds the pretrained model"),
    ],
)
def test_what_contradicts_the_pretrained_model_is_refused(model, tmp_path, capsys, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.toml").write_text('[architecture]\nhidden_features = 6\n[training]\ndataset = ["lasso"]\n')
    before = (model / "weights.safetensors").read_bytes()
    assert message in refused(capsys, ["--from", "model", "--output", "mine", "--overwrite", *argv])
    assert not (tmp_path / "mine").exists() and (model / "weights.safetensors").read_bytes() == before


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
        "--batch_size N problems in a batch (default: 4 for local_milodo; 6 for milodo; 16 for all others)",
        "--nodes N [N ...] sizes of the graphs (default: 10)",
        "Initializations, the default first: random of base_rules; still, random of generic_l2o; ",
        "--weight_decay X weight decay of Adam (default: 0.0)",
        "(default: 100 for base_rules; 20 for generic_l2o, l2o_dm, l2o_swarm, per_node, rnnprop; "
        "16 for local_milodo, matrix_milodo, milodo; 50 for twin_l2o)",
        "(default: no for milodo)",
        "Losses: area, last_objective, log_area, log_gap, log_mean, log_objective, objective, particles.",
    ):
        assert text in printed
    assert "None" not in printed and ":class:" not in printed and "--cycle" not in printed
    for field in dataclasses.fields(TrainingConfig):
        if field.name not in ("architecture", "stages", "pretrained", "pretrained_fingerprint"):
            assert f"--{field.name} " in printed


@pytest.mark.parametrize("flag", ["--recipe", "--from"])
def test_a_recipe_with_a_value_of_the_wrong_type_is_refused_in_one_line(model, tmp_path, capsys, flag):
    recipe = model / "recipe.toml"
    _, _, rest = recipe.read_text().partition("]\ntopology")
    recipe.write_text(f'[training]\ndataset = "lasso"\ntopology{rest}')
    given = model if flag == "--from" else recipe
    message = refused(capsys, [flag, str(given), "--features", "9", "--output", str(tmp_path / "mine")])
    assert message.endswith("""dataset is a list, got 'lasso'; expected dataset = ["lasso"]""")


def test_list_names_every_topology_and_dataset(capsys):
    assert main(["--list"]) == 0
    printed = capsys.readouterr().out
    assert "ring" in printed and "lasso:features=300" in printed


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
            "(known: area, last_objective, log_area, log_gap, log_mean, log_objective, objective, particles)",
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


def test_a_model_is_not_overwritten_by_accident(command, tmp_path, capsys):
    output = tmp_path / "mine"
    main([*command, "--output", str(output)])
    before = {p.name: p.read_bytes() for p in output.iterdir()}
    capsys.readouterr()
    assert "holds a model already" in refused(capsys, [*command, "--output", str(output)])
    message = refused(capsys, [*command, "--batch_size", "1", "--resume", "--output", str(output)])
    assert "a run with batch_size = 2, got 1; a run is resumed with the settings it was begun with" in message
    assert {p.name: p.read_bytes() for p in output.iterdir()} == before
    assert main([*command, "--batch_size", "1", "--overwrite", "--output", str(output)]) == 0


def test_a_dataset_is_needed_and_a_folder_to_go_on_in(command, capsys):
    assert "--dataset is needed" in refused(capsys, ["--output", "x"])
    assert refused(capsys, [*command, "--resume"]) == "--resume: needs an output folder"
    assert refused(capsys, [*command, "--overwrite"]) == "--overwrite: needs an output folder"


def test_without_output_a_training_has_a_new_folder_and_says_which(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(command) == 0
    [folder] = (tmp_path / "out").iterdir()
    assert load_model(folder).name == folder.name
    assert f"the model goes into out/{folder.name}\n" in capsys.readouterr().err


def test_a_training_says_what_it_will_do_and_every_epoch(command, tmp_path, capsys):
    main([*command, "--epochs", "3", "--batch_size", "1", "--output", str(tmp_path / "mine")])
    lines = capsys.readouterr().err.splitlines()
    plan = re.compile(r"4 problems, epochs of the stages 3, at most 24 updates, about \d+ s")  # 2 for each batch
    [number] = [k for k, line in enumerate(lines) if plan.fullmatch(line)]
    assert [line.split(":")[0] for line in lines[number + 1 : -1]] == [f"stage 1/1 epoch {k}" for k in (1, 2, 3)]


def test_a_quick_training_is_short_and_flags_override_it():
    quick = settings(["--dataset", "lasso", "--quick"])
    assert (quick.problems, quick.validation_problems, quick.validation_iterations) == (24, 8, 200)
    assert [dataclasses.replace(stage, epochs=1) for stage in DEFAULT_STAGES] == list(quick.stages)
    longer = settings(["--dataset", "lasso", "--quick", "--problems", "30", "--epochs", "2"])
    assert longer == dataclasses.replace(quick, problems=30, stages=with_epochs(quick.stages, 2))


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


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [("--lr", "-1.0", "lr is positive, got -1.0"), ("--epochs", "0", "epochs is at least 1, got 0")],
)
def test_a_learning_rate_or_number_of_epochs_out_of_bounds_is_refused(command, tmp_path, capsys, flag, value, message):
    argv = [*command, "--output", str(tmp_path / "mine"), flag, value]
    assert refused(capsys, argv) == f"{flag} {value}: {message}"
