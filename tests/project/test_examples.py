import importlib.util
import re
from pathlib import Path

import pytest
import torch

PROJECT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def single_precision():
    torch.set_default_dtype(torch.float32)


def load(name):
    spec = importlib.util.spec_from_file_location(name, PROJECT / "examples" / f"{name}.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    return example


def test_the_karate_club_is_told_apart():
    example = load("karate_club")
    assert example.accuracy(iterations=4) > example.accuracy(iterations=0) + 0.2


def test_one_model_runs_on_four_networks(capsys):
    gaps = [run.trace["gap"] for run in load("any_network").runs]
    assert len(gaps) == len(capsys.readouterr().out.splitlines()) == 4
    assert all(trace[0] == 1 and min(trace) < 1e-4 for trace in gaps)


def test_a_network_and_data_of_ones_own(capsys):
    example = load("own_network")
    assert example.network.num_nodes == 20
    first, *_, last, support = capsys.readouterr().out.splitlines()
    assert float(last.split()[-4]) < 1e-5 < float(first.split()[-4])
    assert support == "[0, 1, 2, 3, 4]"


def test_a_module_is_trained_on_digits(capsys):
    history = load("train_mlp").train(iterations=100).history
    assert len(capsys.readouterr().out.splitlines()) == len(history) == 3
    assert history[-1].loss < 0.3 and history[-1].accuracy > 0.8 > 0.2 > history[0].accuracy


def test_an_objective_of_ones_own_is_minimized():
    example = load("own_objective")
    assert example.result.success, example.result.message
    assert abs(example.result.x.numpy() - example.truth).max() < 0.1


def test_an_optimizer_of_torch_runs_over_a_network():
    example = load("own_torch_optimizer")
    assert example.distance < 0.01


def test_a_loop_of_ones_own_ends_at_its_goal(capsys):
    session = load("train_loop").train(goal=1.5, iterations=100)
    assert session.measure().test_loss < 1.5 and 20 <= session.iteration < 100
    assert len(capsys.readouterr().out.splitlines()) == session.iteration / 20


PAGES = [path for folder in ("start", "tutorials") for path in sorted((PROJECT / "docs" / folder).glob("*.md"))]


def run_blocks(page):
    """Run the Python of a page, one block after another; return the names that it leaves."""
    names = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, page.name, "exec"), names)
    return names


def test_no_page_with_python_is_left_out():
    with_python = {path for path in PAGES if "```python" in path.read_text(encoding="utf-8")}
    pages = ("start/first_result.md", "tutorials/layer.md", "tutorials/minimize.md")
    assert with_python == {PROJECT / "docs" / page for page in pages}
    assert "```python" not in (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_page_of_minimize():
    names = run_blocks(PROJECT / "docs/tutorials/minimize.md")
    assert names["result"].success and names["again"].optimality_gap <= 1e-6
    assert names["lasso"].coef_.shape == (20,) and names["same"].success


def test_the_evaluation_of_the_first_results(capsys):
    run_blocks(PROJECT / "docs/start/first_result.md")
    assert len(capsys.readouterr().out.splitlines()) == 8  # a row for each tolerance


def test_the_layer_of_its_page():
    names = run_blocks(PROJECT / "docs/tutorials/layer.md")
    assert names["model"](torch.ones(3, 4), names["edge_index"], None).shape == (3, 8)
    state = names["state"]
    assert (state.x - torch.tensor([2.0, 2.0]) / 3).abs().max() < 1e-5  # the mean of the observations
