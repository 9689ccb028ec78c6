"""The loop over iterations, which exists once: tuning, evaluation, training and applications all run through it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, Self

from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm, Cost, SetupCost, State, spent
from gnn_l2o.algorithms.standing import Standing
from gnn_l2o.algorithms.stopping import StoppingRule
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem

Measure = Callable[[Tensor], Mapping[str, Tensor]]
"""Measures iterates ``(N, d)``: to every measure's name its values, ``(B,)``."""


class Driver(Generic[State]):
    """Runs one algorithm on one problem over one network, and counts what it costs.

    Where the problem's gradients are stochastic, iteration k sees draw k (:meth:`.Problem.draw`).

    Args:
        algorithm: what runs.
        problem: what it minimizes; nobody else uses this object and the network's while the run goes on.
        network: over which.
        x0: ``(N, d)``, where it starts.

    Attributes:
        state: the present state.
        iteration: steps taken.
        cost: see :class:`Standing`.
        seconds: see :class:`Standing`.
        told: what neighbours told each other in :meth:`.Algorithm.init`.
    """

    def __init__(self, algorithm: Algorithm[State], problem: Problem, network: Network, x0: Tensor) -> None:
        before, told = spent(problem, network), _setup(network)
        self._set(algorithm, problem, network, algorithm.init(problem.draw(0), network, x0), iteration=0)
        self.cost = spent(problem, network) - before
        now = _setup(network)
        self.told = SetupCost(now.rounds - told.rounds, now.numbers - told.numbers)

    @classmethod
    def resume(
        cls,
        algorithm: Algorithm[State],
        problem: Problem,
        network: Network,
        state: State,
        iteration: int,
        *,
        cost: Cost = Cost(),  # noqa: B008  # frozen
        seconds: float = 0.0,
        told: SetupCost = SetupCost(),  # noqa: B008  # immutable
    ) -> Self:
        """Return a driver that goes on from a state after ``iteration`` steps.

        Args:
            algorithm: as of the driver before, as the next two.
            problem: what it minimizes.
            network: over which.
            state: its state.
            iteration: steps taken.
            cost: of the steps so far, which the driver goes on to count; likewise ``seconds`` and ``told``.
            seconds: that they took.
            told: what neighbours told each other before the first.
        """
        driver = cls.__new__(cls)
        driver._set(algorithm, problem, network, state, iteration)
        driver.cost, driver.seconds, driver.told = cost, seconds, told
        return driver

    def _set(
        self, algorithm: Algorithm[State], problem: Problem, network: Network, state: State, iteration: int
    ) -> None:
        self.algorithm, self.problem, self.network = algorithm, problem, network
        self.state, self.iteration = state, iteration
        self.cost, self.seconds, self.told = Cost(), 0.0, SetupCost()

    @property
    def setup(self) -> SetupCost:
        """What nodes exchange before the first iteration.

        These are the exchanges that the network counted as such in :meth:`.Algorithm.init`, and the flooding of the
        facts about the whole graph (:attr:`.Algorithm.flooded`).
        """
        facts = len(self.algorithm.flooded)
        rounds = int(self.network.diameter.max()) if facts else 0
        return SetupCost(self.told.rounds + rounds, self.told.numbers + facts * rounds)

    def step(self) -> None:
        """Take one step; neither cost nor seconds are counted."""
        self.iteration += 1
        self.state = self.algorithm.step(self.problem.draw(self.iteration), self.network, self.state)

    def advance(self, iteration: int) -> None:
        """Take steps until so many were taken since the beginning, and count what they cost."""
        before, began = spent(self.problem, self.network), time.perf_counter()
        while self.iteration < iteration:
            self.step()
        self.seconds += time.perf_counter() - began
        self.cost += spent(self.problem, self.network) - before

    def halts(
        self, checkpoints: Iterable[int], *, measure: Measure | None = None, stop: Sequence[StoppingRule] = ()
    ) -> Iterator[Standing]:
        """Advance to each checkpoint in turn, measure there, and yield where the run stands.

        Args:
            checkpoints: numbers of iterations, ascending.
            measure: is given the iterates.
            stop: the run ends at the first checkpoint at which one of these rules holds, after that was yielded.

        Raises:
            InputError: the algorithm returned no state with iterates.
        """
        for checkpoint in checkpoints:
            self.advance(checkpoint)
            measures = {} if measure is None else measure(self.x)
            standing = Standing(self.iteration, self.state, self.cost, self.seconds, measures)
            yield standing
            if any(rule.holds(standing) for rule in stop):
                return

    @property
    def x(self) -> Tensor:
        """The iterates of all nodes, ``(N, d)``.

        Raises:
            InputError: the state of the algorithm has none.
        """
        x, shape = getattr(self.state, "x", None), (self.problem.num_nodes, self.problem.dim)
        if not isinstance(x, Tensor) or x.shape != shape:
            got = f"x of shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"{self.state!r:.80}"
            raise InputError(
                f"{self.algorithm.name}: init() and step() must return a state whose x has the shape {shape}, got {got}"
            )
        return x


def _setup(network: Network) -> SetupCost:
    """Return what the network has counted before first iterations."""
    return SetupCost(network.traffic.setup_rounds, network.traffic.setup_numbers)


def run(algorithm: Algorithm[State], problem: Problem, network: Network, x0: Tensor) -> Iterator[State]:
    """Yield the states after 0, 1, 2, ... steps, for ever; the caller measures, logs and stops."""
    driver = Driver(algorithm, problem, network, x0)
    while True:
        yield driver.state
        driver.step()
