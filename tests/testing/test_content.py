"""The contracts of topologies and datasets: all files keep them, and mutants are caught."""

import os
from pathlib import Path

import pytest

from gnn_l2o import plugins
from gnn_l2o.testing import check_dataset, check_topology
from tests.small_data import IMAGE_DATASETS, image_folder


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
