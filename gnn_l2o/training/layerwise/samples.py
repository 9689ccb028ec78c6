"""The signals that an unrolled network is trained on, judged and tested by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError, about
from gnn_l2o.data.build import build_problem
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.learned.unrolled import Unrolled, UnrolledState
from gnn_l2o.problems import SparseRecovery
from gnn_l2o.problems.sparse_recovery import Measurements
from gnn_l2o.training.layerwise.config import LayerwiseConfig

Purpose = Literal["validation", "training", "test"]
_STREAM = {"validation": 2, "training": 3, "test": 4}


@dataclass(frozen=True, eq=False)
class Samples:
    """Signals side by side, measured at the nodes of copies of one graph.

    Attributes:
        given: the measurements.
        target: ``(S, n)``, the signals.
        network: S copies of the graph.
    """

    given: Measurements
    target: Tensor
    network: Network

    def begin(self, network: Unrolled) -> UnrolledState:
        """Return the state of a network before its first layer."""
        nodes = self.network.num_nodes
        return network.first_state(self.given, self.network, self.target.new_zeros(nodes, self.target.size(1)))

    def advance(self, network: Unrolled, state: UnrolledState, layers: int) -> UnrolledState:
        """Return the state after so many layers more."""
        for _ in range(layers):
            state = network.next_state(self.given, self.network, state)
        return state

    @property
    def targets_at_nodes(self) -> Tensor:
        """The signal that every node estimates, ``(N, n)``."""
        return self.target.repeat_interleave(self.network.num_nodes // len(self.target), dim=0)


class Source:
    """Draws signals for one dictionary over one graph.

    Args:
        config: its ``dataset``, ``topology``, ``nodes``, ``mixing``, ``seed`` and ``dtype``.
        device: where to compute.

    Raises:
        InputError: the topology or the dataset cannot be had, or the dataset is none of sparse signals.
    """

    def __init__(self, config: LayerwiseConfig, device: torch.device | str) -> None:
        (dataset,), (topology,), (nodes,) = config.dataset, config.topology, config.nodes
        with about(topology=topology, nodes=nodes):
            graph = build_network(topology, nodes, seed=config.seed, mixing=config.mixing)
        with about(dataset=dataset):
            problem = build_problem(plugins.load("dataset", dataset), graph, seed=config.seed)
            if not isinstance(problem, SparseRecovery):
                raise InputError("an unrolled network is trained on sparse signals; expected 'sparse_recovery'")
        self._seed, self._copies = config.seed, dict[int, Network]()
        self.graph, self.problem = graph.to(device, config.dtype), problem.to(device, config.dtype)

    def draw(self, purpose: Purpose, count: int, *position: int) -> Samples:
        """Draw signals, the same for equal arguments.

        Args:
            purpose: signals for different purposes differ.
            count: S, how many.
            position: where training stands.
        """
        random = np.random.default_rng([self._seed, _STREAM[purpose], *position])
        given, target = self.problem.samples_of(count, random)
        if count not in self._copies:
            self._copies[count] = type(self.graph).concatenate([self.graph] * count)
        return Samples(given, target, self._copies[count])


@torch.no_grad()
def estimates(network: Unrolled, samples: Samples, layers: int) -> Tensor:
    """Return what every node estimates after so many layers, ``(N, n)``."""
    return samples.advance(network, samples.begin(network), layers).x
