"""What an evaluation is going to do: every argument checked, before anything is computed or written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError, about, unknown
from gnn_l2o._utils.fingerprint import fingerprint
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.evaluation.contestants import refusal
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.record import Cell
from gnn_l2o.graph.build import build_network, expand
from gnn_l2o.graph.mixing import MIXING
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import HANDCRAFTED
from gnn_l2o.problems import Problem, Solution, Stochastic, solve

DTYPES = {"float64": torch.float64, "float32": torch.float32}

# Instance i of seed s has the seed BASE + 1000 s + i. Training draws its seeds below 2^31, so training, evaluation and
# tuning never meet; all stay below 2^32, which numpy's and scikit-learn's generators ask for.
EVALUATION_SEEDS = 2**31
TUNING_SEEDS = 2**31 + 2**30
INSTANCES = 1000
SEEDS = 2**20


@dataclass(frozen=True)
class Plan:
    """Which algorithms run on which problems over which networks.

    Attributes:
        models: the learned optimizers, by name.
        methods: what is tuned for every cell, by name.
        datasets, topologies, nodes, mixing: what the instances are made of, see :func:`~gnn_l2o.evaluate`.
        instances: problems for each cell.
        iterations: of each run.
        seed: of everything.
        dtype: precision of the runs.
        batch_size: samples that a node draws for a gradient; ``None`` for all it has.
        tuning_budget: settings tried for each method.
        tuning_instances: problems they are tried on.
        tuning_tolerance: the gap that they race for.

    Raises:
        InputError: a number is out of its range, or a name unknown.
    """

    models: Mapping[str, Algorithm[Any]]
    methods: Mapping[str, type[Tunable[Any]]]
    datasets: tuple[str, ...]
    topologies: tuple[str, ...]
    nodes: tuple[int, ...]
    instances: int
    iterations: int
    seed: int
    mixing: str
    dtype: str
    batch_size: int | None
    tuning_budget: int
    tuning_instances: int
    tuning_tolerance: float

    def __post_init__(self) -> None:
        limits = {
            "instances": (1, INSTANCES),
            "iterations": (1, None),
            "seed": (0, SEEDS - 1),
            "batch_size": (1, None),
            "tuning_budget": (1, None),
            "tuning_instances": (1, INSTANCES),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if value is not None and (value < low or (high is not None and value > high)):
                upper = "" if high is None else f" and at most {high}"
                with about(**{name: value}):
                    raise InputError(f"expected at least {low}{upper}, got {value}")
        for name, known in (("mixing", MIXING), ("dtype", DTYPES)):
            if getattr(self, name) not in known:
                with about(**{name: getattr(self, name)}):
                    raise unknown(name, getattr(self, name), known)
        if not self.models and not self.methods:
            raise InputError("nothing to evaluate; expected a model or a method")

    @property
    def contestants(self) -> dict[str, Algorithm[Any] | type[Tunable[Any]]]:
        """Return all that run, by name, the methods first."""
        return {**self.methods, **self.models}

    @property
    def settings(self) -> dict[str, Any]:
        """Return all that decides the outcome, as JSON can hold it."""
        values = {
            f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("models", "methods")
        }
        return {
            "models": {name: fingerprint(model)[:16] for name, model in self.models.items()},
            "handcrafted": [name for name in self.methods if name in HANDCRAFTED],
            "tuned": [name for name in self.methods if name not in HANDCRAFTED],
            **{name: list(value) if isinstance(value, tuple) else value for name, value in values.items()},
        }

    def sites(self) -> list[Site]:
        """Return where the algorithms are compared, after building all networks and solving a problem on each kind.

        Raises:
            InputError: a topology or dataset cannot be had, or nothing runs on any of them.
        """
        datasets = {}
        for spec in self.datasets:
            with about(dataset=spec):
                datasets[spec] = plugins.load("dataset", spec)
        networks = self._networks()
        sites = [
            Site(self, dataset, Cell(spec, topology, nodes), graphs)
            for spec, dataset in datasets.items()
            for (topology, nodes), graphs in networks.items()
        ]
        reasons = [reason for site in sites for reason in site.refusals.values()]
        if len(reasons) == len(sites) * len(self.contestants):
            raise InputError(f"nothing to evaluate: {'; '.join(dict.fromkeys(reasons))}")
        return sites

    def _networks(self) -> dict[tuple[str, int], dict[int, Network]]:
        """Return the networks of all seeds, for each topology and size."""
        pairs = []
        for topology in self.topologies:
            with about(topology=topology):
                pairs += expand([topology], self.nodes)
        networks = {}
        for topology, nodes in pairs:
            with about(topology=topology, nodes=nodes):
                networks[topology, nodes] = {
                    seed: build_network(topology, nodes, seed=seed, mixing=self.mixing) for seed in self._seeds()
                }
        return networks

    def evaluation_seed(self, instance: int) -> int:
        """Return the seed of an instance that is evaluated on."""
        return EVALUATION_SEEDS + INSTANCES * self.seed + instance

    def tuning_seed(self, instance: int) -> int:
        """Return the seed of an instance that is tuned on."""
        return TUNING_SEEDS + INSTANCES * self.seed + instance

    def _seeds(self) -> Iterator[int]:
        yield from map(self.evaluation_seed, range(self.instances))
        if self.methods:
            yield from map(self.tuning_seed, range(self.tuning_instances))


@dataclass(frozen=True)
class Site:
    """A cell of an evaluation, and how to make its instances.

    Attributes:
        plan: of which it is a part.
        dataset: samples the problems.
        cell: its name.
        networks: the network of every seed.
        solutions: those found so far, by seed; they are small, and the data is sampled anew more quickly than solved.
    """

    plan: Plan
    dataset: plugins.Plugin
    cell: Cell
    networks: Mapping[int, Network]
    solutions: dict[int, Solution] = field(default_factory=dict)

    @cached_property
    def source(self) -> str:
        """Return where the data is from, as the first problem says."""
        return self.instance(0).problem.source

    @cached_property
    def refusals(self) -> dict[str, str]:
        """Return why algorithms do not apply here, by name.

        They are asked for every network with the first problem: the others are of its kind.
        """
        problem = self.instance(0).problem
        found = {}
        for name, contestant in self.plan.contestants.items():
            reasons = (
                refusal(contestant, problem, network, stochastic=self.plan.batch_size is not None)
                for network in self.networks.values()
            )
            reason = next((r for r in reasons if r is not None), None)
            if reason is not None:
                found[name] = reason
        return found

    def select(self, names: Iterable[str]) -> list[str]:
        """Return those that apply here."""
        return [name for name in names if name not in self.refusals]

    def instance(self, number: int) -> Instance:
        """Return an instance to evaluate on."""
        return self._make(self.plan.evaluation_seed(number))

    def tuning_instances(self) -> list[Instance]:
        """Return the instances to tune on."""
        return [self._make(self.plan.tuning_seed(k)) for k in range(self.plan.tuning_instances)]

    def _make(self, seed: int) -> Instance:
        network = self.networks[seed]
        with about(dataset=self.cell.dataset):
            problem = self.dataset(network, seed=seed)
            _check(problem, network)
            if seed not in self.solutions:
                self.solutions[seed] = solve(problem)
            if self.plan.batch_size is not None:
                with about(batch_size=self.plan.batch_size):
                    problem = Stochastic(problem, batch_size=self.plan.batch_size, seed=seed)
        return Instance(problem, network, self.solutions[seed].x, self.solutions[seed].value)


def _check(problem: Problem, network: Network) -> None:
    """Catch what would make every run of a problem meaningless.

    Raises:
        InputError: it does not fit the network or its own regularizer, or is not finite.
    """
    if problem.num_nodes != network.num_nodes:
        raise InputError(f"made losses for {problem.num_nodes} nodes; the network has {network.num_nodes}")
    start = problem.prox(problem.initial_point().to(dtype=torch.float64), 1.0)
    if not bool(problem.loss(start).isfinite().all() and problem.gradient(start).isfinite().all()):
        raise InputError("the losses are not finite at the start; expected finite data of moderate size")
