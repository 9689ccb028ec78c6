"""The pages of docs/extending run as they are printed; all that is built in keeps the contracts; mutants are caught."""

import dataclasses
import math
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gnn_l2o import plugins
from gnn_l2o._utils import registry
from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.algorithms.stopping import Below, MaxRounds, MaxSeconds, StoppingRule
from gnn_l2o.algorithms.tunable import Range
from gnn_l2o.evaluation import METRICS, Metric
from gnn_l2o.handcrafted import HANDCRAFTED, ProxDGD, ProxED
from gnn_l2o.learned import ARCHITECTURES, TUNED, LearnedOptimizer, LPGExtraArchitecture
from gnn_l2o.limits import LIMITS
from gnn_l2o.problems.regularizers import L1, Box, ElasticNet, GroupL1, Regularizer, Zero
from gnn_l2o.testing import (
    check_dataset,
    check_learned_optimizer,
    check_loss,
    check_method,
    check_metric,
    check_regularizer,
    check_stopping_rule,
    check_topology,
)
from gnn_l2o.training.losses import LOSSES, RESOLUTION, MetaLoss
from tests.small_data import IMAGE_DATASETS, image_folder

PAGES = Path(__file__).parents[2] / "docs" / "extending"


# The pages


def reached(names: dict[str, Any]) -> dict[str, Any]:
    """The run of an evaluation's one method."""
    [run] = [run for run in names["results"].runs if run.algorithm == "prox_ed"]
    return vars(run)


def test_the_topology_of_its_page(page: Callable[[str], dict[str, Any]]) -> None:
    assert page("topology")["network"].num_edges == 2 * 18


def test_the_dataset_of_its_page(page: Callable[[str], dict[str, Any]]) -> None:
    names = page("dataset")
    assert {run.case.dataset for run in names["results"].runs} == {"non_negative.py:samples=5"}


def test_the_method_of_its_page(page: Callable[[str], dict[str, Any]]) -> None:
    names = page("method")
    assert {run.algorithm for run in names["results"].runs} - set(LIMITS) == {"my_method", "prox_ed"}


def test_the_learned_optimizer_of_its_page(page: Callable[[str], dict[str, Any]]) -> None:
    names = page("learned_optimizer")
    assert names["model"].name == "my_model"
    assert 'kind = "learned_step"' in Path("my_model/recipe.toml").read_text()


def test_the_loss_of_its_page(page: Callable[[str], dict[str, Any]]) -> None:
    names = page("loss")
    assert type(names["run"].loss).__name__ == "FinalGap"
    assert names["run"].progress.updates > 0


def test_the_metric_of_its_page(page: Callable[[str], dict[str, Any]]) -> None:
    trace = reached(page("metric"))["trace"]
    assert 0 <= trace["support"][-1] <= 6


def test_the_regularizer_of_its_page(page: Callable[[str], dict[str, Any]]) -> None:
    assert bool((page("regularizer")["solution"].x >= 0).all())


def test_the_stopping_rule_of_its_page(page: Callable[[str], dict[str, Any]]) -> None:
    iterations = reached(page("stopping_rule"))["trace"]["iteration"]
    assert 20 <= iterations[-1] < 50


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Saves the first block of a page as it says, runs the second beside it and returns its names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for kind in registry._REGISTRIES:
        monkeypatch.setattr(kind, "_members", dict(kind._members))
    before = set(sys.modules)

    def run(name: str) -> dict[str, Any]:
        torch.set_default_dtype(torch.float32)
        text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
        content, use = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        [title] = re.findall(r"^# Add an? .* in (\d+) lines$", text, re.MULTILINE)
        assert int(title) == sum(bool(line.strip()) for line in content.splitlines())
        [file] = re.findall(r"^Save as `(\w+\.py)`:$", text, re.MULTILINE)
        (tmp_path / file).write_text(content, encoding="utf-8")
        names: dict[str, Any] = {}
        exec(compile(use, f"{name}.md", "exec"), names)
        return names

    yield run
    for module in set(sys.modules) - before:
        if getattr(sys.modules[module], "__file__", None) and str(tmp_path) in str(sys.modules[module].__file__):
            del sys.modules[module]


