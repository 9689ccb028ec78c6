"""The cases of an evaluation: each dataset on each topology of each size, with instances and what applies to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError, about
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.plan import Plan
from gnn_l2o.evaluation.record import Case
from gnn_l2o.evaluation.selection import why_not
from gnn_l2o.graph.build import build_network, expand
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem, Solution, Stochastic, solve


@dataclass(frozen=True)
class PlannedCase:
    """A case of a plan, and how its instances are made.

    Attributes:
        plan: the plan that it is a part of.
        dataset: samples the problems.
        case: the name.
        networks: the network of every seed.
        solutions: those found so far, by seed. Solutions are small; data is sampled anew more quickly than solved.
    """

    plan: Plan
    dataset: plugins.Plugin
    case: Case
    networks: Mapping[int, Network]
    solutions: dict[int, Solution] = field(default_factory=dict)

    @cached_property
    def source(self) -> str:
        """Where the data is from, as the first problem says."""
        return self.instance(0).problem.source

    @cached_property
    def left_out(self) -> dict[str, str]:
        """The algorithms that do not apply to the case, by name, with the reason.

        They are asked for every network with the first problem: the others are of the same kind.
        """
        problem = self.instance(0).problem
        found = {}
        for name, algorithm in self.plan.participants.items():
            reasons = (
                why_not(algorithm, problem, network, stochastic=self.plan.batch_size is not None)
                for network in self.networks.values()
            )
            reason = next((r for r in reasons if r is not None), None)
            if reason is not None:
                found[name] = reason
        return found

    def select(self, names: Iterable[str]) -> list[str]:
        """Return the algorithms among these that apply to the case."""
        return [name for name in names if name not in self.left_out]

    def instance(self, number: int) -> Instance:
        """Return an instance to evaluate."""
        return self._make(self.plan.evaluation_seed(number))

    def tuning_instances(self) -> list[Instance]:
        """Return the instances to try settings on."""
        return [self._make(self.plan.tuning_seed(k)) for k in range(self.plan.tuning_instances)]

    def _make(self, seed: int) -> Instance:
        network = self.networks[seed]
        with about(dataset=self.case.dataset):
            problem = self.dataset(network, seed=seed)
            _check(problem, network)
            if self.plan.measure == "worst" and problem.lower_bound() is not None:
                with about(measure=self.plan.measure):
                    raise InputError("the minimum is unknown; expected measure 'average'")
            if seed not in self.solutions:
                self.solutions[seed] = solve(problem)
            if self.plan.batch_size is not None:
                with about(batch_size=self.plan.batch_size):
                    problem = Stochastic(problem, batch_size=self.plan.batch_size, seed=seed)
        return Instance(problem, network, self.solutions[seed].x, self.solutions[seed].value)


def plan_cases(plan: Plan) -> list[PlannedCase]:
    """Return the cases of a plan, after building all networks and solving a problem of each case.

    Raises:
        InputError: a topology or dataset cannot be had, or no algorithm applies to any case.
    """
    datasets = {}
    for spec in plan.datasets:
        with about(dataset=spec):
            datasets[spec] = plugins.load("dataset", spec)
    networks = _networks(plan)
    cases = [
        PlannedCase(plan, dataset, Case(spec, topology, nodes), graphs)
        for spec, dataset in datasets.items()
        for (topology, nodes), graphs in networks.items()
    ]
    reasons = [reason for case in cases for reason in case.left_out.values()]
    if len(reasons) == len(cases) * len(plan.participants):
        raise InputError(f"nothing to evaluate: {'; '.join(dict.fromkeys(reasons))}")
    return cases


def _networks(plan: Plan) -> dict[tuple[str, int], dict[int, Network]]:
    """Return the networks of all seeds, for each topology and size."""
    pairs = []
    for topology in plan.topologies:
        with about(topology=topology):
            pairs += expand([topology], plan.nodes)
    networks = {}
    for topology, nodes in pairs:
        with about(topology=topology, nodes=nodes):
            networks[topology, nodes] = {
                seed: build_network(topology, nodes, seed=seed, mixing=plan.mixing) for seed in plan.seeds
            }
    return networks


def _check(problem: Problem, network: Network) -> None:
    """Catch what would make every run of a problem meaningless.

    Raises:
        InputError: the problem does not fit the network or its own regularizer, or is not finite.
    """
    if problem.num_nodes != network.num_nodes:
        raise InputError(f"made losses for {problem.num_nodes} nodes; the network has {network.num_nodes}")
    start = problem.prox(problem.initial_point().to(dtype=torch.float64), 1.0)
    if not bool(problem.loss(start).isfinite().all() and problem.gradient(start).isfinite().all()):
        raise InputError("the losses are not finite at the initial point; expected finite data of moderate size")
