"""What holds for all learned baselines: sizes, what they are bound to and refuse, costs, and files."""

from typing import Any

import networkx as nx
import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import spent
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import (
    Architecture,
    BaseRulesArchitecture,
    LearnedScalarsArchitecture,
    LPGExtraArchitecture,
    PerNodeArchitecture,
    load_model,
    read_architecture,
    save_weights,
)
from gnn_l2o.learned.own_graph import OwnGraph
from gnn_l2o.problems import Problem
from gnn_l2o.problems.regularizers import L1, Box, Zero
from gnn_l2o.training import TrainingConfig
from tests.learned.runs import after
from tests.learned.small_baselines import IRREGULAR, KINDS, SMALL, built, least_squares, regularizer_for


def side_by_side(problems: list[Problem], network: Network) -> tuple[Problem, Network]:
    return type(problems[0]).concatenate(problems), Network.concatenate([network] * len(problems))


def test_the_papers_sizes() -> None:
    network = build_network("ring", 10)
    smooth = least_squares(network, Zero(), dim=10)

    def count(architecture: Architecture[Any]) -> int:
        return sum(p.numel() for p in architecture.bind(smooth, network).build().parameters())

    cell = 4 * 20 * 20 + 2 * 4 * 20  # hidden weights and both biases of an LSTM cell of width 20
    perceptron = 20 * 20 + 20
    assert count(PerNodeArchitecture()) == 10 * (
        (cell + 80 * 2 + perceptron + 21) + 2 * (cell + 80 * 2 + perceptron + 2 * 21)
    )
    cell, perceptron = 4 * 100 * 100 + 2 * 4 * 100, 100 * 100 + 100 + 10 * 101
    assert count(BaseRulesArchitecture()) == 10 * 3 * (cell + 400 * 20 + perceptron)
    assert count(LPGExtraArchitecture(depth=50)) == 100
    assert [count(LearnedScalarsArchitecture(linear=linear)) for linear in (False, True)] == [4, 36]


