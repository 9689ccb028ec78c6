"""D-NASA, decentralized normalized averaged stochastic approximation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gnn_l2o.algorithms.base import Cost
from gnn_l2o.algorithms.tunable import Choice, Range, Tunable
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem


@dataclass(frozen=True, eq=False)
class DNASAState:
    """State of :class:`DNASA`."""

    x: Tensor  # (N, d), the iterate
    z: Tensor  # (N, d), the moving average of the gradients
    iteration: int  # k


@dataclass(frozen=True, eq=False)
class DNASA(Tunable[DNASAState]):
    r"""D-NASA (Li, Chen, Ma, Hong 2024, arXiv:2402.08821), for smooth problems, which may be stochastic.

    .. math::
        u^k_i   &= x^k_i - \gamma_k z^k_i / \|z^k_i\|, && z^0 = 0 \\
        x^{k+1} &= W u^k \\
        z^{k+1} &= W \bigl((1 - a_k) z^k + a_k \nabla f(u^k)\bigr)

    with weights that do not depend on the problem, for a graph of n nodes

    .. math::
        a_k = \min\bigl(1, \sqrt{n / (k+1)}\bigr), \qquad
        \gamma_k = \min\bigl(1, \gamma\, n^{1/4} / (k+1)^{3/4}\bigr)

    These are the recursion and the diminishing weights of the authors' published code (decen_mpi4py, its synthetic
    comparison), where :math:`\gamma = 1`; where z is 0 there is no step. It was not compared with the paper's
    own listing. A variant in the same code takes the gradient at x instead of u.

    A node moves by gamma_k in an iteration, whatever its gradient: far away that is slow, near the solution it is
    noise, so the distance from the solution falls only as gamma_k does. Costs one gradient and two mixings an
    iteration.

    Attributes:
        step_size: gamma, in units of x.
    """

    name = "d_nasa"
    label = "D-NASA"
    grid: ClassVar[Mapping[str, Range | Choice]] = {"step_size": Range(0.05, 50.0)}
    composite = False
    exact = False
    setup_knowledge = frozenset({"graph_sizes"})
    cost = Cost(rounds=2, vectors=2, gradients=1)

    step_size: float | Tensor

    def init(self, problem: Problem, network: Network, x0: Tensor) -> DNASAState:
        return DNASAState(x=x0, z=torch.zeros_like(x0), iteration=0)

    def step(self, problem: Problem, network: Network, state: DNASAState) -> DNASAState:
        k = state.iteration + 1
        nodes = network.graph_sizes.to(state.x)
        weight = (nodes / k).sqrt().clamp(max=1)
        length = (self.step_size * nodes**0.25 / k**0.75).clamp(max=1)
        u = state.x - length * torch.nn.functional.normalize(state.z, eps=torch.finfo(state.z.dtype).tiny)
        z = state.z + weight * (problem.gradient(u) - state.z)
        return DNASAState(x=network.mix(u), z=network.mix(z), iteration=k)
