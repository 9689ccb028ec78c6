"""Whether an optimizer and the mixture it is to be trained on go together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError, about
from gnn_l2o._utils.memory import require_memory
from gnn_l2o.data.build import build_problem
from gnn_l2o.graph.build import build_network, expand
from gnn_l2o.graph.network import Network
from gnn_l2o.learned.architecture import require
from gnn_l2o.problems import Problem
from gnn_l2o.training.config import TrainingConfig
from gnn_l2o.training.imitation import teacher_of
from gnn_l2o.training.losses import LOSSES
from gnn_l2o.training.pool import drawn


def fitted(config: TrainingConfig) -> TrainingConfig:
    """Return the configuration with its architecture bound to the graph, if it must be, and its initialization named.

    A problem of every kind is drawn, so that an impossible mixture is refused before anything is written.

    Raises:
        InputError: a dataset or topology is unknown, has other parameters, or does not allow one of the sizes; or the
            optimizer, or its teacher, cannot run on one of the problems, or not for as many iterations; or so many
            problems do not fit into memory; or there is no pretrained model of this name, or it is another one.
    """
    samples = list(_samples(config))
    for name in ("problems", "validation_problems"):
        _check_memory(name, getattr(config, name), samples[0][0])
    architecture = config.architecture.bind(*samples[0])
    config = dataclasses.replace(config, architecture=architecture).with_initialization_named()
    algorithm = architecture.algorithm(config.build())
    for problem, network in samples:
        reason = algorithm.refusal(problem, network)
        if reason is not None:
            raise InputError(f"this mixture does not suit a {architecture.name}: {reason}")
        if not LOSSES[config.loss]().applies(problem):
            raise InputError(f"loss {config.loss!r} does not apply to a {type(problem).__name__}; expected another one")
        if config.teacher is not None:
            with about(teacher=config.teacher):
                require(teacher_of(config.teacher, problem), problem, network)
    max_iterations = max(config.validation_iterations, *(stage.iterations for stage in config.stages))
    if algorithm.depth is not None and max_iterations > algorithm.depth:
        raise InputError(
            f"a {architecture.name} of depth {algorithm.depth} runs no more iterations than that; "
            f"stages or validation_iterations ask for {max_iterations}"
        )
    return config


def _check_memory(name: str, count: int, problem: Problem) -> None:
    """Raise an error if so many problems like this one do not fit into memory."""
    size = sum(value.numel() * value.element_size() for value in vars(problem).values() if torch.is_tensor(value))
    with about(**{name: count}):
        require_memory(f"{count} problems like the first", count * size)


def _samples(config: TrainingConfig) -> Iterator[tuple[Problem, Network]]:
    """Draw a problem of every dataset on a graph of every topology and size."""
    cases = []
    for topology in config.topology:
        with about(topology=topology):
            cases += expand([topology], config.nodes)
    networks = []
    for topology, nodes in cases:
        with about(topology=topology, nodes=nodes):
            # Two seeds, which tell a random topology from one that is always the same.
            networks += [build_network(topology, nodes, seed=seed, mixing=config.mixing) for seed in (0, 1)]
    for spec in config.dataset:
        with about(dataset=spec):
            dataset = plugins.load("dataset", spec)
            for network in networks:
                yield drawn(build_problem(dataset, network, seed=config.seed), config, config.seed), network
