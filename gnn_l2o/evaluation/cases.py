"""The cases of an evaluation: each dataset on each topology of each size, with instances and what applies to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError, about
from gnn_l2o.data.build import build_problem
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.plan import Plan
from gnn_l2o.evaluation.record import Case
from gnn_l2o.evaluation.seeds import DRAWS, Purpose, draws
from gnn_l2o.evaluation.selection import why_not
from gnn_l2o.evaluation.team import ALONE, Team
from gnn_l2o.graph.build import build_network, expand
from gnn_l2o.graph.faults import Faults
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import Problem, Solution, Stochastic
from gnn_l2o.problems.permuted_labels import PermutedLabels

ON_FIXED_GRAPHS, ON_RANDOM_GRAPHS = 3, 5  # instances that settings are tried on, unless the plan says how many


@dataclass(frozen=True)
class PlannedCase:
    """A case of a plan, and how its instances are made.

    Attributes:
        plan: the plan that it is a part of.
        dataset: samples the problems.
        case: the name.
        is_random: whether graphs of different seeds differ.
        team: solves the problems.
        networks: those built so far, by seed.
        solutions: those found so far, by seed. Solutions are small; data is sampled anew more quickly than solved.
        redrawn: how many draws were trivial, by purpose and number of the instance, where any was.
    """

    plan: Plan
    dataset: plugins.Plugin
    case: Case
    is_random: bool
    team: Team
    networks: dict[int, Network] = field(default_factory=dict)
    solutions: dict[int, Solution] = field(default_factory=dict)
    redrawn: dict[tuple[Purpose, int], int] = field(default_factory=dict)

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
            networks = self.networks.values()
            parts = networks if name in self.plan.chosen_limits else map(self.team.part_of_network, networks)
            reasons = [
                why_not(algorithm, problem, network, stochastic=self.plan.batch_size is not None) for network in parts
            ]
            reason = next((r for r in reasons if r is not None), None)
            if reason is not None:
                found[name] = reason
        return found

    def select(self, names: Iterable[str]) -> list[str]:
        """Return the algorithms among these that apply to the case."""
        return [name for name in names if name not in self.left_out]

    def instance(self, number: int) -> Instance:
        """Return an instance to evaluate."""
        return self._draw("evaluation", number)

    def with_faults(self, network: Network, number: int) -> Network:
        """Return the network of an instance as it is in a run, with the faults of the plan."""
        assert isinstance(self.plan.faults, Faults)
        if self.plan.faults == Faults():
            return network
        seed = self.plan.faults.seed + self.seed("evaluation", number)
        return network.with_faults(replace(self.plan.faults, seed=seed))

    def tuning_instances(self) -> list[Instance]:
        """Return the instances to try settings on."""
        if self.plan.tuning == "oracle":
            return [self.instance(k) for k in range(self.plan.instances)]
        return [self._draw("tuning", k) for k in range(self._tuned_on)]

    def stability_instances(self) -> list[Instance]:
        """Return the instances on which a setting has to converge, however fast: as many as it is tried on."""
        return [self._draw("stability", k) for k in range(0 if self.plan.tuning == "oracle" else self._tuned_on)]

    @property
    def _tuned_on(self) -> int:
        if self.plan.tuning_instances is not None:
            return self.plan.tuning_instances
        return ON_RANDOM_GRAPHS if self.is_random else ON_FIXED_GRAPHS

    def seed(self, purpose: Purpose, number: int) -> int:
        """Return the first seed that an instance is drawn with."""
        return next(draws(purpose, self.plan.seed, self.case, number))

    def network(self, seed: int) -> Network:
        """Return the network of a seed; graphs that do not depend on it are built once."""
        seed = seed if self.is_random else 0
        if seed not in self.networks:
            _, topology, nodes = self.case
            with about(topology=topology, nodes=nodes):
                self.networks[seed] = build_network(topology, nodes, seed=seed, mixing=self.plan.mixing)
        return self.networks[seed]

    def build_networks(self) -> None:
        """Build the networks of all instances that are evaluated and tuned on, as far as they are not redrawn."""
        purposes: list[tuple[Purpose, int]] = [("evaluation", self.plan.instances)]
        if self.plan.chosen_methods and self.plan.tuning == "held_out":
            purposes += [("tuning", self._tuned_on), ("stability", self._tuned_on)]
        for purpose, count in purposes:
            for number in range(count):
                self.network(self.seed(purpose, number))

    def _draw(self, purpose: Purpose, number: int) -> Instance:
        """Return an instance whose optimum is not the initial point.

        Raises:
            InputError: all draws have their optimum there.
        """
        for attempt, seed in enumerate(draws(purpose, self.plan.seed, self.case, number)):
            instance = self._make(seed)
            if not instance.is_trivial:
                if attempt:
                    self.redrawn[purpose, number] = attempt
                return instance
        with about(dataset=self.case.dataset):
            raise InputError(
                f"the initial point is optimal in {DRAWS} of {DRAWS} draws on {self.case.topology}, {self.case.nodes} "
                "nodes, so there is nothing to minimize; a smaller l1_weight may help"
            )

    def _make(self, seed: int) -> Instance:
        network = self.network(seed)
        with about(dataset=self.case.dataset):
            problem = build_problem(self.dataset, network, seed=seed)
            if self.plan.measure == "worst" and problem.lower_bound() is not None:
                with about(measure=self.plan.measure):
                    raise InputError("the minimum is unknown; expected measure 'average'")
            if seed not in self.solutions:
                self.solutions[seed] = self.team.solve(problem)
            if self.plan.batch_size is not None:
                problem = self._mini_batches(problem, self.plan.batch_size, seed)
        return Instance(problem, network, self.solutions[seed].x, self.solutions[seed].value)

    def _mini_batches(self, problem: Problem, batch_size: int, seed: int) -> Stochastic:
        """Return a problem with gradients from mini-batches, whose labels may change."""
        with about(batch_size=batch_size):
            fixed = Stochastic(problem, batch_size=batch_size, seed=seed)
        if (every := self.plan.permute_labels) is None:
            return fixed
        with about(permute_labels=every):
            return PermutedLabels(problem, batch_size=batch_size, seed=seed, every=every)


def plan_cases(plan: Plan, team: Team = ALONE) -> list[PlannedCase]:
    """Return the cases of a plan, after building all networks and having the team solve a problem of each case.

    Raises:
        InputError: a topology or dataset cannot be had, or no algorithm applies to any case.
    """
    _check_stream(plan)
    datasets = {}
    for spec in plan.datasets:
        with about(dataset=spec):
            datasets[spec] = plugins.load("dataset", spec)
    pairs = []
    for topology in plan.topologies:
        with about(topology=topology):
            pairs += expand([topology], plan.nodes)
    random = {pair: _is_random(*pair) for pair in pairs}
    cases = [
        PlannedCase(plan, dataset, Case(spec, *pair), random[pair], team)
        for spec, dataset in datasets.items()
        for pair in pairs
    ]
    for case in cases:
        case.build_networks()
    reasons = [case.left_out[name] for case in cases for name in plan.competitors if name in case.left_out]
    if len(reasons) == len(cases) * len(plan.competitors):
        raise InputError(f"nothing to evaluate: {'; '.join(dict.fromkeys(reasons))}")
    return cases


def _check_stream(plan: Plan) -> None:
    """Check that labels which change are drawn in mini-batches, and that nothing is to be tuned on them.

    Raises:
        InputError: there are no mini-batches, or a method is tuned, which on a stream has no criterion.
    """
    if plan.permute_labels is None:
        return
    with about(permute_labels=plan.permute_labels):
        if plan.batch_size is None:
            raise InputError("labels change from mini-batch to mini-batch; expected a batch_size")
        tuned = next((name for name, method in plan.chosen_methods.items() if method.tuned), None)
        if tuned is not None:
            raise InputError(
                f"{tuned} cannot be tuned on labels that change; expected models such as 'NAME:step_size=0.01'"
            )


def _is_random(topology: str, nodes: int) -> bool:
    """Tell whether the graphs of five seeds differ."""
    with about(topology=topology, nodes=nodes):
        first, *others = (build_network(topology, nodes, seed=seed).edge_index for seed in range(5))
    return any(not torch.equal(first, other) for other in others)
