"""The problems that an optimizer is trained on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError, about
from gnn_l2o.data.build import build_problem
from gnn_l2o.graph.build import build_network, expand
from gnn_l2o.graph.faults import Faults
from gnn_l2o.problems import Problem, Stochastic, solve, starts_optimal
from gnn_l2o.training.batch import Batch
from gnn_l2o.training.config import TrainingConfig

_SIDE_BY_SIDE = 32  # problems that are solved or tried together
_DRAWS = 10  # of a problem, until its initial point is not optimal already
Purpose = Literal["training", "validation"]
_STREAM = {"training": 1, "validation": 2}


class Pool:
    """Problems drawn from a training mixture, solved, and grouped so that those of a group fit into one batch.

    Args:
        config: its ``dataset``, ``topology``, ``nodes``, ``mixing`` and ``seed`` are the mixture.
        purpose: problems for training and for validation have different seeds.
        count: how many problems.
        dtype: of the problems; they are solved in double precision all the same.

    Raises:
        InputError: the initial point is optimal in all draws of a problem.
    """

    def __init__(self, config: TrainingConfig, purpose: Purpose, count: int, dtype: torch.dtype) -> None:
        random = np.random.default_rng([config.seed, _STREAM[purpose]])
        cases = expand(config.topology, config.nodes)
        datasets = [plugins.load("dataset", spec) for spec in config.dataset]
        groups: dict[Hashable, tuple[list[_Source], list[Batch]]] = {}
        for _ in range(count):
            dataset = datasets[random.integers(len(datasets))]
            topology, nodes = cases[random.integers(len(cases))]
            source = _Source(dataset, topology, nodes, config.mixing, int(random.integers(2**31)))
            batch = source.draw()
            sources, members = groups.setdefault(batch.problem.form, ([], []))
            sources.append(source)
            members.append(batch)
        solved = [
            [source.unless_trivial(b).to(dtype=dtype) for source, b in zip(sources, _solved(members), strict=True)]
            for sources, members in groups.values()
        ]
        self._faults = config.faults or ()
        self.groups = [
            [dataclasses.replace(b, problem=drawn(b.problem, config, seed)) for seed, b in enumerate(members)]
            for members in solved
        ]

    def batches(
        self, size: int, random: np.random.Generator | None = None, easiest: float | None = None
    ) -> list[Batch]:
        """Return problems in batches of at most ``size``.

        Args:
            size: of a batch.
            random: draws them and the faults of each batch; without, they stand in their order and have no faults.
            easiest: the share of each group that is taken, see :class:`.Stage`; by default all.
        """
        batches = []
        for members in self.groups if easiest is None else self._easiest(easiest):
            order = np.arange(len(members)) if random is None else random.permutation(len(members))
            chunks = [order[k : k + size] for k in range(0, len(order), size)]
            batches += [Batch.join([members[k] for k in chunk]) for chunk in chunks]
        if random is None:
            return batches
        return [self._with_faults(batches[k], random) for k in random.permutation(len(batches))]

    def batches_of(self, size: int, easiest: float | None) -> int:
        """Return how many batches :meth:`batches` returns."""
        groups = self.groups if easiest is None else self._easiest(easiest)
        return sum(math.ceil(len(members) / size) for members in groups)

    def _easiest(self, share: float) -> list[list[Batch]]:
        """Return of each group the share whose mean gradient is smallest at the initial point, in their order."""
        chosen = []
        for members, sizes in zip(self.groups, self._initial_gradients, strict=True):
            count = math.ceil(share * len(members))
            chosen.append([members[k] for k in sorted(np.argsort(sizes, kind="stable")[:count])])
        return chosen

    @cached_property
    def _initial_gradients(self) -> list[list[float]]:
        """The norm of the mean gradient of every problem at its initial point, of each group."""
        return [
            [float(b.problem.average(b.problem.local_gradient(b.x0)).norm()) for b in members]
            for members in self.groups
        ]

    def _with_faults(self, batch: Batch, random: np.random.Generator) -> Batch:
        """Return a batch whose network has one of the faults of the mixture, drawn at random."""
        if not self._faults:
            return batch
        faults = Faults.parse(self._faults[random.integers(len(self._faults))])
        faults = dataclasses.replace(faults, seed=int(random.integers(2**31)))
        return dataclasses.replace(batch, network=batch.network.with_faults(faults))

    def some(self, count: int) -> list[Batch]:
        """Return about ``count`` problems, of each group its share, in batches."""
        every = max(1, sum(len(members) for members in self.groups) // count)
        batches = []
        for members in self.groups:
            chosen = members[::every]
            batches += [Batch.join(chosen[k : k + _SIDE_BY_SIDE]) for k in range(0, len(chosen), _SIDE_BY_SIDE)]
        return batches


@dataclass(frozen=True)
class _Source:
    """What a training problem is drawn from.

    Attributes:
        dataset: samples the losses.
        topology: the spec of the graph.
        nodes: its size.
        mixing: the name of the mixing weights.
        seed: of the first draw; later ones have the numbers after it.
    """

    dataset: plugins.Plugin
    topology: str
    nodes: int | None
    mixing: str
    seed: int

    def draw(self, attempt: int = 0) -> Batch:
        """Return the problem, not yet solved."""
        seed = (self.seed + attempt) % 2**31
        network = build_network(self.topology, self.nodes, seed=seed, mixing=self.mixing)
        unsolved = torch.zeros(1, dtype=torch.float64)
        return Batch(build_problem(self.dataset, network, seed=seed), network, unsolved, unsolved)

    def unless_trivial(self, batch: Batch) -> Batch:
        """Return the first draw, solved, or a later one if its initial point is optimal already.

        Raises:
            InputError: that of all draws is.
        """
        for attempt in range(_DRAWS):
            if attempt:
                (batch,) = _solved([self.draw(attempt)])
            if not bool(starts_optimal(batch.initial_objective, batch.optimum)):
                return batch
        with about(dataset=self.dataset.spec):
            raise InputError(
                f"the initial point is optimal in {_DRAWS} of {_DRAWS} draws on {self.topology},"
                f" {batch.problem.num_nodes} nodes, so there is nothing to learn from; a smaller l1_weight may help"
            )


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
