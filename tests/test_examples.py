import importlib.util
import re
from pathlib import Path

import pytest
import torch

PROJECT = Path(__file__).parent.parent


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


def test_a_module_is_trained_on_digits(capsys):
    history = load("train_mlp").train(iterations=100).history
    assert len(capsys.readouterr().out.splitlines()) == len(history) == 3
    assert history[-1].loss < 0.3 and history[-1].accuracy > 0.8 > 0.2 > history[0].accuracy


def test_a_loop_of_ones_own_ends_at_its_goal(capsys):
    session = load("train_loop").train(goal=1.5, iterations=100)
    assert session.measure().test_loss < 1.5 and 20 <= session.iteration < 100
    assert len(capsys.readouterr().out.splitlines()) == session.iteration / 20


def test_the_python_in_the_readme_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    evaluation, layer = blocks
    exec(compile(evaluation, "README", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 8  # a row for each tolerance
    x = evidence = torch.randn(3, 2)
    names = {"x": x, "evidence": evidence, "gradient": torch.zeros_like(x)}
    names["edge_index"] = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    exec(compile(layer, "README", "exec"), names)
    assert names["state"].x.shape == (3, 2)
