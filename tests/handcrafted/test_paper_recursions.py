"""The handcrafted methods against dense recursions, written from the papers."""

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import HANDCRAFTED, CondatVu, PGExtra
from gnn_l2o.problems import LeastSquares, Problem
from gnn_l2o.problems.regularizers import L1, Regularizer, Zero
from tests.handcrafted.dense import GRAPHS, dense_gradient, dense_prox, iterates, least_squares, metropolis, smoothness

# The first three node by node as He et al. 2024, E.3, print them, the others as their own papers do. Parameters are
# called as in the method.


def paper_prox_dgd(w, graph, g, prox, x0, count, step_size):  # type: ignore[no-untyped-def]
    x = [x0]
    for _ in range(count):
        gradient, new = g(x[-1]), np.empty_like(x0)
        for i in graph:
            apart = sum(w[i, j] * (x[-1][i] - x[-1][j]) for j in graph[i])
            new[i] = prox(x[-1][i] - apart - step_size * gradient[i], step_size)
        x.append(new)
    return x


def paper_pg_extra(w, graph, g, prox, x0, count, step_size):  # type: ignore[no-untyped-def]
    x, tilde = [x0], np.empty_like(x0)
    for k in range(count):
        now, new, gradient = x[-1], np.empty_like(x0), g(x[-1])
        for i in graph:
            z = now[i] - sum(w[i, j] * (now[i] - now[j]) for j in graph[i]) - step_size * gradient[i]
            if k > 0:
                last = x[-2]
                apart = sum(w[i, j] * (last[i] - last[j]) for j in graph[i])
                z = z + tilde[i] - last[i] + 0.5 * apart + step_size * g(last)[i]
            tilde[i] = z
            new[i] = prox(z, step_size)
        x.append(new)
    return x


def paper_prox_ed(w, graph, g, prox, x0, count, step_size):  # type: ignore[no-untyped-def]
    x, tilde, z = [x0], x0, x0
    for _ in range(count):
        previous, z = z, x[-1] - step_size * g(x[-1])
        y = tilde + z - previous
        tilde = np.stack([y[i] - 0.5 * sum(w[i, j] * (y[i] - y[j]) for j in graph[i]) for i in sorted(graph)])
        x.append(np.stack([prox(row, step_size) for row in tilde]))
    return x


def paper_diffusion(w, graph, g, prox, x0, count, step_size):  # type: ignore[no-untyped-def]
    x = [x0]
    for _ in range(count):
        psi, new = x[-1] - step_size * g(x[-1]), np.empty_like(x0)
        for i in graph:
            new[i] = prox(w[i, i] * psi[i] + sum(w[i, j] * psi[j] for j in graph[i]), step_size)
        x.append(new)
    return x


def paper_nids(w, graph, g, prox, x0, count, step_size):  # type: ignore[no-untyped-def]
    x, z = [x0], x0 - step_size * g(x0)
    while len(x) <= count:
        x.append(np.stack([prox(row, step_size) for row in z]))
        ahead = 2 * x[-1] - x[-2] - step_size * (g(x[-1]) - g(x[-2]))
        new = np.empty_like(x0)
        for i in graph:
            combined = (1 + w[i, i]) / 2 * ahead[i] + sum(w[i, j] / 2 * ahead[j] for j in graph[i])
            new[i] = z[i] - x[-1][i] + combined
        z = new
    return x


def puda(choose):  # type: ignore[no-untyped-def]
    """The unified form of Alghunaim et al. 2021 with its dual y; ``choose`` gives A, C and the dual at the start."""

    def iterate(w, graph, g, prox, x0, count, step_size):  # type: ignore[no-untyped-def]
        identity = np.eye(len(w))
        b = identity - w
        a, c, y = choose(w, x0, step_size * g(x0))
        x = [x0]
        for _ in range(count):
            z = (identity - c) @ x[-1] - step_size * g(x[-1]) - b @ y
            y = y + b @ z
            x.append(prox(a @ z, step_size))
        return x

    return iterate


def paper_condat_vu(w, graph, g, prox, x0, count, step_size, dual_step):  # type: ignore[no-untyped-def]
    values, vectors = np.linalg.eigh(np.eye(len(w)) - w)
    root = vectors * np.sqrt(values.clip(min=0)) @ vectors.T
    sigma = dual_step / step_size
    x, dual = [x0], sigma * root @ x0
    for _ in range(count):
        x.append(prox(x[-1] - step_size * (g(x[-1]) + root @ dual), step_size))
        dual = dual + sigma * root @ (2 * x[-1] - x[-2])
    return x


def paper_inexact_admm(w, graph, g, prox, x0, count, step_size, penalty):  # type: ignore[no-untyped-def]
    x, p, beta = [x0], np.zeros_like(x0), 1 / step_size
    for _ in range(count):
        now, gradient, new = x[-1], g(x[-1]), np.empty_like(x0)
        for i in graph:
            weight = beta + 2 * penalty * graph.degree[i]
            pulled = penalty * sum(now[i] + now[j] for j in graph[i])
            new[i] = prox((beta * now[i] - gradient[i] - p[i] + pulled) / weight, 1 / weight)
        p = p + penalty * np.stack([sum(new[i] - new[j] for j in graph[i]) for i in sorted(graph)])
        x.append(new)
    return x


