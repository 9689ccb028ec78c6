"""Mistakes found in public code, made here on purpose: tests of ours must notice each of them."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o.graph.mixing import MIXING
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import HANDCRAFTED
from gnn_l2o.problems import LeastSquares
from gnn_l2o.problems.regularizers import L1
from tests.handcrafted.dense import metropolis

Mutant = Callable[[pytest.MonkeyPatch], None]


def load(name: str) -> ModuleType:
    """Another test file as a module of its own; pytest leaves them out of ``sys.modules``."""
    file = Path(__file__).parents[1] / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"mutated_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SOLUTION_TESTS = load("handcrafted/test_handcrafted")
PAPER_TESTS, SMOOTH_TESTS = load("handcrafted/test_paper_recursions"), load("handcrafted/test_smooth_recursions")
NETWORK_TESTS, MIXING_TESTS = load("graph/test_network"), load("graph/test_mixing")


def half_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient is scaled by 0.5 and the prox is not: that solves the problem with twice the regularizer."""
    original = LeastSquares.local_gradient
    monkeypatch.setattr(LeastSquares, "local_gradient", lambda self, x: 0.5 * original(self, x))


def a_third_of_the_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """W = A / 3, A with ones on its diagonal: its rows sum to one on rings only."""

    def mix(self: Network, x: Tensor) -> Tensor:
        sender, receiver = self.edge_index
        return x.index_add(0, receiver, x.index_select(0, sender)) / 3

    monkeypatch.setattr(Network, "mix", mix)


def a_third_of_the_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    """All weights are 1/3: rows sum to one, but a node with more than three neighbours weighs itself negatively."""
    monkeypatch.setitem(MIXING, "metropolis", lambda links, num_nodes: np.full(len(links), 1 / 3))


def degrees_with_the_node_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metropolis weights from a graph with self-loops, which count in the degrees."""

    def weights(links: np.ndarray, num_nodes: int) -> np.ndarray:
        degree = np.bincount(links.ravel(), minlength=num_nodes) + 1
        return 1.0 / (1.0 + degree[links].max(axis=1, initial=0))

    monkeypatch.setitem(MIXING, "metropolis", weights)


def solves(name: str) -> tuple[Any, ...]:
    return SOLUTION_TESTS.test_exact_methods_solve_the_problem_at_every_node, HANDCRAFTED[name], L1(0.4)


def prints(name: str) -> tuple[Any, ...]:
    return PAPER_TESTS.test_it_is_what_the_papers_print, name, L1(0.3)


STAR = nx.star_graph(5)
CAUGHT = [
    (half_the_gradient, *solves("prox_ed")),
    (half_the_gradient, *prints("prox_ed")),
    (half_the_gradient, *prints("inexact_admm")),
    (a_third_of_the_neighbours, *solves("pg_extra")),
    (a_third_of_the_neighbours, NETWORK_TESTS.test_mix_is_the_product_with_the_dense_matrix, STAR),
    (a_third_of_the_neighbours, NETWORK_TESTS.test_mix_leaves_a_consensus_exactly_as_it_is, STAR),
    (a_third_of_the_differences, NETWORK_TESTS.test_the_mixing_matrix_is_metropolis, STAR),
    (a_third_of_the_differences, MIXING_TESTS.test_weights_are_positive_and_mix, "metropolis", STAR),
    (degrees_with_the_node_itself, MIXING_TESTS.test_metropolis_counts_neighbours_and_not_the_node_itself),
    (degrees_with_the_node_itself, NETWORK_TESTS.test_the_mixing_matrix_is_metropolis, nx.cycle_graph(6)),
    (degrees_with_the_node_itself, SMOOTH_TESTS.test_without_a_regularizer_it_is_the_smooth_method, "nids", STAR),
]


@pytest.mark.parametrize(
    ("mutant", "test", "arguments"),
    [pytest.param(m, t, a, id=f"{m.__name__}-{t.__name__}-{k}") for k, (m, t, *a) in enumerate(CAUGHT)],
)
def test_the_mistake_is_caught(
    mutant: Mutant, test: Callable[..., None], arguments: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    test(*arguments)
    mutant(monkeypatch)
    with pytest.raises(AssertionError):
        test(*arguments)


def test_a_third_is_right_on_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why tests on rings alone would not do."""
    for mutant in (a_third_of_the_neighbours, a_third_of_the_differences):
        with monkeypatch.context() as patch:
            mutant(patch)
            network = Network.from_networkx(nx.cycle_graph(6))
            expected = torch.from_numpy(metropolis(nx.cycle_graph(6)))
            torch.testing.assert_close(network.matrix(), expected, rtol=0, atol=1e-15)
