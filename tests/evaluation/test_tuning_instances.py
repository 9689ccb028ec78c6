"""The instances on which methods are tuned: their seeds, how many they are, and where the optimum is the start."""

from typing import Any

import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.evaluation import Plan
from gnn_l2o.evaluation.cases import PlannedCase, plan_cases
from gnn_l2o.evaluation.record import Case
from gnn_l2o.evaluation.seeds import Purpose, draws


def test_every_purpose_case_and_instance_has_a_seed_of_its_own() -> None:
    cases = [Case("lasso", t, n) for t in ("ring", "star") for n in (10, 50)] + [Case("linear", "ring", 10)]
    purposes: list[Purpose] = ["evaluation", "tuning", "stability"]
    found = [s for p in purposes for r in (0, 1) for c in cases for k in range(20) for s in draws(p, r, c, k)]
    assert len(set(found)) == len(found)
    assert all(2**31 <= s < 2**32 for s in found)
    limits = {p: [draw for c in cases for draw in draws(p, 0, c, 999)] for p in purposes}
    assert max(limits["evaluation"]) < min(limits["tuning"]) < max(limits["tuning"]) < min(limits["stability"])
    assert next(draws("evaluation", 0, Case("lasso", "ring", 10), 0)) == 2240668653  # the same in every process


def planned(**settings: Any) -> PlannedCase:
    given: dict[str, Any] = {"datasets": ["lasso:features=6,samples=4"], "nodes": [4], "algorithms": ["prox_ed"]}
    (case,) = plan_cases(Plan(**{**given, **settings}))
    return case


def test_random_topologies_have_more_tuning_instances() -> None:
    ring, random = planned(), planned(topologies=["erdos_renyi:p=0.6"], nodes=[6])
    assert (len(ring.tuning_instances()), len(ring.stability_instances())) == (3, 3)
    assert (len(random.tuning_instances()), len(random.stability_instances())) == (5, 5)
    few = planned(tuning_instances=2)
    assert (len(few.tuning_instances()), len(few.stability_instances())) == (2, 2)


def test_an_oracle_tunes_on_the_evaluated_instances() -> None:
    case = planned(tuning="oracle", instances=4)
    for number, tuned in enumerate(case.tuning_instances()):
        torch.testing.assert_close(tuned.solution, case.instance(number).solution)
    assert (len(case.tuning_instances()), case.stability_instances()) == (4, [])
    with pytest.raises(InputError, match="tuning"):
        Plan(algorithms=["prox_ed"], tuning="orakel")


def test_an_instance_whose_optimum_is_the_start_is_drawn_again() -> None:
    with pytest.raises(InputError, match="optimal in 10 of 10 draws"):
        planned(datasets=["lasso:features=6,samples=4,l1_weight=50.0"])
    case = planned(datasets=["lasso:features=3,samples=2,l1_weight=1.0"], instances=6)
    found = [case.instance(k) for k in range(6)]
    assert not any(i.is_trivial for i in found)
    assert case.redrawn
    (purpose, number), count = next(iter(case.redrawn.items()))
    seeds = list(draws(purpose, 0, case.case, number))
    assert all(case._make(seed).is_trivial for seed in seeds[:count])
    torch.testing.assert_close(case._make(seeds[count]).solution, found[number].solution)
