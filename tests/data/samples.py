"""The datasets by what they hold, and small problems from them."""

import functools
import os

import pytest
import torch

from gnn_l2o import plugins
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Differentiable, Problem
from tests.small_data import IMAGE_DATASETS, image_folder

ALL = plugins.available("dataset")
WITHOUT_SAMPLES = (  # functions of the data of a node, or of rows that belong together
    "clipped_quadratic",
    "matrix_game",
    "rastrigin",
    "rotated_saddle",
    "saddle",
    "seesaw",
    "sparse_recovery",
)
SAMPLED = [name for name in ALL if name not in WITHOUT_SAMPLES]
EVEN = ("lasso_benchmark", "quadratic")  # samples are always split evenly


def ring(nodes: int) -> Network:
    edges = {(min(i, j), max(i, j)) for i, j in ((i, (i + 1) % nodes) for i in range(nodes)) if i != j}
    return Network.from_edges(sorted(edges), nodes)


SMALL = {"bsds500": "bsds500:patch=5,atoms=30", **IMAGE_DATASETS}


def sample(spec: str, nodes: int = 5, seed: int = 0):
    name, _, chosen = spec.partition(":")
    if name == "census" and "path=" not in spec and "GNN_L2O_DATA" not in os.environ:
        pytest.skip("GNN_L2O_DATA does not say where the census data is")
    if name in SMALL:
        spec = ",".join(filter(None, [SMALL[name], chosen]))
    with pytest.MonkeyPatch.context() as patch:
        if name in IMAGE_DATASETS:
            patch.setenv("GNN_L2O_DATA", image_folder().name)
        return load(name).function(ring(nodes), seed=seed, **plugins.load("dataset", spec).parameters)


@functools.cache
def load(name: str) -> plugins.Plugin:
    """Load a file once, so that it reads its data once."""
    return plugins.load("dataset", name)


def same(first: Problem, second: Problem) -> bool:
    if isinstance(first, Differentiable) and isinstance(second, Differentiable):
        data = zip(sum(first.data, ()), sum(second.data, ()), strict=True)
        return torch.equal(first.initial, second.initial) and all(torch.equal(a, b) for a, b in data)
    return all(torch.equal(getattr(first, k), getattr(second, k)) for k in ("features", "targets", "count"))
