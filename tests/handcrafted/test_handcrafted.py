"""The handcrafted methods against certified optima: exact methods end there, the others near by.

The contract that methods share (:func:`gnn_l2o.testing.check_method`) is tested in ``tests/testing/test_methods.py``.
"""

from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor

from gnn_l2o.algorithms.driver import run
from gnn_l2o.algorithms.tunable import Setting, Tunable
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import HANDCRAFTED, Diffusion, ProxDGD
from gnn_l2o.problems import LeastSquares, solve
from gnn_l2o.problems.regularizers import L1, Box, ElasticNet, Regularizer, Zero
from tests.handcrafted.dense import GRAPHS, batches, iterates, least_squares, side_by_side

REGULARIZERS = {"l1": L1(0.4), "elastic": ElasticNet(0.4, 0.3), "box": Box(-0.3, 0.5), "zero": Zero()}


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