PAPERS: dict[str, Callable[..., list[np.ndarray]]] = {
    "atc_tracking": puda(lambda w, x0, descent: (w, np.eye(len(w)) - w, -x0)),
    "condat_vu": paper_condat_vu,
    "diffusion": paper_diffusion,
    "diging": puda(lambda w, x0, descent: (np.eye(len(w)), np.eye(len(w)) - w @ w, -w @ x0)),
    "inexact_admm": paper_inexact_admm,
    "nids": paper_nids,
    "pg_extra": paper_pg_extra,
    "prox_atc": puda(lambda w, x0, descent: (w @ w, 0 * w, -np.linalg.solve(w, x0 - descent))),  # lazy W are regular
    "prox_dgd": paper_prox_dgd,
    "prox_ed": paper_prox_ed,
}
BESIDE_THE_STEP = {"condat_vu": {"dual_step": 0.2}, "inexact_admm": {"penalty": 0.1}}  # the latter in units of L


def with_step(name: str, problem: Problem, step: float) -> Tunable[Any]:
    """The method with a step in units of 1/L."""
    return HANDCRAFTED[name].from_setting(problem, {"step_size": step, **BESIDE_THE_STEP.get(name, {})})


@pytest.mark.parametrize("regularizer", [L1(0.3), Zero()], ids=["l1", "zero"])
@pytest.mark.parametrize("name", PAPERS)
def test_it_is_what_the_papers_print(name: str, regularizer: Regularizer) -> None:
    graph, problem, x0 = GRAPHS["erdos_renyi"], least_squares(6, regularizer), torch.randn(6, 4)
    method, prox, w = with_step(name, problem, 0.15), dense_prox(regularizer), (np.eye(6) + metropolis(graph)) / 2
    ours = iterates(method, problem, Network.from_networkx(graph, mixing="lazy"), x0, 60)
    expected = PAPERS[name](w, graph, dense_gradient(problem), prox, x0.numpy(), 60, **vars(method))
    if isinstance(regularizer, L1):
        assert any((x == 0).any() for x in ours)  # the prox did something
    for x, y in zip(ours, expected, strict=True):
        torch.testing.assert_close(x, torch.from_numpy(y), rtol=1e-12, atol=1e-12)


def test_condat_vu_with_one_special_dual_step_is_pg_extra() -> None:
    problem, network = least_squares(6, L1(0.2)), Network.from_networkx(GRAPHS["star"])
    step, x0 = 0.5 / smoothness(problem), torch.randn(1, 4).expand(6, 4)
    ours = iterates(CondatVu(step, dual_step=1 / 2), problem, network, x0, 100)
    for x, y in zip(ours, iterates(PGExtra(step), problem, network, x0, 100), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", PAPERS)
def test_alone_a_node_does_proximal_gradient_descent(name: str) -> None:
    problem, network, x = least_squares(1, L1(0.4)), Network.from_edges([], 1), torch.randn(1, 4)
    step, gradient = 1 / smoothness(problem), dense_gradient(problem)
    for ours in iterates(with_step(name, problem, 1.0), problem, network, x, 30):
        torch.testing.assert_close(ours, x, rtol=1e-12, atol=1e-12)
        v = x - step * torch.from_numpy(gradient(x.numpy()))
        x = v.sign() * (v.abs() - step * 0.4).clamp(min=0)


# On f_i = L x^2 / 2 the iteration splits into one scalar recursion for each eigenvalue of W; a ring of four has
# 1, 1/3, 1/3 and -1/3, and its Laplacian the eigenvalues 0, 2, 2 and 4.
LIMITS = {
    "atc_tracking": 2.0,
    "condat_vu": 2 * (1 - 3 / 4 * 0.2 * (1 + 1 / 3)),
    "diffusion": 2.0,
    "diging": (1 - 1 / 3) ** 2 / 2,
    "inexact_admm": 1 / (1 / 2 + 3 / 4 * 0.1 * 4 - 2 * 0.1 * 2),
    "nids": 2.0,
    "pg_extra": (5 - 3 / 3) / 4,
    "prox_atc": 2.0,
    "prox_dgd": 1 - 1 / 3,
    "prox_ed": 2.0,
}


@pytest.mark.parametrize("name", LIMITS)
def test_the_largest_step_is_what_the_docstring_says(name: str) -> None:
    problem = LeastSquares.from_nodes([[[3.0**0.5]]] * 4, [[0.0]] * 4, Zero())
    network, x0 = Network.from_networkx(nx.cycle_graph(4)), torch.randn(4, 1)
    within, beyond = (with_step(name, problem, s * LIMITS[name]) for s in (0.98, 1.02))
    assert iterates(within, problem, network, x0, 1500)[-1].abs().max() < 1e-6
    assert iterates(beyond, problem, network, x0, 1500)[-1].abs().max() > 1e4
