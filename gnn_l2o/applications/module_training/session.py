"""Decentralized training of a module as a loop of one's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import networkx as nx
import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.fingerprint import fingerprint
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.algorithms.plain_state import plain, restored
from gnn_l2o.applications.module_training.mixed_precision import MixedPrecision
from gnn_l2o.applications.module_training.module import device_of, own_module
from gnn_l2o.applications.module_training.optimizer import choose_optimizer, moved
from gnn_l2o.applications.module_training.progress import Progress, measure
from gnn_l2o.applications.module_training.samples import NodeSamples, as_arrays, as_shards
from gnn_l2o.graph.convert import as_network
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import NeuralNetwork, Problem, Stochastic
from gnn_l2o.problems.holders import Holders
from gnn_l2o.problems.network_loss import Criterion
from gnn_l2o.problems.neural_samples import as_pair
from gnn_l2o.problems.regularizer import Regularizer
from gnn_l2o.problems.stochastic import Stream

DTYPE = torch.float32


class ModuleSession:
    """Trains a module on data that nodes hold privately; parameters are exchanged between neighbours only.

    All nodes begin with the same parameters and then have their own, which the optimizer brings together. The session
    is iterated over: every turn of the loop takes one iteration and yields its number, from 1 to ``iterations``. A loop
    that is left early can be taken up again.

    What the losses are of a module with batch normalization, buffers or frozen parameters, and what a module may not
    have, is explained at :class:`~gnn_l2o.problems.NeuralNetwork`. Frozen parameters (``requires_grad=False``) stay as
    they are and are not sent.

    Args:
        module: the module, of which a copy is trained, or a function that returns a new one; called once.
        loss: of outputs ``(k, ...)`` and targets ``(k, ...)``, as ``torch.nn.functional.cross_entropy``.
        shards: of every node its features ``(m_i, ...)`` and targets ``(m_i, ...)``: two arrays, or a dataset or
            DataLoader of torch that gives pairs of them, which is read once, so that random transformations are drawn
            once. How many samples a gradient takes is said by ``batch_size`` alone.
        network: the communication graph, of as many nodes as shards: a :class:`~gnn_l2o.Network`, a graph of networkx,
            or the name of a topology.
        optimizer: the name or path of a trained optimizer, the name of a method or the path of its file, or an
            algorithm.
        parameters: of a method named as optimizer, as its class takes them: ``{"step_size": 0.1}``.
        batch_size: samples that a node draws for a gradient, a node with fewer uses all of its; by default all it has.
        local_steps: how many steps nodes take between two rounds with a trained optimizer of MiLoDo's rule
            (:func:`~gnn_l2o.nn.rule.milodo_step`), each with samples of its own; methods have it among their
            parameters, if they have it.
        iterations: how many communication rounds, or iterations of a method that has several in one.
        seed: of the initial parameters of a new module, of what datasets and loaders draw, and of the mini-batches.
        regularizer: r; by default none, which ``"milodo_mlp"`` requires.
        test: samples to measure the loss and, of classes, the accuracy on; in any of the forms of a shard.
        device: where to compute; by default where the module is.
        autocast: ``torch.bfloat16`` to evaluate module and gradients in mixed precision (:class:`torch.autocast`), for
            which the module must be made of layers that torch can differentiate so; by default all is in float32.
        holders: the processes that hold the other nodes, where the shards are those of this process's nodes
            (:func:`gnn_l2o.distributed.train_module`).

    Attributes:
        iterations: how many there will be.

    Raises:
        InputError: an argument is wrong, or the optimizer cannot run there.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> shards = [(torch.randn(8, 3), torch.randn(8, 1)) for _ in range(4)]
        >>> session = ModuleSession(nn.Linear(3, 1), nn.functional.mse_loss, shards, "ring", iterations=20)
        >>> for iteration in session:
        ...     if session.measure().loss < 0.1:
        ...         break
        >>> trained = session.module()
    """

    def __init__(
        self,
        module: nn.Module | Callable[[], nn.Module],
        loss: Criterion,
        shards: Sequence[NodeSamples],
        network: Network | nx.Graph | str,
        *,
        optimizer: str | Path | Algorithm[Any] = "milodo_mlp",
        parameters: Mapping[str, float] | None = None,
        batch_size: int | None = None,
        local_steps: int = 1,
        iterations: int = 500,
        seed: int = 0,
        regularizer: Regularizer | None = None,
        test: NodeSamples | None = None,
        device: torch.device | str | None = None,
        autocast: torch.dtype | None = None,
        holders: Holders | None = None,
    ) -> None:
        for name, value in (("iterations", iterations), ("local_steps", local_steps)):
            if value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")
        algorithm = choose_optimizer(optimizer, parameters, local_steps)
        arrays = as_shards(shards, seed)
        communication = as_network(network, len(arrays))
        own = own_module(module, seed)
        self._device = device_of(own, device)
        trained = own.cpu() if autocast is None else MixedPrecision(own.cpu(), autocast)
        problem = NeuralNetwork.from_nodes(trained, loss, arrays, regularizer=regularizer, dtype=DTYPE)
        self._problem = dataclasses.replace(problem, holders=holders).to(self._device)
        self._test = None
        if test is not None:
            features, targets = as_pair("the test", as_arrays("the test", test, seed), DTYPE)
            self._test = features.to(self._device), targets.to(self._device)
        self._batch_size, self._seed, self.iterations = batch_size, seed, iterations
        self._driver = self._started(moved(algorithm, self._device, DTYPE), communication.to(self._device, DTYPE))

    @torch.no_grad()
    def _started(self, algorithm: Algorithm[Any], network: Network) -> Driver[Any]:
        problem: Problem = self._problem
        if self._batch_size is not None:
            problem = self._stochastic(self._batch_size)
            largest = self._problem.sizes[1]
            if self._batch_size > largest:
                raise InputError(
                    f"batch_size is {self._batch_size}, but no node has more than {largest} samples; "
                    "leave it out for gradients of all samples"
                )
        refusal = algorithm.refusal(problem, network)
        if refusal is not None:
            raise InputError(refusal)
        if algorithm.depth is not None and self.iterations > algorithm.depth:
            raise InputError(f"{algorithm.name} runs {algorithm.depth} iterations at most, got {self.iterations}")
        return Driver(algorithm, problem, network, self._problem.initial_point())

    def _stochastic(self, batch_size: int) -> Stochastic:
        holders, largest = self._problem.holders, self._problem.sizes[1]
        if holders is None:
            return Stochastic(self._problem, batch_size=batch_size, seed=self._seed)
        # The random numbers are those of all nodes, so that a node draws the same samples wherever it is held.
        stream = Stream(self._seed, holders.num_nodes, int(holders.max(torch.tensor(largest))))
        return Stochastic(self._problem, batch_size=batch_size, seed=(stream,), rows=holders.nodes)

    @property
    def iteration(self) -> int:
        """Iterations taken."""
        return self._driver.iteration

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._device

    @property
    def parameters(self) -> Tensor:
        """Those of every node, ``(N, d)``, in the order of ``named_parameters`` without the frozen ones."""
        return self._driver.state.x

    def __iter__(self) -> Iterator[int]:
        while self.iteration < self.iterations:
            with torch.no_grad():
                self._driver.step()
            yield self.iteration

    def measure(self) -> Progress:
        """Return loss and consensus error of the present parameters, and the scores on test samples."""
        return measure(self._problem, self.parameters, self.iteration, self._test)

    def module(self, parameters: Tensor | None = None) -> nn.Module:
        """Return the module with the average of the nodes' parameters, in evaluation mode.

        Args:
            parameters: of the nodes, ``(N, d)``; by default the present ones.
        """
        x = self.parameters if parameters is None else parameters
        return self._unwrapped(self._problem.model(self._problem.average(x)[0]))

    def node_modules(self, parameters: Tensor | None = None) -> list[nn.Module]:
        """Return the module of every node, in evaluation mode; see :meth:`module`.

        Running statistics of batch normalization are those of the node's own samples.
        """
        x = self.parameters if parameters is None else parameters
        return [self._unwrapped(self._problem.node_model(row, i)) for i, row in enumerate(x)]

    @staticmethod
    def _unwrapped(module: nn.Module) -> nn.Module:
        return module.module if isinstance(module, MixedPrecision) else module

    def state_dict(self) -> dict[str, Any]:
        """Return what :meth:`load_state_dict` needs to go on from here, as containers that ``torch.save`` can write.

        Raises:
            InputError: the state of the optimizer, one of your own, holds something else than dataclasses of tensors.
        """
        return {"run": self._identity, "iteration": self.iteration, "state": plain(self._driver.state)}

    def load_state_dict(self, content: Mapping[str, Any]) -> None:
        """Go on from where another session of the same arguments was, bit for bit; only ``iterations`` may differ.

        Raises:
            InputError: the other session had other arguments, or has taken more iterations than this one will.
        """
        differing = [name for name, value in self._identity.items() if content["run"].get(name) != value]
        if differing:
            raise InputError(
                f"this training was begun with another {' and another '.join(differing)}; "
                "it goes on with what it was begun with"
            )
        taken = content["iteration"]
        if taken > self.iterations:
            raise InputError(f"this training has taken {taken} iterations, got iterations={self.iterations}")
        driver, state = self._driver, restored(content["state"])
        self._driver = Driver.resume(driver.algorithm, driver.problem, driver.network, state, taken)

    @cached_property
    def _identity(self) -> dict[str, str]:
        """Fingerprints of what decides the iterates, the same on every processor."""
        problem, driver = self._problem, self._driver
        decisive = {
            "module or seed": problem.function.network.module,
            "loss": getattr(problem.function.criterion, "__qualname__", type(problem.function.criterion).__qualname__),
            "set of samples": fingerprint(problem.features, problem.targets, problem.count),  # given, not computed
            "network": driver.network,
            "optimizer": driver.algorithm,
            "regularizer": problem.regularizer,
            "batch_size or seed": self._batch_size and (self._batch_size, self._seed),
        }
        return {name: fingerprint(thing, rounded=True) for name, thing in decisive.items()}
