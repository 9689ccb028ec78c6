"""Methods that learn their step size along tangents, those that need no tuning, and what names them."""

import math
from itertools import islice
from typing import Any

import networkx as nx
import pytest
import torch
from torch import Tensor

from gnn_l2o import minimize
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import Driver, run
from gnn_l2o.algorithms.plain_state import plain, restored
from gnn_l2o.applications.module_training.optimizer import choose_optimizer
from gnn_l2o.evaluation import evaluate
from gnn_l2o.evaluation.selection import TUNED_REFERENCES, choose_methods, choose_models, members
from gnn_l2o.graph import Network
from gnn_l2o.handcrafted import DAPG, PGExtra, ProxED
from gnn_l2o.local_updates import Adam, AdamW, Lion, SGDm
from gnn_l2o.problems import LeastSquares, solve
from gnn_l2o.problems.regularizers import L1, Zero
from gnn_l2o.step_sizes import UNTUNED, MetaDAPG, MetaOptimize, MetaPGExtra, MetaProxED, StepSizeLearner, metaoptimize
from gnn_l2o.step_sizes.description import parse
from gnn_l2o.testing.hidden_network import HiddenNetwork
from gnn_l2o.testing.methods import check_method
from gnn_l2o.testing.runs import check_cost, check_purity, initial_points, small_problem

GRAPHS = {
    "ring": nx.cycle_graph(6),
    "star": nx.star_graph(5),
    "path": nx.path_graph(6),
    "complete": nx.complete_graph(6),
    "barbell": nx.barbell_graph(3, 0),
}
NETWORKS = {name: Network.from_networkx(graph) for name, graph in GRAPHS.items()}
KINDS: dict[Any, Any] = {MetaProxED: ProxED, MetaPGExtra: PGExtra, MetaDAPG: lambda a: DAPG(a, 0.9, 1.0)}
EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
STEPS = 30


class Frozen:
    """A problem whose gradients are those of another run, whatever the iterate is."""

    def __init__(self, problem: LeastSquares, gradients: list[Tensor]) -> None:
        self._problem, self._gradients = problem, iter(gradients)

    def gradient(self, x: Tensor) -> Tensor:
        return next(self._gradients)

    def draw(self, number: int) -> "Frozen":
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._problem, name)


class Recording(Frozen):
    """A problem that keeps the gradients it gave."""

    def __init__(self, problem: LeastSquares) -> None:
        super().__init__(problem, [])
        self.gradients: list[Tensor] = []

    def gradient(self, x: Tensor) -> Tensor:
        self.gradients.append(self._problem.gradient(x))
        return self.gradients[-1]


def still(ceiling: float | None = None) -> StepSizeLearner:
    """A learner that moves the step size by next to nothing."""
    return StepSizeLearner(meta=SGDm(step_size=1e-300, momentum=0.0), ceiling=ceiling)


def states(algorithm: Algorithm[Any], problem: Any, network: Network, steps: int = STEPS) -> list[Any]:
    with torch.no_grad():
        return list(islice(run(algorithm, problem, network, initial_points(problem)), steps + 1))


@EACH
@pytest.mark.parametrize("weight", [0.0, 0.2])
def test_with_a_step_size_that_stays_it_is_the_method(kind: Any, weight: float) -> None:
    problem, network = small_problem(6, L1(weight) if weight else Zero()), NETWORKS["ring"]
    step = 0.05
    exact = float(torch.tensor(step).log().exp())
    learned, method = (states(a, problem, network) for a in (kind(step, still()), KINDS[kind](exact)))
    for ours, theirs in zip(learned, method, strict=True):
        torch.testing.assert_close(ours.x, theirs.x, rtol=1e-12, atol=1e-12)


