"""A few random experiments, and that violations and refusals of any are reported."""

import dataclasses

import networkx as nx
import pytest
import torch

from benchmarks import soak
from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph import Network
from gnn_l2o.handcrafted import ADMM
from gnn_l2o.problems.regularizers import Zero
from gnn_l2o.testing.runs import check_dual, initial_points, small_problem, states

SYNTHETIC = ["lasso", "linear", "logistic"]  # the others need data that may not be at hand


def test_nothing_is_violated_in_a_few_experiments(capsys: pytest.CaptureFixture[str]) -> None:
    assert soak.main(["--runs", "5", "--first", "3", "--dataset", *SYNTHETIC]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "runs 5, violations 0"
    assert sum(int(line.split()[1].rstrip(":")) for line in lines[:-1]) < 5  # refused


def test_experiments_are_drawn_from_the_seed_and_their_number() -> None:
    drawn = [soak.draw(0, number, SYNTHETIC) for number in range(40)]
    assert drawn[7] == soak.draw(0, 7, SYNTHETIC) != soak.draw(1, 7, SYNTHETIC)
    assert {e.dataset.partition(":")[0] for e in drawn} == set(SYNTHETIC)
    assert len({e.optimizer for e in drawn}) > 20


def test_violations_are_reported_with_a_command_and_refusals_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = [InputError("got 3"), AssertionError("the sum is 2"), InputError("got 17"), ZeroDivisionError("by 0")]

    def check(experiment: soak.Experiment) -> None:
        raise outcomes.pop(0)

    monkeypatch.setattr(soak, "check", check)
    assert soak.main(["--runs", "4", "--seed", "5", "--first", "2", "--dataset", *SYNTHETIC]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "Experiment(" not in line] == [
        "violation: the sum is 2",
        "    python benchmarks/soak.py --seed 5 --first 3 --runs 1",
        "violation: ZeroDivisionError: by 0",
        "    python benchmarks/soak.py --seed 5 --first 5 --runs 1",
        "refused 2: got #",
        "runs 4, violations 2",
    ]


def test_what_is_wrong_with_a_run_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = soak.Experiment("ring", 5, "metropolis", "linear:features=4", None, "diging", 0, "float64", 0)
    soak.check(experiment)
    monkeypatch.setattr(soak, "with_lowest_steps", lambda method, problem, _: method(1.0))  # far beyond 1/L
    with pytest.raises(AssertionError, match=r"the objective is .*, above the"):
        soak.check(experiment)
    monkeypatch.setattr(soak, "with_lowest_steps", lambda method, problem, _: method(1e20))
    with pytest.raises(AssertionError, match="numbers that are not finite in"):
        soak.check(experiment)


def test_dual_variables_that_do_not_sum_to_zero_are_found() -> None:
    problem, network = small_problem(5, Zero()), Network.from_networkx(nx.star_graph(4))
    algorithm = ADMM(1.0, 0.5)
    found = states(algorithm, problem, network, initial_points(problem), 5)
    check_dual(algorithm, found)
    shift = 1e-9 * torch.eye(5)[:, :1]
    wrong = [*found, dataclasses.replace(found[-1], dual=found[-1].dual + shift)]
    with pytest.raises(AssertionError, match="admm: declares that dual sums to zero over the nodes, but"):
        check_dual(algorithm, wrong)
