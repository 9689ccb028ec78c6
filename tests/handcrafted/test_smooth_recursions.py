"""The handcrafted methods without a regularizer, as decent-bench and disropt run them."""

from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import HANDCRAFTED
from gnn_l2o.problems.regularizers import Zero
from tests.handcrafted.dense import GRAPHS, Gradient, dense_gradient, iterates, least_squares, metropolis, smoothness

# X holds all iterates, g all gradients, one row a node.


def dgd(w: np.ndarray, g: Gradient, a: float, x0: np.ndarray, count: int) -> list[np.ndarray]:
    x = [x0]
    for _ in range(count):
        x.append(w @ x[-1] - a * g(x[-1]))
    return x


def atc(w: np.ndarray, g: Gradient, a: float, x0: np.ndarray, count: int) -> list[np.ndarray]:
    x = [x0]
    for _ in range(count):
        x.append(w @ (x[-1] - a * g(x[-1])))
    return x


def extra(w: np.ndarray, g: Gradient, a: float, x0: np.ndarray, count: int) -> list[np.ndarray]:
    half = (np.eye(len(w)) + w) / 2
    x = [x0, w @ x0 - a * g(x0)]
    while len(x) <= count:
        x.append(x[-1] + w @ x[-1] - half @ x[-2] - a * (g(x[-1]) - g(x[-2])))
    return x


def nids(w: np.ndarray, g: Gradient, a: float, x0: np.ndarray, count: int) -> list[np.ndarray]:
    half = (np.eye(len(w)) + w) / 2
    x = [x0, x0 - a * g(x0)]
    while len(x) <= count:
        x.append(half @ (2 * x[-1] - x[-2] - a * (g(x[-1]) - g(x[-2]))))
    return x


def exact_diffusion(w: np.ndarray, g: Gradient, a: float, x0: np.ndarray, count: int) -> list[np.ndarray]:
    half = (np.eye(len(w)) + w) / 2
    x, y = [x0], x0
    for _ in range(count):
        previous, y = y, x[-1] - a * g(x[-1])
        x.append(half @ (x[-1] + y - previous))
    return x


def atc_tracking(w: np.ndarray, g: Gradient, a: float, x0: np.ndarray, count: int) -> list[np.ndarray]:
    x, y = [x0], g(x0)
    for _ in range(count):
        x.append(w @ (x[-1] - a * y))
        y = w @ y + g(x[-1]) - g(x[-2])
    return x


def aug_dgm(w: np.ndarray, g: Gradient, a: float, x0: np.ndarray, count: int) -> list[np.ndarray]:
    x, y = [x0], g(x0)
    for _ in range(count):
        x.append(w @ (x[-1] - a * y))
        y = w @ (y + g(x[-1]) - g(x[-2]))
    return x


def diging(w: np.ndarray, g: Gradient, a: float, x0: np.ndarray, count: int) -> list[np.ndarray]:
    x, y = [x0], g(x0)
    for _ in range(count):
        x.append(w @ x[-1] - a * y)
        y = w @ y + g(x[-1]) - g(x[-2])
    return x


SMOOTH = {
    "atc_tracking": atc_tracking,
    "diffusion": atc,
    "diging": diging,
    "nids": nids,
    "pg_extra": extra,
    "prox_atc": aug_dgm,
    "prox_dgd": dgd,
    "prox_ed": exact_diffusion,
}


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS.keys())
@pytest.mark.parametrize("name", SMOOTH)
def test_without_a_regularizer_it_is_the_smooth_method(name: str, graph: nx.Graph) -> None:
    problem = least_squares(6, Zero())
    step, x0 = 0.15 / smoothness(problem), torch.randn(6, 4)
    method: Any = HANDCRAFTED[name]
    ours = iterates(method(step), problem, Network.from_networkx(graph), x0, 200)
    expected = SMOOTH[name](metropolis(graph), dense_gradient(problem), step, x0.numpy(), 200)
    for x, y in zip(ours, expected, strict=True):
        torch.testing.assert_close(x, torch.from_numpy(y), rtol=1e-12, atol=1e-12)
