"""The problems that an optimizer is trained on."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import torch

from gnn_l2o import plugins
from gnn_l2o.data.build import build_problem
from gnn_l2o.graph.build import build_network, expand
from gnn_l2o.problems import Problem, Stochastic, solve
from gnn_l2o.problems.regularizers import Regularizer
from gnn_l2o.training.batch import Batch
from gnn_l2o.training.config import TrainingConfig

_SIDE_BY_SIDE = 32  # problems that are solved or tried together
Purpose = Literal["training", "validation"]
_STREAM = {"training": 1, "validation": 2}


class Pool:
    """Problems drawn from a training mixture, solved, and grouped so that those of a group fit into one batch.

    Args:
        config: its ``dataset``, ``topology``, ``nodes``, ``mixing`` and ``seed`` are the mixture.
        purpose: problems for training and for validation have different seeds.
        count: how many problems.
        dtype: of the problems; they are solved in double precision all the same.
    """

    def __init__(self, config: TrainingConfig, purpose: Purpose, count: int, dtype: torch.dtype) -> None:
        random = np.random.default_rng([config.seed, _STREAM[purpose]])
        cases = expand(config.topology, config.nodes)
        datasets = [plugins.load("dataset", spec) for spec in config.dataset]
        groups: dict[tuple[type[Problem], type[Regularizer], int], list[Batch]] = {}
        for _ in range(count):
            dataset = datasets[random.integers(len(datasets))]
            topology, nodes = cases[random.integers(len(cases))]
            seed = int(random.integers(2**31))
            network = build_network(topology, nodes, seed=seed, mixing=config.mixing)
            problem = build_problem(dataset, network, seed=seed)
            kind = (type(problem), type(problem.regularizer), problem.dim)
            unsolved = torch.zeros(1, dtype=torch.float64)
            groups.setdefault(kind, []).append(Batch(problem, network, unsolved, unsolved))
        solved = [[b.to(dtype=dtype) for b in _solved(members)] for members in groups.values()]
        self.groups = [
            [dataclasses.replace(b, problem=drawn(b.problem, config, seed)) for seed, b in enumerate(members)]
            for members in solved
        ]

    def batches(self, size: int, random: np.random.Generator | None = None) -> list[Batch]:
        """Return all problems in batches of at most ``size``, drawn at random, or in their order without ``random``."""
        batches = []
        for members in self.groups:
            order = np.arange(len(members)) if random is None else random.permutation(len(members))
            chunks = [order[k : k + size] for k in range(0, len(order), size)]
            batches += [Batch.join([members[k] for k in chunk]) for chunk in chunks]
        return batches if random is None else [batches[k] for k in random.permutation(len(batches))]

    def some(self, count: int) -> list[Batch]:
        """Return about ``count`` problems, of each group its share, in batches."""
        every = max(1, sum(len(members) for members in self.groups) // count)
        batches = []
        for members in self.groups:
            chosen = members[::every]
            batches += [Batch.join(chosen[k : k + _SIDE_BY_SIDE]) for k in range(0, len(chosen), _SIDE_BY_SIDE)]
        return batches


def drawn(problem: Problem, config: TrainingConfig, seed: int) -> Problem:
    """Return a problem as training presents it to an optimizer: with gradients of ``gradient_samples`` samples a node.

    Raises:
        InputError: it has no samples to draw.
    """
    if config.gradient_samples is None:
        return problem
    return Stochastic(problem, batch_size=config.gradient_samples, seed=seed)


def _solved(members: list[Batch]) -> list[Batch]:
    """Fill in F* and F(x^0)."""
    solved = []
    for k in range(0, len(members), _SIDE_BY_SIDE):
        part = members[k : k + _SIDE_BY_SIDE]
        problem = Batch.join(part).problem
        optimum = solve(problem).value
        initial = problem.objective(problem.average(problem.initial_point().to(optimum)))
        solved += [
            dataclasses.replace(b, optimum=optimum[j : j + 1], initial_objective=initial[j : j + 1])
            for j, b in enumerate(part)
        ]
    return solved