@pytest.mark.parametrize("kind", ["per_node", "base_rules"])
def test_what_is_bound_to_a_graph_refuses_every_other(kind: str) -> None:
    network = Network.from_networkx(IRREGULAR)
    problem = least_squares(network, Zero())
    architecture, _, algorithm = built(kind, problem, network)
    assert str(OwnGraph.of(network)) == architecture.links == "0-1 0-2 1-2 2-3 2-4 4-5"
    assert algorithm.refusal(problem, network) is None
    others = [
        Network.from_edges([(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5)]),  # as many nodes and links
        build_network("ring", 7),
        Network.concatenate([network, Network.from_edges([(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (4, 5)])]),
    ]
    for other in others:
        foreign = least_squares(other, Zero())
        reason = algorithm.refusal(foreign, other)
        assert reason is not None and "bound to their graph of 6 nodes and 6 links" in reason
        with pytest.raises(InputError) as refused:
            algorithm.init(foreign, other, torch.zeros(other.num_nodes, 4))
        assert str(refused.value) == reason


def test_base_rules_refuse_regularizers_and_other_dimensions() -> None:
    network = Network.from_networkx(IRREGULAR)
    _, _, algorithm = built("base_rules", least_squares(network, Zero()), network)
    for problem, message in (
        (least_squares(network, Box(-1, 1)), "for smooth problems"),
        (least_squares(network, Zero(), dim=3), "bound to 4 coordinates; this problem has 3"),
    ):
        assert message in str(algorithm.refusal(problem, network))
        with pytest.raises(InputError, match=message):
            algorithm.init(problem, network, torch.zeros(6, problem.dim))


def test_unbound_architectures_and_broken_links_are_refused() -> None:
    for unbound in (PerNodeArchitecture(), BaseRulesArchitecture(links="0-1")):
        with pytest.raises(InputError, match="needs the links of its graph"):
            unbound.build()
    with pytest.raises(InputError, match=r"links are written as in '0-1 1-2', got '0,1'"):
        PerNodeArchitecture(links="0,1").build()
    with pytest.raises(InputError, match="falls into 2 parts"):
        PerNodeArchitecture(links="0-1 2-3").build()


@KINDS
@pytest.mark.parametrize("steps", [1, 7])
def test_what_a_run_costs_is_what_is_declared(kind: str, steps: int) -> None:
    network = Network.from_networkx(IRREGULAR)
    problem = least_squares(network, regularizer_for(kind))
    _, _, algorithm = built(kind, problem, network)
    before = spent(problem, network)
    after(algorithm, problem, network, steps)
    declared = algorithm.total_cost(steps, problem.shapes).on(int(network.diameter))
    assert (spent(problem, network) - before).declarable == declared


@KINDS
@pytest.mark.parametrize("graph", [IRREGULAR, nx.path_graph(2), nx.path_graph(1)], ids=["irregular", "two", "one"])
def test_problems_side_by_side_run_as_each_alone(kind: str, graph: nx.Graph) -> None:
    network = Network.from_networkx(graph)
    problems: list[Problem] = [least_squares(network, regularizer_for(kind)) for _ in range(3)]
    _, _, algorithm = built(kind, problems[0], network)
    together = after(algorithm, *side_by_side(problems, network), 6).x
    alone = torch.cat([after(algorithm, problem, network, 6).x for problem in problems])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("kind", ["milodo", "generic_l2o", "lpg_extra", "learned_scalars"])
def test_shared_weights_run_on_every_graph(kind: str) -> None:
    first = Network.from_networkx(IRREGULAR)
    _, _, algorithm = built(kind, least_squares(first, L1(0.05)), first)
    for network in (build_network("complete", 7), Network.from_edges([], 1), Network.from_edges([(0, 1)])):
        problem = least_squares(network, L1(0.05), dim=3)
        assert algorithm.refusal(problem, network) is None
        assert after(algorithm, problem, network, 5).x.isfinite().all()


@KINDS
def test_a_saved_model_does_the_same_again(kind: str, tmp_path: Any) -> None:
    network = Network.from_networkx(IRREGULAR)
    problem = least_squares(network, regularizer_for(kind))
    architecture, weights, algorithm = built(kind, problem, network)
    weights.float().double()  # the file keeps single precision
    config = TrainingConfig(dataset=("linear",), architecture=architecture)
    (tmp_path / "recipe.toml").write_text(config.to_toml())
    save_weights(tmp_path, weights, architecture)
    loaded = load_model(tmp_path)
    assert loaded.name == tmp_path.name and type(loaded) is type(algorithm)
    expected = after(algorithm, problem, network, 6).x
    torch.testing.assert_close(after(loaded, problem, network, 6).x, expected, rtol=0, atol=0)
    assert read_architecture(architecture.to_dict()) == architecture


def test_weights_of_another_kind_are_refused(tmp_path: Any) -> None:
    scalars, unrolled = SMALL["learned_scalars"], SMALL["lpg_extra"]
    (tmp_path / "recipe.toml").write_text(TrainingConfig(dataset=("lasso",), architecture=scalars).to_toml())
    save_weights(tmp_path, unrolled.build(), unrolled)
    with pytest.raises(InputError, match="kind 'lpg_extra' instead of 'learned_scalars'"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "per_nodes"}, r"unknown learned optimizer 'per_nodes'; did you mean 'per_node'\?"),
        ({"kind": "lpg_extra", "dept": 3}, r"unknown lpg_extra architecture setting 'dept'; did you mean 'depth'\?"),
        ({"kind": "lpg_extra", "depth": 0}, "depth of a lpg_extra lies between 1 and 1000000000, got 0"),
        ({"kind": "lpg_extra", "depth": "many"}, "depth of a lpg_extra is of type int, got 'many'"),
        ({"kind": "learned_scalars", "warmup": True}, "warmup of a learned_scalars is of type int, got True"),
        ({"parametrization": "papers"}, r"unknown parametrization 'papers'; did you mean 'paper'\?"),
    ],
)
def test_bad_architectures_are_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_architecture(table)
