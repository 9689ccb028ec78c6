"""What holds of every run of MetaOptimize: invariances, resumption, bounds, costs and errors."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import networkx as nx
import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import Driver, run
from gnn_l2o.algorithms.plain_state import plain, restored
from gnn_l2o.decentralized import Diffused
from gnn_l2o.graph import Network
from gnn_l2o.local_updates import Adam, AdamW, Lion, SGDm
from gnn_l2o.problems import LeastSquares
from gnn_l2o.problems.regularizers import Zero
from gnn_l2o.step_sizes import MetaOptimize, StepSizeLearner
from gnn_l2o.testing.hidden_network import HiddenNetwork
from gnn_l2o.testing.runs import check_cost, check_locality, check_purity, initial_points, small_problem
from tests.step_sizes.small_learners import BASES, METAS, ONE_NODE, RING, STEPS, Still, states


@pytest.mark.parametrize("base", ["adamw", "lion"])
@pytest.mark.parametrize("meta", ["adam", "lion"])
def test_the_scale_of_the_loss_does_not_matter(base: str, meta: str) -> None:
    problem = small_problem(5, Zero())
    larger = LeastSquares.from_nodes(list(8 * problem.features), list(8 * problem.targets), Zero())
    algorithm = MetaOptimize(BASES[base], StepSizeLearner(meta=METAS[meta]))
    one, other = (states(algorithm, p, RING)[-1] for p in (problem, larger))
    torch.testing.assert_close(one.x, other.x, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(one.steps.log_step, other.steps.log_step, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("base", BASES)
def test_nodes_with_equal_losses_are_one_node(base: str, tracked: bool) -> None:
    alone = small_problem(1, Zero())
    many = LeastSquares.from_nodes([alone.features[0]] * 5, [alone.targets[0]] * 5, Zero())
    algorithm = MetaOptimize(BASES[base], StepSizeLearner(meta=METAS["adam"]), tracked=tracked)
    x0 = initial_points(alone)
    with torch.no_grad():
        one = next(islice(run(algorithm, alone, ONE_NODE, x0), STEPS, None))
        five = next(islice(run(algorithm, many, RING, x0.repeat(5, 1)), STEPS, None))
    assert torch.equal(five.x, one.x.expand(5, -1))
    assert torch.equal(five.steps.log_step, one.steps.log_step.expand(5, -1))


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("meta", METAS)
def test_a_resumed_run_is_the_uninterrupted_one(base: str, meta: str) -> None:
    problem = small_problem(5, Zero())
    algorithm = MetaOptimize(BASES[base], StepSizeLearner(meta=METAS[meta]), tracked=True)
    driver = Driver(algorithm, problem, RING, initial_points(problem))
    driver.advance(10)
    again = Driver.resume(algorithm, problem, RING, restored(plain(driver.state)), 10)
    driver.advance(30)
    again.advance(30)
    assert torch.equal(again.x, driver.x)


def test_it_finds_the_step_of_a_quadratic() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(20, 10, generator=generator, dtype=torch.float64)
    problem = LeastSquares.from_nodes([features], [features @ torch.full((10,), 2.0)], Zero())
    x0 = torch.zeros(1, 10)  # the minimum is 0

    def gap(algorithm: Algorithm[Any], steps: int) -> float:
        with torch.no_grad():
            x = next(islice(run(algorithm, problem, ONE_NODE, x0), steps, None)).x
        return float(problem.objective(x))

    base = AdamW(step_size=1e-4, weight_decay=0.0)
    assert gap(MetaOptimize(base, StepSizeLearner(meta=Adam(step_size=1e-3))), 6000) < 1e-8
    assert gap(Diffused(base), 6000) > 1.0


@pytest.mark.parametrize("faults", ["", "drop=0.4,sleep=0.1", "one_way=0.3"])
def test_numbers_are_mixed_as_the_vector_that_they_travel_with(faults: str) -> None:
    two = Network.concatenate([RING, ONE_NODE, Network.from_networkx(nx.star_graph(3))])
    network, other = (two.with_faults(faults) if faults else two.to() for _ in range(2))
    for _ in range(4):  # rounds fail differently
        x = torch.randn(10, 6)
        mixed, numbers = network.mix_with(x, x[:, :2])
        torch.testing.assert_close(mixed, other.mix(x), rtol=1e-14, atol=1e-14)
        torch.testing.assert_close(numbers, mixed[:, :2], rtol=1e-14, atol=1e-14)
    assert (network.traffic.rounds, network.traffic.vectors, network.traffic.numbers) == (4, 4, 8)


def learned_steps(base: Any, learner: StepSizeLearner) -> Tensor:
    return torch.stack(
        [s.steps.log_step.exp() for s in states(MetaOptimize(base, learner), small_problem(5, Zero()), RING)]
    )


def test_steps_stay_within_their_bounds() -> None:
    stable, fast = 2 / float(small_problem(5, Zero()).smoothness().max()), Lion(step_size=1.0)
    short, long = SGDm(step_size=0.01 * stable), SGDm(step_size=30 * stable, momentum=0.0)
    assert float(learned_steps(short, StepSizeLearner(meta=fast, ceiling=0.5)).max()) == pytest.approx(0.5 * stable)
    assert float(learned_steps(short, StepSizeLearner(meta=fast, highest=0.01)).max()) == pytest.approx(0.01)
    found = learned_steps(long, StepSizeLearner(meta=fast, lowest=1e-3))
    assert float(found.max()) == pytest.approx(30 * stable)
    assert float(found.min()) == pytest.approx(1e-3)


LEARNERS = [
    StepSizeLearner(),
    StepSizeLearner(shared=False),
    StepSizeLearner(ceiling=0.9),
    StepSizeLearner(blocks="tensors"),
    StepSizeLearner(blocks="coordinates"),
    StepSizeLearner(blocks=((0, 2), (1, 3))),
]


@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("learner", LEARNERS, ids=lambda each: f"{each.blocks}-{each.shared}-{each.ceiling}")
def test_it_costs_what_it_declares_and_reads_no_more(learner: StepSizeLearner, tracked: bool) -> None:
    algorithm = MetaOptimize(BASES["adamw"], learner, tracked=tracked)
    problem = small_problem(5, Zero())
    check_cost(algorithm, problem, RING, HiddenNetwork)
    check_purity(algorithm, problem, RING, HiddenNetwork)
    check_locality(algorithm, Network.from_networkx(nx.path_graph(10)), Zero(), HiddenNetwork)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MetaOptimize(Still()), "metaoptimize needs a local update with a step_size"),  # type: ignore[arg-type]
        (lambda: MetaOptimize(BASES["adamw"], discount=1.5), r"needs a discount in \[0, 1\], got 1.5"),
        (lambda: MetaOptimize(BASES["adamw"], curvature=True), r"curvature=True is for SGDm\(momentum=0\)"),
        (lambda: StepSizeLearner(blocks="layers"), "blocks are whole, tensors, coordinates or lists"),
        (lambda: StepSizeLearner(blocks=((0, 1), (1, 2))), "1 is in more than one place"),
        (lambda: StepSizeLearner(blocks=((0, 1), ())), "none of them empty"),
        (lambda: StepSizeLearner(ceiling=0.0), "a ceiling is a finite number > 0, got 0.0"),
        (lambda: StepSizeLearner(lowest=1.0, highest=0.1), "expected 0 < lowest <= highest, got 1.0 and 0.1"),
        (lambda: StepSizeLearner(meta=Adam), "meta is a local update such as"),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
