"""How nodes find out facts about their whole graph by messages to their neighbours alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.graph.communication import Communication

_NEGLIGIBLE = 1e-12  # a residual of the Lanczos iteration that is rounding


@dataclass(frozen=True)
class FoundFacts:
    """Facts about one graph, as :class:`~gnn_l2o.Network` has them, ``(1, 1)`` each.

    Attributes:
        diameter: the largest distance between two nodes.
        radius: the distance from a centre to the node farthest from it.
        spectral_gap: of the mixing matrix.
        min_eigenvalue: of the mixing matrix, or 0 if that is positive.
    """

    diameter: Tensor
    radius: Tensor
    spectral_gap: Tensor
    min_eigenvalue: Tensor


def find_extents(network: Communication, own: Tensor) -> tuple[Tensor, Tensor]:
    """Return diameter and radius of one graph, ``(1, 1)`` each.

    Every node passes on how far it is from all nodes that it has heard of, N numbers a round, until it has heard of all
    and nothing changes: its eccentricity. The largest and the smallest one are flooded then.

    Args:
        network: the graph; the exchanges are counted as those before the first iteration.
        own: ``(N,)``, the number of each node of this object among all.
    """
    nodes = int(network.graph_sizes[0])
    distance = torch.full((len(own), nodes), torch.inf, dtype=torch.float64)
    distance[torch.arange(len(own)), own] = 0
    while bool(network.graph_max(distance.amax(dim=1, keepdim=True))[0].isinf()):
        (ends,) = network.neighbours(numbers=distance, directed=True, setup=True)
        heard = network.reduce(ends.other + 1, "amin", empty=torch.inf, directed=True)
        distance = torch.minimum(distance, heard)
    farthest = distance.amax(dim=1, keepdim=True)
    diameter, radius = network.graph_max(farthest)[:1], -network.graph_max(-farthest)[:1]
    network.count_setup(rounds=int(diameter), numbers=2 * int(diameter))
    return diameter.long(), radius.long()


def find_spectrum(network: Communication, own: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return the spectral gap and the smallest eigenvalue (or 0 if it is positive) of the mixing matrix, ``(1, 1)``.

    The Lanczos iteration for W on the vectors whose entries sum to zero, orthogonalized anew in every step (Golub, Van
    Loan 2013, Matrix Computations, 10.3.1): each step takes an exchange with the neighbours of a number, and an average
    over the graph of as many as there are vectors. After at most N - 1 steps the eigenvalues are exact up to rounding.

    Args:
        network: the graph, whose radius is known; the exchanges are counted as those before the first iteration.
        own: ``(N,)``, the number of each node of this object among all.
    """
    nodes = int(network.graph_sizes[0])
    weight = network.weights().double()
    start = torch.randn(nodes, generator=torch.Generator().manual_seed(0), dtype=torch.float64)[own].unsqueeze(1)
    basis = [torch.full_like(start, nodes**-0.5)]
    vector, off_diagonal = _orthogonal(start, basis, network, nodes)
    rows = []
    while len(basis) < nodes and off_diagonal > _NEGLIGIBLE:
        basis.append(vector / off_diagonal)
        (ends,) = network.neighbours(numbers=basis[-1], setup=True)
        product = basis[-1] - network.collect(weight * ends.difference)
        coefficient = float(nodes * network.graph_mean(basis[-1] * product, setup=True)[0])
        vector, off_diagonal = _orthogonal(product, basis, network, nodes)
        rows.append((coefficient, off_diagonal))
    if not rows:  # a lone node
        return torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    diagonal, beside = torch.tensor(rows, dtype=torch.float64).t()
    matrix = torch.diag(diagonal) + torch.diag(beside[:-1], 1) + torch.diag(beside[:-1], -1)
    eigenvalues = torch.linalg.eigvalsh(matrix)
    largest, smallest = eigenvalues[-1], eigenvalues[0]
    return (1 - torch.maximum(largest.abs(), smallest.abs())).reshape(1, 1), smallest.clamp(max=0).reshape(1, 1)


def _orthogonal(vector: Tensor, basis: list[Tensor], network: Communication, nodes: int) -> tuple[Tensor, float]:
    """Return a vector less its components along an orthonormal basis, and its norm.

    The components are subtracted twice, after which rounding errors are those of one subtraction.
    """
    columns = torch.cat(basis, dim=1)
    for _ in range(2):
        vector = vector - columns @ (nodes * network.graph_mean(columns * vector, setup=True)[0]).unsqueeze(1)
    return vector, float(nodes * network.graph_mean(vector.square(), setup=True)[0]) ** 0.5