@EACH
@pytest.mark.parametrize("weight", [0.0, 0.2])
@pytest.mark.parametrize("graph", ["ring", "star"])
def test_the_tangent_is_the_derivative_with_gradients_held_fixed(kind: Any, weight: float, graph: str) -> None:
    problem, network = small_problem(6, L1(weight) if weight else Zero()), NETWORKS[graph]
    recording, eps, step = Recording(problem), 1e-6, 0.05
    (*_, last) = states(kind(step, still()), recording, network)

    def perturbed(factor: float) -> Tensor:
        x: Tensor = states(kind(step * factor, still()), Frozen(problem, recording.gradients), network)[-1].x
        return x

    difference = (perturbed(math.exp(eps)) - perturbed(math.exp(-eps))) / (2 * eps)
    assert last.tangent.x.abs().max() > 1e-3
    assert (last.tangent.x - difference).abs().max() < 1e-8


@pytest.mark.parametrize(
    ("kind", "graph", "first"),
    [
        (MetaProxED, "star", 1e-6),
        (MetaProxED, "path", 100.0),
        (MetaProxED, "barbell", 100.0),
        (MetaPGExtra, "complete", 1e-6),
        (MetaPGExtra, "path", 100.0),
        (MetaDAPG, "ring", 1e-6),
        (MetaDAPG, "path", 100.0),
    ],
)
def test_it_converges_from_far_too_short_and_far_too_long_steps(kind: Any, graph: str, first: float) -> None:
    problem = small_problem(6, L1(0.2))
    optimum, x0 = solve(problem).x, initial_points(problem)
    state = states(kind(first), problem, NETWORKS[graph], 700)[-1]
    assert (state.x - optimum).norm() < 1e-6 * (x0 - optimum).norm()


@EACH
@pytest.mark.parametrize("meta", [Adam(step_size=0.2), Lion(step_size=0.05)])
def test_below_its_ceiling_no_meta_update_makes_it_diverge(kind: Any, meta: Any) -> None:
    problem = small_problem(6, L1(0.2))
    optimum, x0 = solve(problem).x, initial_points(problem)
    for first in (1e-6, 100.0):
        found = states(kind(first, StepSizeLearner(meta=meta, ceiling=0.95)), problem, NETWORKS["path"], 300)
        assert max((state.x - optimum).norm() for state in found) < 2 * (x0 - optimum).norm()


@EACH
def test_costs_and_purity(kind: Any) -> None:
    algorithm, problem = kind(0.05), small_problem(6, L1(0.2))
    check_cost(algorithm, problem, NETWORKS["star"], HiddenNetwork)
    check_purity(algorithm, problem, NETWORKS["star"], HiddenNetwork)


@EACH
def test_a_resumed_run_is_the_uninterrupted_one(kind: Any) -> None:
    problem, network = small_problem(6, L1(0.2)), NETWORKS["ring"]
    driver = Driver(kind(0.05), problem, network, initial_points(problem))
    driver.advance(10)
    again = Driver.resume(kind(0.05), problem, network, restored(plain(driver.state)), 10)
    driver.advance(30)
    again.advance(30)
    assert torch.equal(again.x, driver.x)


@EACH
def test_one_node_is_the_centralized_method(kind: Any) -> None:
    problem, network = small_problem(1, L1(0.2)), Network.from_edges([], 1)
    optimum = solve(problem).x
    assert (states(kind(0.1), problem, network, 400)[-1].x - optimum).norm() < 1e-6


@pytest.mark.parametrize("name", UNTUNED)
def test_untuned_methods_keep_the_contract(name: str) -> None:
    check_method(UNTUNED[name])


def test_the_group_of_untuned_methods_is_in_no_other() -> None:
    chosen = choose_methods(["untuned"])
    assert list(chosen) == [*UNTUNED, *TUNED_REFERENCES]
    assert all(chosen[name].tuned for name in TUNED_REFERENCES)  # which the others are compared with
    assert not set(UNTUNED) & set(members("all"))
    assert all(not method.tuned and len(method.settings(16)) == 1 for method in UNTUNED.values())


