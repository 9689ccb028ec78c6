"""The handcrafted methods against dense recursions, written from the papers, and against certified optima.

What stands under the mark ``METHODS`` holds for every method in :data:`HANDCRAFTED`, those added later too; the
contract that methods share (:func:`gnn_l2o.testing.check_method`) is tested in ``tests/testing/test_methods.py``.
"""

from collections.abc import Callable, Mapping
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.driver import run
from gnn_l2o.algorithms.tunable import Choice, Range, Setting, Tunable
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import HANDCRAFTED, CondatVu, Diffusion, PGExtra, ProxDGD, ProxED
from gnn_l2o.problems import LeastSquares, Problem, solve
from gnn_l2o.problems.regularizers import L1, Box, ElasticNet, Regularizer, Zero

GRAPHS = {
    "ring": nx.cycle_graph(6),
    "star": nx.star_graph(5),
    "erdos_renyi": nx.gnp_random_graph(6, 0.6, seed=1),
}
REGULARIZERS = {"l1": L1(0.4), "elastic": ElasticNet(0.4, 0.3), "box": Box(-0.3, 0.5), "zero": Zero()}
METHODS = pytest.mark.parametrize("method", HANDCRAFTED.values(), ids=HANDCRAFTED.keys())
Gradient = Callable[[np.ndarray], np.ndarray]


def least_squares(
    nodes: int, regularizer: Regularizer, *, dim: int = 4, samples: int = 8, seed: int = 0
) -> LeastSquares:
    random = np.random.default_rng(seed)
    features = random.standard_normal((nodes, samples, dim))
    targets = features @ random.standard_normal(dim) + random.standard_normal((nodes, samples))
    return LeastSquares.from_nodes(list(features), list(targets), regularizer)


def problem_for(method: type[Tunable[Any]], nodes: int = 6) -> LeastSquares:
    return least_squares(nodes, L1(0.2) if method.composite else Zero())


def smoothness(problem: Problem) -> float:
    return float(problem.smoothness().max())


def iterates(method: Tunable[Any], problem: Problem, network: Network, x0: Tensor, count: int) -> list[Tensor]:
    states = run(method, problem, network, x0)
    return [next(states).x for _ in range(count + 1)]


def batches(method: type[Tunable[Any]], budget: int) -> list[list[Setting]]:
    """The settings of the method's grid, those together that can run side by side."""
    choices = [name for name, axis in method.grid.items() if isinstance(axis, Choice)]

    def chosen(setting: Setting) -> list[float]:
        return [setting[name] for name in choices]

    return [list(alike) for _, alike in groupby(sorted(method.settings(budget), key=chosen), key=chosen)]


