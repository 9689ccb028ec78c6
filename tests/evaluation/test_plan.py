"""Plans: what may be asked for, under which names."""

from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import torch

import gnn_l2o
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.evaluation import Plan
from gnn_l2o.evaluation.selection import GROUPS, choose_methods, members
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import ALIASES, HANDCRAFTED, ProxED
from gnn_l2o.learned import TUNED
from tests.evaluation.learned_step import Learned
from tests.evaluation.small_cases import SMALL
from tests.evaluation.small_evaluation import MINE, small


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"topologies": nx.cycle_graph(4)}, "topologies are names or paths .* got a Graph; networkx.write_gml"),
        (
            {"topologies": [Network.from_networkx(nx.cycle_graph(4))]},
            "topologies are names .* got a Network; networkx.write_gml",
        ),
        ({"datasets": lambda network, seed: None}, "datasets are names or paths of files, .* got a function$"),
        ({"models": 3}, "the name or path of a trained optimizer, or an algorithm; got 3"),
        ({"algorithms": [3]}, "the name of a method, the path of its file, or its class; got 3"),
        ({"instances": 2.5}, "expected a whole number, got 2.5"),
        ({"nodes": [4.5]}, "expected a whole number, got 4.5"),
        ({"stop": [3]}, "stop must be a list of stopping rules"),
        ({"references": ["prox_e"]}, "unknown method 'prox_e'; did you mean 'prox_ed'"),
        ({"metrics": ["accurcy"]}, "unknown metric 'accurcy'; did you mean 'accuracy'"),
        ({"algorithms": []}, "nothing to evaluate"),
    ],
)
def test_a_plan_is_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Plan(**settings)


def test_a_plan_can_be_given_whole_or_by_its_settings() -> None:
    plan = Plan(models=[Learned(torch.tensor(0.9))], datasets=[SMALL], nodes=[4, 4], algorithms=["ed"], iterations=5)
    assert plan.nodes == (4,) and list(plan.competitors) == ["prox_ed", "learned"]
    settings = gnn_l2o.evaluate(plan, check_only=True).settings
    again = gnn_l2o.evaluate(plan.models, datasets=[SMALL], nodes=[4], algorithms=["ed"], iterations=5, check_only=True)
    assert again.settings == settings
    single = gnn_l2o.evaluate(plan.models[0], datasets=SMALL, nodes=4, algorithms="ed", iterations=5, check_only=True)
    assert single.settings == settings
    with pytest.raises(InputError, match="models are given twice, as 'milodo_gnn' and as 'milodo_local'"):
        gnn_l2o.evaluate("milodo_gnn", models="milodo_local")
    with pytest.raises(InputError, match="expected none beside it, got nodes"):
        gnn_l2o.evaluate(plan, nodes=[4])
    with pytest.raises(InputError, match="unknown setting of an evaluation: 'dataset'; did you mean 'datasets'"):
        gnn_l2o.evaluate(dataset=["lasso"])


class Taken(ProxED):
    """Has the name of another method."""


def test_names_that_are_taken_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE.replace('"mine"', '"prox_ed"').replace('"support"', '"gap"'))
    file = str(tmp_path / "mine.py")
    with pytest.raises(InputError, match="'prox_ed' is registered already"):
        Plan(algorithms=[f"{file}::Mine"])
    with pytest.raises(InputError, match="two algorithms are called 'prox_ed'"):
        Plan(algorithms=[Taken])
    with pytest.raises(InputError, match="two columns of the trace are called 'gap'"):
        Plan(metrics=[file])


def test_two_algorithms_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="two algorithms are called 'learned'"):
        small(models=[Learned(torch.tensor(0.9)), Learned(torch.tensor(0.8))])
    with pytest.raises(InputError, match="two algorithms are called 'prox_ed'"):
        small(models=[Learned(torch.tensor(0.9), name="prox_ed")])


def test_groups_stand_for_methods() -> None:
    assert list(choose_methods(["all"])) == [*HANDCRAFTED, *TUNED] == list(members("all"))
    assert list(choose_methods(["tuned", "prox_ed"])) == [*TUNED, "prox_ed"]
    assert list(choose_methods(["prox_ed", "handcrafted"])) == ["prox_ed", *(n for n in HANDCRAFTED if n != "prox_ed")]
    assert not set(GROUPS) & set(METHODS.names())
    assert choose_methods([]) == {}


def test_methods_answer_to_their_names_without_a_regularizer() -> None:
    assert list(choose_methods(["dgd", "extra", "prox_dgd"])) == ["prox_dgd", "pg_extra"]
    assert set(ALIASES.values()) <= set(METHODS.names())
    assert not set(ALIASES) & {*METHODS.names(), *GROUPS}