def test_untuned_methods_are_evaluated_with_their_only_setting() -> None:
    results = evaluate(
        models=[],
        algorithms=["meta_prox_ed", "prox_ed_constant"],
        datasets=["lasso:features=20"],
        nodes=5,
        instances=1,
        iterations=50,
        limits=[],
    )
    assert [entry["trials"] for entry in results.tuning] == [[], []]
    assert [entry["setting"] for entry in results.tuning] == [{"step_size": 0.1}, {"step_size": pytest.approx(1.9)}]
    assert len(results.runs) == 2


# Names


def test_a_line_describes_what_its_function_returns() -> None:
    line = "metaoptimize:base=lion,meta=sgd,step_size=1e-3,meta_step=0.02,weight_decay=0,discount=0.99,blocks=tensors"
    ours = parse(f"{line},shared=no,tracked=no,highest=0.5")
    assert ours.name == f"{line},shared=no,tracked=no,highest=0.5"
    assert isinstance(ours.base, Lion) and ours.base.step_size == 1e-3 and ours.base.weight_decay == 0
    assert isinstance(ours.learner.meta, SGDm) and ours.learner.meta.momentum == 0
    assert (ours.learner.meta.step_size, ours.learner.blocks, ours.learner.shared) == (0.02, "tensors", False)
    assert (ours.tracked, ours.discount, ours.learner.highest) == (False, 0.99, 0.5)
    assert parse("metaoptimize:called=meta").name == "meta"


def test_the_defaults_are_those_of_the_paper() -> None:
    ours = metaoptimize()
    assert isinstance(ours.base, AdamW) and isinstance(ours.learner.meta, Adam)
    assert (ours.base.step_size, ours.base.weight_decay, ours.learner.meta.step_size) == (1e-6, 0.1, 1e-3)
    assert metaoptimize("sgdm").base.step_size == 1e-5


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("metaoptimize:base=adamm", "unknown local update 'adamm'; did you mean 'adam'?"),
        ("metaoptimize:meta=adamw", "unknown meta update 'adamw'; did you mean 'adam'?"),
        ("metaoptimize:steps=1", "unknown parameter of metaoptimize: 'steps'; did you mean 'step_size'?"),
        ("metaoptimize:step_size=small", "step_size is a number, got 'small'"),
        ("metaoptimize:shared=true", "shared is yes or no, got 'true'"),
        ("metaoptimize:blocks=layers", "blocks are whole, tensors, coordinates"),
    ],
)
def test_wrong_lines_are_refused(line: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(line)


def test_evaluations_take_methods_with_given_parameters_as_models() -> None:
    lines = ["prox_ed:step_size=0.1", "metaoptimize:base=sgdm", "primal_dual_adam:step_size=0.1,dual_step=1"]
    chosen = choose_models(lines)
    assert list(chosen) == lines
    assert isinstance(chosen[lines[0]], ProxED) and isinstance(chosen[lines[1]], MetaOptimize)
    for line, message in (
        ("prox_ed:step=0.1", "unknown parameter of prox_ed: 'step'"),
        ("primal_dual_adam:step_size=0.1", "dual_step missing"),
        ("prox_ed:step_size=x", "step_size of prox_ed is a number, got 'x'"),
    ):
        with pytest.raises(InputError, match=message):
            choose_models([line])


def test_applications_take_metaoptimize_by_name() -> None:
    line = "metaoptimize:base=sgdm,weight_decay=0,step_size=0.05,meta_step=0.02"
    assert isinstance(choose_optimizer(line, None, 1), MetaOptimize)
    with pytest.raises(InputError, match="metaoptimize has its parameters in its name"):
        choose_optimizer(line, {"step_size": 0.1}, 1)
    data = [torch.tensor([1.0, 0.0]), torch.tensor([3.0, 2.0]), torch.tensor([2.0, 1.0])]
    found = minimize(lambda x, a: ((x - a) ** 2).sum(), data, "ring", optimizer=line)
    torch.testing.assert_close(torch.as_tensor(found.x), torch.tensor([2.0, 1.0]), rtol=1e-3, atol=1e-3)
