"""Who runs over a directed network, and who refuses it."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import gnn_l2o
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.stopping import MaxRounds, Stationary
from gnn_l2o.graph import DirectedNetwork
from gnn_l2o.handcrafted import HANDCRAFTED
from gnn_l2o.learned import TUNED, available_models, load_model
from gnn_l2o.limits import LIMITS
from gnn_l2o.problems import LeastSquares
from gnn_l2o.problems.regularizers import Zero
from tests.graph.digraphs import DIGRAPHS, PUSHING, network_of


def algorithm_named(name: str, problem: LeastSquares) -> Any:
    if name in LIMITS:
        return LIMITS[name]
    if name in available_models():
        return load_model(name).to(dtype=torch.float64)
    method = {**HANDCRAFTED, **TUNED}[name]
    return method.from_setting(problem, method.settings(1)[0])


@pytest.mark.parametrize("name", sorted({*HANDCRAFTED, *TUNED, *available_models(), *LIMITS}))
def test_whoever_needs_an_undirected_graph_refuses_a_directed_one(name: str) -> None:
    problem = LeastSquares.from_nodes(
        [torch.randn(6, 10)] * 5, [torch.randn(6)] * 5, Zero()
    )  # some want 10 coordinates
    reason = algorithm_named(name, problem).refusal(problem, network_of("ring"))
    if name in {*PUSHING, "diameter", "centralized_fista"}:
        assert reason is None
    else:
        assert reason == "needs an undirected graph; this one is directed (push-sum methods take it)"


def test_an_evaluation_over_directed_and_undirected_graphs() -> None:
    results = gnn_l2o.evaluate(
        models=["milodo_local"],
        datasets=["linear:features=3,samples=6"],
        topologies=["directed_erdos_renyi", "ring"],
        nodes=[5],
        algorithms=[*PUSHING, "prox_ed"],
        limits=["diameter", "tree_fista"],
        instances=1,
        iterations=300,
        tuning_budget=6,
        tuning_instances=1,
    )
    one_way, both_ways = results.cases
    left_out = {s["algorithm"]: s["reason"] for s in results.skipped}
    assert sorted(left_out) == ["milodo_local", "prox_ed", "tree_fista"]
    assert all(s["case"]["topology"] == "directed_erdos_renyi" for s in results.skipped)
    assert set(left_out.values()) == {"needs an undirected graph; this one is directed (push-sum methods take it)"}
    for case in (one_way, both_ways):
        for name in PUSHING:
            found = results.find(case, name, 0)
            assert found is not None
            assert found.final_gap < 1e-6
    network = next(entry for entry in results.networks if entry["case"] == one_way._asdict())
    links: list[list[int]] = network["links"]
    assert {(j, i) for i, j in links} != {(i, j) for i, j in links}


def test_where_nothing_applies_the_reason_is_said() -> None:
    with pytest.raises(InputError, match=r"^nothing to evaluate: needs an undirected graph; this one is directed"):
        gnn_l2o.evaluate(
            algorithms=["prox_ed"], datasets=["linear:features=3"], topologies=["directed_ring"], nodes=[4], limits=[]
        )


def half_square(x: Tensor, target: Tensor) -> Tensor:
    return 0.5 * (x - target).square().sum()


def test_a_function_is_minimized_over_a_directed_network() -> None:
    targets = [np.array([float(k), 1.0]) for k in range(4)]
    network = DirectedNetwork.from_networkx(DIGRAPHS["funnel"])
    result = gnn_l2o.minimize(
        half_square,
        targets,
        network,
        x0=np.zeros(2),
        optimizer="push_diging:step_size=0.2",
        stop=Stationary(1e-9) | MaxRounds(4000),
    )
    assert result.success, result.message
    np.testing.assert_allclose(result.nodes, np.tile([1.5, 1.0], (4, 1)), atol=1e-7)
    with pytest.raises(InputError, match=r"^prox_ed: needs an undirected graph; this one is directed"):
        gnn_l2o.minimize(half_square, targets, network, x0=np.zeros(2), optimizer="prox_ed")
    with pytest.raises(InputError, match=r"or DirectedNetwork\.from_networkx\(graph\) for push-sum methods$"):
        gnn_l2o.minimize(half_square, targets, DIGRAPHS["funnel"], x0=np.zeros(2))