def test_the_index_names_every_page() -> None:
    linked = set(re.findall(r"\]\((\w+)\.md\)", (PAGES / "README.md").read_text(encoding="utf-8")))
    assert linked == {path.stem for path in PAGES.glob("*.md")} - {"README"}


def test_the_contributing_guide_counts_the_lines_of_the_pages() -> None:
    guide = (PAGES.parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    counts = dict(re.findall(r"\]\(docs/extending/(\w+)\.md\) \| (\d+) \|", guide))
    titles = {name: (PAGES / f"{name}.md").read_text(encoding="utf-8").split("\n")[0] for name in counts}
    assert set(counts) >= {"topology", "dataset", "method", "learned_optimizer", "metric"}
    assert all(titles[name].endswith(f"in {count} lines") for name, count in counts.items())


# All that is built in keeps the contracts


@pytest.mark.parametrize("name", [*HANDCRAFTED, *TUNED])
def test_methods(name: str) -> None:
    check_method(METHODS[name])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_learned_optimizers(name: str) -> None:
    check_learned_optimizer(ARCHITECTURES[name]())


@pytest.mark.parametrize("name", [name for name in plugins.available("topology") if name != "from_file"])
def test_topologies(name: str) -> None:
    check_topology(name)


SMALL = {"bsds500": "bsds500:patch=5,atoms=30", **IMAGE_DATASETS}


@pytest.mark.parametrize("name", plugins.available("dataset"))
@pytest.mark.filterwarnings("ignore::UserWarning")  # of data that stands in
def test_datasets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in IMAGE_DATASETS:
        monkeypatch.setenv("GNN_L2O_DATA", image_folder().name)
    if name == "census" and "GNN_L2O_DATA" not in os.environ:
        pytest.skip("GNN_L2O_DATA does not say where the census data is")
    check_dataset(SMALL.get(name, name))


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    check_loss(LOSSES[name])


@pytest.mark.parametrize("name", METRICS)
def test_metrics(name: str) -> None:
    check_metric(METRICS[name]())


ROWS = torch.tensor([[0.0], [0.3], [0.7], [2.0]], dtype=torch.float64)
REGULARIZERS = [Zero(), L1(0.7), L1(ROWS), ElasticNet(0.5, 0.8), Box(-0.4, 0.6), Box(0.0, math.inf)]


@pytest.mark.parametrize(
    "regularizer", [*REGULARIZERS, GroupL1(0.9, size=3), GroupL1(ROWS, size=2)], ids=lambda r: type(r).__name__
)
def test_regularizers(regularizer: Regularizer) -> None:
    check_regularizer(regularizer)


@pytest.mark.parametrize("rule", [MaxRounds(3), MaxSeconds(1.0), Below("optimality_gap", 1e-3)])
def test_stopping_rules(rule: StoppingRule) -> None:
    check_stopping_rule(rule)


# Mutants: each violates one clause


class Undeclared(ProxED):
    name = "undeclared"
    cost = Cost(rounds=1, vectors=1, gradients=2, proxes=1)


class Mutating(ProxED):
    name = "mutating"

    def step(self, problem: Any, network: Any, state: Any) -> Any:
        state.x.add_(1.0)
        return super().step(problem, network, state)


class Scribbling(ProxED):
    name = "scribbling"

    def step(self, problem: Any, network: Any, state: Any) -> Any:
        problem.targets.mul_(0.999)
        return super().step(problem, network, state)


class Remembering(ProxED):
    name = "remembering"
    calls: list[int] = []  # noqa: RUF012

    def step(self, problem: Any, network: Any, state: Any) -> Any:
        self.calls.append(1)
        after = super().step(problem, network, state)
        return dataclasses.replace(after, x=after.x * (1 + 1e-6 * len(self.calls)))


class Elsewhere(ProxED):
    name = "elsewhere"

    def init(self, problem: Any, network: Any, x0: Any) -> Any:
        return super().init(problem, network, 0.5 * x0)


class Peeking(ProxED):
    name = "peeking"

    def step(self, problem: Any, network: Any, state: Any) -> Any:
        after = super().step(problem, network, state)
        i, j = network.link_index
        return dataclasses.replace(after, x=after.x.index_add(0, i, 1e-3 * after.x[j]))


class Averaging(ProxED):
    name = "averaging"

    def step(self, problem: Any, network: Any, state: Any) -> Any:
        after = super().step(problem, network, state)
        return dataclasses.replace(after, x=after.x + 1e-3 * problem.spread(problem.average(after.x)))


class Mixing(ProxED):
    name = "mixing"

    def step(self, problem: Any, network: Any, state: Any) -> Any:
        after = super().step(problem, network, state)
        return dataclasses.replace(after, x=after.x + 1e-3 * after.x.mean())


class Wide(ProxED):
    name = "wide"

    def step(self, problem: Any, network: Any, state: Any) -> Any:
        after = super().step(problem, network, state)
        return dataclasses.replace(after, x=after.x.double())


class Biased(ProxDGD):
    name = "biased"
    exact = True


class Hesitant(ProxED):
    name = "hesitant"
    grid = {"step_size": Range(1e-9, 1e-8)}  # noqa: RUF012


class Backwards(ProxED):
    name = "backwards"
    grid = {"step_size": Range(2.0, 1.0)}  # noqa: RUF012


class Half(ProxED):
    name = "half"
    grid = {}  # noqa: RUF012


class Careless(ProxED):
    name = "careless"

    def __post_init__(self) -> None:
        pass


class Choosy(ProxED):
    name = "choosy"

    def refusal(self, problem: Any, network: Any) -> str | None:
        return None if isinstance(problem.regularizer, Zero) else "no"


class Blind(ProxED):
    name = "blind"

    def refusal(self, problem: Any, network: Any) -> str | None:
        return None


class Knowing(ProxED):
    name = "knowing"

    def step(self, problem: Any, network: Any, state: Any) -> Any:
        after = super().step(problem, network, state)
        return dataclasses.replace(after, x=after.x * (1 + 0 * network.spectral_gap.sum()))


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (Undeclared, r"1 steps are declared to cost Cost\(.*gradients=2.*counted Cost\(.*gradients=1"),
        (Mutating, "step 1 changes the state"),
        (Scribbling, "step 1 called twice with one state, gives different states|changes x0, the problem"),
        (Remembering, "step 1 called twice with one state, gives different states"),
        (Elsewhere, "x of the state that init returns must be x0"),
        (Averaging, "after 1 steps and 1 counted rounds, .* a node at distance 9"),
        (Mixing, "problem 0 of .* side by side"),
        (Wide, "a run in float32 must stay in it"),
        (Biased, "exact = True, but after 4000 iterations on the ring of 6 nodes the best of 16 settings leaves"),
        (Hesitant, "exact = True, but after 4000 iterations on the ring"),
        (Backwards, "expected 0 < low <= high < below of step_size"),
        (Half, r"has the fields \['step_size'\] and tunes \[\]"),
        (Careless, "accepts step_size = 0.0"),
        (Choosy, "composite = True, but it refuses a regularizer"),
        (Blind, r"directed = False, but it accepts a directed graph \(refusal\(\) must ask super"),
        (Knowing, r"reads \['spectral_gap'\] of the whole graph, but declares setup_knowledge = \[\]"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_methods_that_break_the_contract_are_caught(method: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_method(method)


def test_reading_a_neighbour_without_counting_is_refused() -> None:
    with pytest.raises(AttributeError, match="link_index of a Network is no node's knowledge"):
        check_method(Peeking)
    with pytest.raises(AssertionError, match=r"after 1 steps and 1 counted rounds, .* a node at distance 2"):
        check_method(Peeking, network=lambda network: network)


class Forgetful(LPGExtraArchitecture):
    name = "forgetful"

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.name}


class Nameless(LPGExtraArchitecture):
    name = "nameless"

    def algorithm(self, weights: Any, name: str | None = None) -> Any:
        return super().algorithm(weights, "always the same")


class Random(LPGExtraArchitecture):
    name = "random"
    seeds = iter(range(10**6))

    def build(self) -> Any:
        weights = super().build()
        with torch.no_grad():
            next(weights.parameters()).add_(next(self.seeds))
        return weights


class Infinite(LPGExtraArchitecture):
    name = "infinite"

    def initialize(self, weights: Any, init: str, step_size: float | None) -> None:
        with torch.no_grad():
            next(weights.parameters()).fill_(math.inf)


class Unlearned(LPGExtraArchitecture):
    name = "unlearned"

    def algorithm(self, weights: Any, name: str | None = None) -> Any:
        frozen = super().build()
        frozen.load_state_dict(weights.state_dict())
        return super().algorithm(frozen.to(next(weights.parameters())).requires_grad_(False), name)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (Forgetful(depth=7), "from_dict gives .* of the settings of"),
        (Nameless(), "its algorithm must be called like it by default, got 'always the same'"),
        (Random(), "equal seeds draw different weights"),
        (Infinite(), "initialization 'pg_extra' gives weights that are not finite"),
        (Unlearned(), "its iterates do not depend on the weights"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_learned_optimizers_that_break_the_contract_are_caught(architecture: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_learned_optimizer(architecture)


def test_the_cost_of_learned_optimizers_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = type(LPGExtraArchitecture().algorithm(LPGExtraArchitecture().build()))
    assert issubclass(algorithm, LearnedOptimizer)
    monkeypatch.setattr(algorithm, "cost", Cost(rounds=2, vectors=1, gradients=1, proxes=1))
    with pytest.raises(AssertionError, match="are declared to cost"):
        check_learned_optimizer(LPGExtraArchitecture())


TOPOLOGY = "import random\nimport networkx as nx\n\ndef generate(nodes: int, *, seed: int = 0):\n    "


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return nx.path_graph(nodes + 1)", "gives a graph of 6 nodes, expected 5"),
        ("return nx.empty_graph(nodes)", "with 5 nodes the graph falls into 5 parts"),
        ("return nx.path_graph(nodes, nx.DiGraph)", "into 5 parts; expected a strongly connected one"),
        ("return nx.relabel_nodes(nx.path_graph(nodes), lambda k: k + 1)", "expected the nodes 0, 1, ..., 4"),
        ("g = nx.path_graph(nodes); g.add_edge(0, 0); return g", "without self-loops"),
        ("return list(range(nodes))", "must return a networkx.Graph"),
        ("random.random(); return nx.path_graph(nodes)", "changes the global random state of random"),
        (
            "generate.n = getattr(generate, 'n', 0) + 1; g = nx.path_graph(nodes); g.add_edge(0, 2 + generate.n % 2); "
            "return g",
            "the same seed gives different graphs of 5 nodes",
        ),
        (
            "from gnn_l2o._utils.errors import InputError; raise InputError('no')",
            r"refuses all of \(5, 8, 16, 33\) nodes",
        ),
    ],
)
def test_topologies_that_break_the_contract_are_caught(body: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TOPOLOGY + body)
    with pytest.raises(AssertionError, match=message):
        check_topology(tmp_path / "mine.py")


DATASET = """
import numpy as np
import torch
from gnn_l2o.problems import LeastSquares, Logistic
from gnn_l2o.problems.regularizers import L1, Zero

class Wrong(LeastSquares):
    def local_gradient(self, x):
        return 1.01 * super().local_gradient(x)

class Flat(LeastSquares):
    def smoothness(self):
        return 0 * super().smoothness()

class Endless(LeastSquares):
    def loss(self, x):
        return super().loss(x) / 0.0

class Shallow(LeastSquares):
    def smoothness(self):
        return super().smoothness().float()

def sample(network, *, seed: int):
    r, n = np.random.default_rng(seed), network.num_nodes
    a, b = list(r.standard_normal((n, 9, 3))), list(r.standard_normal((n, 9)))
    """


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return a", "sample must return a Problem"),
        ("return LeastSquares.from_nodes(a[:1], b[:1], Zero())", "expected one problem of 4 nodes, got 1 of 1"),
        ("return Endless.from_nodes(a, b, Zero())", "loss is not finite"),
        ("return Wrong.from_nodes(a, b, Zero())", "the gradient is off the slope of the loss by"),
        ("return Flat.from_nodes(a, b, Zero())", "expected positive smoothness constants"),
        ("return Shallow.from_nodes(a, b, Zero())", "expected smoothness in float64"),
        ("np.random.rand(); return LeastSquares.from_nodes(a, b, Zero())", "changes the global random state of numpy"),
        ("torch.rand(1); return LeastSquares.from_nodes(a, b, Zero())", "changes the global random state of torch"),
        ("return LeastSquares.from_nodes([np.ones((9, 3))] * n, [np.ones(9)] * n, Zero())", "give the same problem"),
        (
            "sample.n = getattr(sample, 'n', 0) + 1; "
            "return LeastSquares.from_nodes(a, [v * sample.n for v in b], Zero())",
            "equal seeds give different problems",
        ),
        (
            "return Logistic.from_nodes(a, [(v @ np.ones(3) > 0) * 1.0 for v in a], Zero())",
            "has no lower bound, and cannot be solved: .*no minimizer",
        ),
    ],
)
def test_datasets_that_break_the_contract_are_caught(body: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(DATASET + body)
    with pytest.raises(AssertionError, match=message):
        check_dataset(tmp_path / "mine.py")


class TooFar(L1):
    def prox(self, v: Any, step: Any) -> Any:
        return super().prox(v, 1.01 * step)


class OneMetric(L1):
    def prox(self, v: Any, step: Any) -> Any:
        return super().prox(v, step.mean() if isinstance(step, torch.Tensor) else step)


class Outside(Box):
    def prox(self, v: Any, step: Any) -> Any:
        return super().prox(v, step) + 1e-3


class Concave(Zero):
    def value(self, x: Any) -> Any:
        return -x.abs().sum(dim=1)


class NoKink(L1):
    def min_norm_subgradient(self, x: Any, gradient: Any) -> Any:
        return gradient + self.weight * x.sign()


class TooLong(L1):
    def min_norm_subgradient(self, x: Any, gradient: Any) -> Any:
        return torch.where(
            x == 0, super().min_norm_subgradient(x, gradient), 1.1 * super().min_norm_subgradient(x, gradient)
        )


class AllFree(L1):
    def free(self, x: Any) -> Any:
        return torch.ones_like(x, dtype=torch.bool)


class OneRow(L1):
    def at(self, rows: Any) -> Any:
        return self


class Rounded(L1):
    def prox(self, v: Any, step: Any) -> Any:
        return super().prox(v.double(), step)


class Detached(L1):
    def prox(self, v: Any, step: Any) -> Any:
        return v + (super().prox(v, step) - v).detach()


class InPlace(L1):
    def prox(self, v: Any, step: Any) -> Any:
        result = super().prox(v, step)
        v.detach().mul_(1.5)
        return result


class Summed(L1):
    def value(self, x: Any) -> Any:
        return super().value(x).sum()


@pytest.mark.parametrize(
    ("regularizer", "message"),
    [
        (TooFar(0.7), "prox does not minimize"),
        (OneMetric(0.7), "prox does not minimize|p a row or a matrix"),
        (Outside(-0.4, 0.6), "prox ends outside the domain"),
        (Concave(), "prox does not minimize|value is not convex"),
        (NoKink(0.7), "min_norm_subgradient must vanish at prox"),
        (TooLong(0.7), "must fall with slope"),
        (AllFree(0.7), "free marks a coordinate in which r has a kink"),
        (OneRow(ROWS), r"prox of at\(rows\) by rows"),
        (Rounded(0.7), "prox of single precision is torch.float64"),
        (Detached(0.7), "the derivative of prox is not that of its values"),
        (InPlace(0.7), "prox changes its argument"),
        (Summed(0.7), r"value has shape \(\), expected \(4,\)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_regularizers_that_break_the_contract_are_caught(regularizer: Regularizer, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_regularizer(regularizer)


class Never(StoppingRule):
    def holds(self, standing: Any) -> bool:
        return False


class AtOnce(StoppingRule):
    def holds(self, standing: Any) -> bool:
        return True


class Tensorial(StoppingRule):
    def holds(self, standing: Any) -> Any:
        return standing.measures["optimality_gap"].max() < 1


class Counting(StoppingRule):
    count = 0

    def holds(self, standing: Any) -> bool:
        self.count += 1
        return standing.iteration > 10


class Fickle(StoppingRule):
    count = 0

    def holds(self, standing: Any) -> bool:
        type(self).count += 1
        return type(self).count % 2 == 0


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Never(), "must hold at the end of a run"),
        (AtOnce(), "must not hold at the beginning of a run"),
        (Tensorial(), "holds must return a bool"),
        (Counting(), "holds changes the rule"),
        (Fickle(), "holds answers False, then True of the same standing"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_stopping_rules_that_break_the_contract_are_caught(rule: StoppingRule, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_stopping_rule(rule)


class FinalGap(MetaLoss):
    name = "final_gap"

    def segment_loss(self, batch: Any, segment: range, gaps: Any) -> Any:
        return (gaps[max(gaps)].clamp(min=0) + RESOLUTION).log().mean()


class Largest(Metric):
    name = "largest"
    label = "largest coordinate"

    def values(self, reference: Any, x: Any) -> Any:
        return reference.problem.average(x).abs().amax(dim=1)


def test_what_mutants_derive_from_keeps_the_contract() -> None:
    check_loss(FinalGap)
    check_metric(Largest())


def mutant(base: type, **attributes: Any) -> Any:
    return type("Mutant", (base,), {"name": "mutant", **attributes})


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"name": ""}, "expected a name, got ''"),
        ({"tolerance": -1.0}, "expected a tolerance of at least 0, got -1.0"),
        ({"measured_iterations": lambda self, last: [0, last]}, r"of 1 iterations it measures \[0, 1\]"),
        ({"measured_iterations": lambda self, last: [last + 1]}, r"of 1 iterations it measures \[2\]"),
        ({"segment_loss": lambda self, batch, segment, gaps: gaps[max(gaps)]}, "expected one finite number"),
        (
            {"segment_loss": lambda self, batch, segment, gaps: gaps[max(gaps)].log().mean()},
            "expected one finite number",
        ),
        ({"segment_loss": lambda self, batch, segment, gaps: gaps[segment[0]].mean()}, None),
        ({"segment_loss": lambda self, b, s, gaps: gaps[max(gaps)].detach().mean()}, "cannot be differentiated"),
        (
            {"segment_loss": lambda self, b, s, gaps: gaps[max(gaps)].clamp(min=0).sqrt().mean()},
            "not finite for the optimality gaps",
        ),
        (
            {"segment_loss": lambda self, b, s, gaps: -gaps[max(gaps)].mean()},
            "half the optimality gaps have a larger loss",
        ),
        ({"segment_loss": lambda self, b, s, gaps: gaps[max(gaps)][0]}, "with the problems in another order"),
        ({"validation_values": lambda self, run, gaps: -torch.cat(list(gaps.values()))}, "a larger validation value"),
    ],
)
def test_losses_that_break_the_contract_are_caught(attributes: dict[str, Any], message: str | None) -> None:
    with pytest.raises(KeyError if message is None else AssertionError, match=message):
        check_loss(mutant(FinalGap, **attributes))


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"label": ""}, "expected a label, got ''"),
        ({"scale": "sqrt"}, "expected the scale 'linear' or 'log', got 'sqrt'"),
        ({"values": lambda self, reference, x: x.abs().amax()}, r"shape \(2,\), got \(\)"),
        ({"values": lambda self, reference, x: reference.problem.average(x).sum(dim=1).log()}, "is not finite at the"),
        ({"values": lambda self, r, x: r.problem.average(x.sub_(1.0)).sum(dim=1)}, "changes the iterates"),
        (
            {"values": lambda self, r, x: r.problem.average(x).sum(dim=1) + torch.rand(2)},
            "then .* at the initial point",
        ),
        ({"values": lambda self, r, x: x.mean().expand(r.problem.num_problems)}, "problem 0 side by side and alone"),
    ],
)
def test_metrics_that_break_the_contract_are_caught(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_metric(mutant(Largest, **attributes)())
