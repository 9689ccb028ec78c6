"""The pool of training problems: what it mixes, draws anew, and keeps apart from validation."""

import dataclasses
import math
import textwrap

import numpy as np
import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.faults import FaultyNetwork
from gnn_l2o.training import TrainingRun
from gnn_l2o.training.card import write_card
from gnn_l2o.training.pool import Pool
from tests.training.small_training import TINY, assert_same_weights, weights_of

pytestmark = pytest.mark.usefixtures("single_precision")


def test_the_pool_mixes_graphs_and_sizes_and_knows_the_optima():
    pool = Pool(dataclasses.replace(TINY, problems=12), "training", 12, torch.float64)
    batches = pool.batches(4, np.random.default_rng(0))
    assert sum(len(b.optimum) for b in batches) == 12
    sizes = {tuple(torch.bincount(b.network.batch).tolist()) for b in batches}
    assert any(len(set(s)) > 1 for s in sizes)  # graphs of different sizes in one batch
    for batch in batches:
        assert torch.equal(batch.problem.batch, batch.network.batch)
        zero = torch.zeros(len(batch.initial_objective), batch.problem.dim, dtype=torch.float64)
        torch.testing.assert_close(batch.initial_objective, batch.problem.objective(zero))
        assert (batch.optimum < batch.initial_objective).all()
        torch.testing.assert_close(batch.relative_optimality_gap(batch.x0), torch.ones_like(batch.initial_objective))


def test_gradients_may_be_those_of_some_samples(tmp_path):
    config = dataclasses.replace(TINY, gradient_samples=2)
    batch = Pool(config, "training", 4, torch.float64).batches(4)[0]
    whole = Pool(TINY, "training", 4, torch.float64).batches(4)[0]
    assert torch.equal(batch.optimum, whole.optimum)
    x = torch.randn(batch.x0.shape, dtype=torch.float64)
    torch.testing.assert_close(batch.relative_optimality_gap(x), whole.relative_optimality_gap(x))
    first, again, second = (batch.problem.draw(k).gradient(x) for k in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, second)
    draws = torch.stack([batch.problem.draw(k).gradient(x) for k in range(400)])
    error = draws.std(dim=0) / 20
    assert ((draws.mean(dim=0) - whole.problem.gradient(x)).abs() <= 5 * error + 1e-12).all()
    training = TrainingRun(config, tmp_path)
    training.run()
    write_card(training)
    assert "| gradients | of 2 samples a node |" in (tmp_path / "card.md").read_text()


def test_batches_have_the_faults_of_the_mixture(tmp_path):
    config = dataclasses.replace(TINY, faults=("", "drop=0.4"), problems=24)
    pool = Pool(config, "training", config.problems, torch.float32)
    assert not any(isinstance(batch.network, FaultyNetwork) for batch in pool.batches(3))
    first, again, other = (pool.batches(3, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert {batch.network.faults.drop for batch in first} == {0.0, 0.4}
    assert [batch.network.faults for batch in first] == [batch.network.faults for batch in again]
    assert not {batch.network.faults for batch in first} & {batch.network.faults for batch in other}
    mixtures = {"none": None, "drop": ("", "drop=0.4"), "same": ("", "drop=0.4")}
    runs = [TrainingRun(dataclasses.replace(TINY, faults=f), tmp_path / name) for name, f in mixtures.items()]
    for training in runs:
        training.run()
    none, drop, same = map(weights_of, runs)
    assert_same_weights(drop, same)
    assert any(not torch.equal(none[name], drop[name]) for name in none)
    assert "| faults, one a batch | none, `drop=0.4` |" in (tmp_path / "drop" / "card.md").read_text()


def test_the_easiest_problems_of_each_group_have_the_smallest_mean_gradients():
    pool = Pool(dataclasses.replace(TINY, problems=12), "training", 12, torch.float64)
    assert len(pool.groups) == 2
    for share in (0.2, 0.4, 0.6, 0.8):
        easiest = []
        for members in pool.groups:
            sizes = [float(b.problem.local_gradient(b.x0).mean(dim=0).norm()) for b in members]
            bound = sorted(sizes)[math.ceil(share * len(members)) - 1]
            easiest += [b.optimum.item() for b, size in zip(members, sizes, strict=True) if size <= bound]
        assert [b.optimum.item() for b in pool.batches(1, easiest=share)] == easiest


def test_training_and_validation_problems_differ_and_come_again():
    first, again = (Pool(TINY, "training", 4, torch.float32).batches(4) for _ in range(2))
    held_out = Pool(TINY, "validation", 4, torch.float32).batches(4)
    assert [b.optimum.tolist() for b in first] == [b.optimum.tolist() for b in again]
    known = {v for b in first for v in b.optimum.tolist()}
    assert not known & {v for b in held_out for v in b.optimum.tolist()}


SOMETIMES_TRIVIAL = """
    \"\"\"Least squares of one sample a node.\"\"\"
    import numpy as np
    from gnn_l2o.problems import L1, LeastSquares

    def sample(network, *, seed: int, trivial: float = 0.5):
        \"\"\"Targets are zero with a probability.\"\"\"
        random = np.random.default_rng(seed)
        a = random.standard_normal((network.num_nodes, 1, 3))
        b = a.sum(axis=2) * (random.random() >= trivial)
        return LeastSquares.from_nodes(list(a), list(b), L1(0.001))
"""


def test_problems_with_nothing_to_minimize_are_drawn_anew_or_named(tmp_path):
    file = tmp_path / "sometimes.py"
    file.write_text(textwrap.dedent(SOMETIMES_TRIVIAL))
    config = dataclasses.replace(TINY, dataset=(str(file),))
    (drawn,) = Pool(config, "training", 12, torch.float32).groups
    assert len(drawn) == 12 and all(bool(b.initial_objective > b.optimum) for b in drawn)
    usual = dataclasses.replace(TINY, dataset=(f"{file}:trivial=0",))
    (undisturbed,) = Pool(usual, "training", 12, torch.float32).groups
    same = [torch.equal(a.problem.targets, b.problem.targets) for a, b in zip(drawn, undisturbed, strict=True)]
    assert 0 < sum(same) < 12  # the others are the first draws
    with pytest.raises(InputError, match=r"optimal in 10 of 10 draws on (ring|star), . nodes, so there is nothing"):
        TrainingRun(
            dataclasses.replace(TINY, dataset=("lasso:features=6,samples=4,l1_weight=100",)), tmp_path / "o"
        ).run()
