"""Decentralized training of a module of one's own, in a few lines."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import ALIASES
from gnn_l2o.learned import load_model
from gnn_l2o.learned.milodo import MiLoDo
from gnn_l2o.problems import NeuralNetwork, Problem, Stochastic
from gnn_l2o.problems.network_loss import Criterion
from gnn_l2o.problems.neural import Samples
from gnn_l2o.problems.neural_module import initialized
from gnn_l2o.problems.regularizers import Regularizer

DTYPE = torch.float32


@dataclass(frozen=True)
class Progress:
    r"""A measurement during training.

    Attributes:
        iteration: k.
        loss: :math:`F(\bar x^k)`, on all samples of all nodes, :math:`\bar x` the average of the nodes' parameters.
        consensus: :math:`\|X^k - \mathbf 1 \bar x^\top\|_F / (\sqrt N \|\bar x\|)`.
        accuracy: that of the average on the test samples, if there are any.
    """

    iteration: int
    loss: float
    consensus: float
    accuracy: float | None


@dataclass(frozen=True)
class TrainedModule:
    """What :func:`train_module` returns.

    Attributes:
        module: with the average of the nodes' parameters, in evaluation mode.
        parameters: those of every node, ``(N, d)``, in the order of ``module.named_parameters()``.
        history: the measurements, the first before the first iteration.
    """

    module: nn.Module
    parameters: Tensor
    history: list[Progress]


@torch.no_grad()
def train_module(
    make_module: Callable[[], nn.Module],
    loss: Criterion,
    shards: Sequence[Samples],
    network: Network,
    *,
    optimizer: str | Path | Algorithm[Any] = "milodo_mlp",
    parameters: Mapping[str, float] | None = None,
    batch_size: int | None = None,
    local_steps: int = 1,
    iterations: int = 500,
    seed: int = 0,
    regularizer: Regularizer | None = None,
    test: Samples | None = None,
    measure_every: int = 50,
    callback: Callable[[Progress], object] | None = None,
) -> TrainedModule:
    """Train a module on data that nodes hold privately; parameters are exchanged between neighbours only.

    All nodes begin with the same parameters and then have their own, which the optimizer brings together. Losses,
    batch normalization and what a module may not have are explained at :class:`~gnn_l2o.problems.NeuralNetwork`.

    Args:
        make_module: returns the module; called once.
        loss: of outputs ``(k, ...)`` and targets ``(k, ...)``, as ``torch.nn.functional.cross_entropy``.
        shards: of every node its features ``(m_i, ...)`` and targets ``(m_i, ...)``.
        network: the communication graph, as many nodes as shards.
        optimizer: the name or path of a trained optimizer, the name of a method or the path of its file, or an
            algorithm.
        parameters: of a method named as optimizer, as its class takes them: ``{"step_size": 0.1}``.
        batch_size: samples that a node draws for a gradient; by default all it has.
        local_steps: how many steps nodes take between two rounds with a trained optimizer of MiLoDo's rule
            (:func:`~gnn_l2o.nn.rule.milodo_step`), each with samples of its own; methods have it among their
            parameters, if they have it.
        iterations: how many communication rounds, or iterations of a method that has several in one.
        seed: of the initial parameters and the mini-batches.
        regularizer: r; by default none, which ``"milodo_mlp"`` requires.
        test: features ``(T, ...)`` and classes ``(T,)`` to measure the accuracy on.
        measure_every: iterations between measurements; there is one before the first and one after the last too.
        callback: called with every measurement.

    Raises:
        InputError: an argument is wrong, or the optimizer cannot run there.
    """
    if len(shards) != network.num_nodes:
        raise InputError(f"expected a shard for each of the {network.num_nodes} nodes, got {len(shards)}")
    for name, value in (("iterations", iterations), ("measure_every", measure_every), ("local_steps", local_steps)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
    algorithm = _with_local_steps(_algorithm(optimizer, parameters), local_steps)
    module = initialized(make_module, seed)
    full = NeuralNetwork.from_nodes(module, loss, shards, regularizer=regularizer, test=test, dtype=DTYPE)
    problem: Problem = full if batch_size is None else Stochastic(full, batch_size=batch_size, seed=seed)
    network = network.to(dtype=DTYPE)
    _check(algorithm, problem, network, iterations)
    driver = Driver(algorithm, problem, network, full.initial_point())
    history = []
    for standing in driver.halts([*range(0, iterations, measure_every), iterations]):
        history.append(_measure(full, standing.state.x, standing.iteration))
        if callback is not None:
            callback(history[-1])
    x = driver.state.x
    return TrainedModule(full.model(x.mean(dim=0)), x, history)


def _algorithm(optimizer: str | Path | Algorithm[Any], parameters: Mapping[str, float] | None) -> Algorithm[Any]:
    name = ALIASES.get(str(optimizer), str(optimizer))
    is_method = name in METHODS or name.partition("::")[0].endswith(".py")
    if isinstance(optimizer, Algorithm) or not is_method:
        if parameters is not None:
            raise InputError(
                f"parameters are for methods that are named ({', '.join(METHODS.names())}), not for {optimizer}"
            )
        algorithm = optimizer if isinstance(optimizer, Algorithm) else load_model(optimizer)
        return copy.deepcopy(algorithm).to(dtype=DTYPE) if hasattr(algorithm, "to") else algorithm
    method, given = METHODS[name], dict(parameters or {})
    for key in given:
        if key not in method.grid:
            raise unknown(f"parameter of {name}:", key, method.grid)
    missing = [key for key in method.grid if key not in given]
    if missing:
        raise InputError(f"{name} needs the parameters {', '.join(method.grid)}; {', '.join(missing)} missing")
    return method(**given)


def _with_local_steps(algorithm: Algorithm[Any], local_steps: int) -> Algorithm[Any]:
    if local_steps == 1:
        return algorithm
    if isinstance(algorithm, MiLoDo):
        return dataclasses.replace(algorithm, local_steps=local_steps)
    raise InputError(
        f"local_steps is for trained optimizers of MiLoDo's rule, such as milodo_mlp, got {algorithm.name}; methods "
        "with local steps have them among their parameters"
    )


def _check(algorithm: Algorithm[Any], problem: Problem, network: Network, iterations: int) -> None:
    refusal = algorithm.refusal(problem, network)
    if refusal is not None:
        raise InputError(refusal)
    if algorithm.depth is not None and iterations > algorithm.depth:
        raise InputError(f"{algorithm.name} runs {algorithm.depth} iterations at most, got {iterations}")


def _measure(problem: NeuralNetwork, x: Tensor, iteration: int) -> Progress:
    mean = x.mean(dim=0, keepdim=True)
    accuracy = problem.accuracy(mean)
    return Progress(
        iteration=iteration,
        loss=problem.objective(mean).item(),
        consensus=((x - mean).norm() / (len(x) ** 0.5 * mean.norm())).item(),
        accuracy=None if accuracy is None else accuracy.item(),
    )