def side_by_side(method: type[Tunable[Any]], settings: list[Setting], problem: Problem) -> Tunable[Any]:
    """The method with a setting for each copy of the problem, ``problem`` being all copies."""

    def values(name: str, axis: Range | Choice) -> float | Tensor:
        if isinstance(axis, Choice):
            return settings[0][name]
        column = torch.tensor([setting[name] for setting in settings])
        return column.repeat_interleave(problem.num_nodes // len(settings)).unsqueeze(1)

    return method.from_setting(problem, {name: values(name, axis) for name, axis in method.grid.items()})


def metropolis(graph: nx.Graph) -> np.ndarray:
    w = np.zeros((len(graph), len(graph)))
    for i, j in graph.edges:
        w[i, j] = w[j, i] = 1 / (1 + max(graph.degree[i], graph.degree[j]))
    return w + np.diag(1 - w.sum(axis=1))


def dense_gradient(problem: LeastSquares) -> Gradient:
    a, b = problem.features.numpy(), problem.targets.numpy()
    return lambda x: np.stack([a_i.T @ (a_i @ x_i - b_i) / len(b_i) for a_i, b_i, x_i in zip(a, b, x, strict=True)])


def dense_prox(regularizer: Regularizer) -> Callable[[np.ndarray, float], np.ndarray]:
    if isinstance(regularizer, Zero):
        return lambda v, a: v
    assert isinstance(regularizer, L1)
    return lambda v, a: np.sign(v) * np.maximum(np.abs(v) - a * regularizer.weight, 0)


# What they are without a regularizer, as decent-bench and disropt run them (X all iterates, g all gradients, one row a
# node).


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


# The same with a regularizer: the first three node by node as He et al. 2024, E.3, print them, the others as their own
# papers do. Parameters are called as in the method.


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


def residual(problem: LeastSquares, x: Tensor) -> Tensor:
    r"""C ||x - prox(x - grad F(x) / C)|| at every row, which vanishes just at the solution: ``(..., d)`` to ``(...,)``.

    C is the curvature of F. The distance of 0 from the subdifferential at the point it takes the prox to is at most
    twice that. At x itself that distance would jump: where the solution is zero, the dual variables decide whether a
    node's iterate becomes zero or only tends to it.
    """
    a, b = problem.features, problem.targets
    hessian = torch.einsum("imk,iml->kl", a, a) / b.numel()
    gradient = x @ hessian - torch.einsum("imk,im->k", a, b) / b.numel()
    curvature = float(torch.linalg.eigvalsh(hessian)[-1])
    return curvature * (x - problem.regularizer.prox(x - gradient / curvature, 1 / curvature)).norm(dim=-1)


def solved(
    method: type[Tunable[Any]], settings: list[Setting], problems: list[LeastSquares], networks: list[Network]
) -> set[int]:
    """Run settings on all problems side by side; return the problems that one of them solved at every node."""
    copies, sizes = len(settings), [problem.num_nodes for problem in problems]

    def worst(x: Tensor) -> Tensor:
        parts = x.reshape(copies, -1, 4).split(sizes, dim=1)  # (copies, nodes, d) for each problem
        return torch.stack([residual(p, part).amax(dim=1) for p, part in zip(problems, parts, strict=True)])

    many = LeastSquares.concatenate(problems).repeat(copies)
    x0 = torch.randn(sum(sizes), 4).repeat(copies, 1)
    states = run(side_by_side(method, settings, many), many, Network.concatenate(networks * copies), x0)
    done = torch.zeros(len(problems), dtype=torch.bool)
    for state in islice(states, 50, 4001, 50):
        done |= (worst(state.x) <= 1e-8 * worst(x0)).any(dim=1)
        if done.all():
            break
    return set(done.nonzero().flatten().tolist())


@pytest.mark.parametrize(
    ("method", "regularizer"),
    [
        pytest.param(method, regularizer, id=f"{name}-{kind}")
        for name, method in HANDCRAFTED.items()
        for kind, regularizer in REGULARIZERS.items()
        if method.exact and (method.composite or kind == "zero")
    ],
)
def test_exact_methods_solve_the_problem_at_every_node(method: type[Tunable[Any]], regularizer: Regularizer) -> None:
    networks = {name: Network.from_networkx(graph) for name, graph in GRAPHS.items()}
    networks["abilene"] = build_network("real:name=topozoo/Abilene", 11)
    problems = [least_squares(n.num_nodes, regularizer, seed=k) for k, n in enumerate(networks.values())]
    left = set(range(len(networks)))
    for settings in batches(method, 16):
        left -= solved(method, settings, problems, list(networks.values()))
    assert not left, f"no setting of {method.name}'s grid solved it on {[list(networks)[k] for k in left]}"


@pytest.mark.parametrize("regularizer", [name for name in REGULARIZERS if name != "zero"])
def test_the_regularizers_matter_at_the_solutions(regularizer: str) -> None:
    r = REGULARIZERS[regularizer]
    for nodes, seed in ((6, 0), (6, 1), (6, 2), (11, 3)):
        assert not r.free(solve(least_squares(nodes, r, seed=seed)).x).all()


@pytest.mark.parametrize("regularizer", [L1(0.05), Zero()], ids=["l1", "zero"])
@pytest.mark.parametrize("method", [ProxDGD, Diffusion])
def test_biased_methods_are_off_by_the_order_of_their_step(
    method: type[ProxDGD] | type[Diffusion], regularizer: Regularizer
) -> None:
    problem, network = least_squares(6, regularizer), Network.from_networkx(GRAPHS["ring"])
    optimum = solve(problem).x
    settings = [{"step_size": 0.02}, {"step_size": 0.01}]
    algorithm = side_by_side(method, settings, problem.repeat(2))
    x0 = optimum.expand(12, 4)
    x = iterates(algorithm, problem.repeat(2), Network.concatenate([network] * 2), x0, 3000)[-1]
    coarse, fine = (x - optimum).reshape(2, -1).norm(dim=1)
    assert not method.exact
    assert coarse > 1e-3
    assert float(coarse / fine) == pytest.approx(2, rel=0.1)


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


@METHODS
def test_parameters_are_in_units_of_the_problem(method: type[Tunable[Any]]) -> None:
    problem, setting = problem_for(method), method.settings(1)[0]
    algorithm = method.from_setting(problem, setting)
    for name, axis in method.grid.items():
        unit = axis.unit if isinstance(axis, Range) else "1"
        curvature = float(problem.features.square().mean(dim=(1, 2)).max())
        scale = {"1": 1.0, "L": smoothness(problem), "1/L": 1 / smoothness(problem), "curvature": curvature}[unit]
        assert getattr(algorithm, name) == pytest.approx(setting[name] * scale)


@METHODS
@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf"), torch.tensor([[1.0], [-1.0]])])
def test_parameters_are_positive(method: type[Tunable[Any]], bad: float | Tensor) -> None:
    good = method.settings(1)[0]
    for name in method.grid:
        with pytest.raises(InputError, match=f"needs a finite {name} > 0"):
            method(**{**good, name: bad})


def test_names_are_keys() -> None:
    assert all(HANDCRAFTED[name].name == name for name in HANDCRAFTED)
    assert len({method.label for method in HANDCRAFTED.values()}) == len(HANDCRAFTED)


@METHODS
@pytest.mark.parametrize("budget", [16, 24])
def test_the_grid_spends_the_budget(method: type[Tunable[Any]], budget: int) -> None:
    settings = method.settings(budget)
    assert 0.5 * budget < len(settings) <= budget
    assert len({tuple(s.values()) for s in settings}) == len(settings)
    for name, axis in method.grid.items():
        tried = sorted({s[name] for s in settings})
        low, high = (axis.low, axis.high) if isinstance(axis, Range) else (min(axis.values), max(axis.values))
        assert (tried[0], tried[-1]) == pytest.approx((low, high))


def documented() -> dict[str, dict[str, str]]:
    """The rows of the tables of methods, by name."""
    docs = Path(__file__).parents[2] / "docs"
    lines = [line for page in ("methods.md", "min_max.md") for line in (docs / page).read_text().splitlines()]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    header = next(row for row in cells if row[0] == "name")
    own = [row for row in cells if row[0].startswith("`") and len(row) == len(header)]  # another table is of limits
    rows = [dict(zip(header, row, strict=True)) for row in own]
    return {row["name"].strip("`"): row for row in rows}


def amount(cell: str, setting: Mapping[str, float]) -> float:
    """What a cell such as ``3``, ``2K`` or ``2K + 1`` says, K being what the method's one whole number counts.

    Diameters count apart.
    """
    terms = [term.strip() for term in cell.split("+") if term.strip() != "diameter"]
    counts = [setting[name] for name in ("mixings", "local_steps", "inner_steps", "terms") if name in setting]
    return sum(float(t[:-1] or 1) * counts[0] if t.endswith("K") else float(t) for t in terms)


@METHODS
def test_every_method_is_documented_with_its_cost(method: type[Tunable[Any]]) -> None:
    row = documented()[method.name]
    assert row["method"] == method.label
    assert (row["exact"], row["prox"]) == tuple("yes" if flag else "no" for flag in (method.exact, method.composite))
    assert all(f"`{name}`" in row["tuned"] for name in method.grid)
    for settings in batches(method, 1):
        cost = method(**settings[0]).cost
        for name in ("gradients", "proxes", "solves", "rounds", "vectors"):
            assert amount(row[name], settings[0]) == getattr(cost, name), name
        assert row["rounds"].count("diameter") == cost.minima


def test_no_other_methods_are_documented() -> None:
    assert set(documented()) == set(HANDCRAFTED)


class Accelerated(ProxED):
    """Stands for the methods with more parameters that are tuned in the same way."""

    grid = {  # noqa: RUF012
        "step_size": Range(0.1, 10, unit="1/L"),
        "momentum": Range(0.5, 0.9, spacing="linear", points=3, open=False),
        "mixings": Choice((1, 3)),
    }


def test_parameters_share_the_budget() -> None:
    settings = Accelerated.settings(24)
    assert len(settings) == 24
    assert sorted({s["momentum"] for s in settings}) == pytest.approx([0.5, 0.7, 0.9])
    assert sorted({s["mixings"] for s in settings}) == [1, 3]
    assert sorted({s["step_size"] for s in settings}) == pytest.approx(np.geomspace(0.1, 10, 4))
    assert len(Accelerated.settings(17)) == 12


def test_a_range_goes_on_beyond_its_ends() -> None:
    assert Range(1, 8).beyond([1, 2, 4, 8, 16, 32, 64, 128], upwards=True) == pytest.approx([256, 512])
    assert Range(1, 8).beyond([1, 2, 4, 8], upwards=False) == pytest.approx([0.5])
    assert Range(1, 4, spacing="linear").beyond([1, 2, 3, 4], upwards=True) == pytest.approx([5])


def test_smoothness_is_each_problems_own() -> None:
    problems = [least_squares(3, Zero(), seed=1), least_squares(2, Zero(), seed=2)]
    batch = LeastSquares.concatenate(problems)
    method = ProxED.from_setting(batch, {"step_size": 0.5})
    expected = [0.5 / smoothness(problems[0])] * 3 + [0.5 / smoothness(problems[1])] * 2
    torch.testing.assert_close(method.step_size, torch.tensor(expected).unsqueeze(1))
