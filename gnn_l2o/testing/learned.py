"""The contract of learned optimizers."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import networkx as nx
import torch
from torch import nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.graph import Network
from gnn_l2o.learned import GRID_SEARCH, Architecture, load_weights, save_weights
from gnn_l2o.learned.unrolled import UnrolledArchitecture
from gnn_l2o.problems.regularizers import Regularizer, Zero
from gnn_l2o.testing.expect import expect, expect_close
from gnn_l2o.testing.hidden_network import HiddenNetwork
from gnn_l2o.testing.runs import (
    STEPS,
    Problems,
    Wrap,
    check_cost,
    check_dual,
    check_locality,
    check_precision,
    check_purity,
    check_side_by_side,
    initial_points,
    iterates,
    runs_on,
    small_problem,
    small_recovery,
    states,
)

SPREAD = 0.1  # of the noise added to initialized weights, so that no output is constant by its initialization


def check_learned_optimizer(architecture: Architecture[Any], *, network: Wrap = HiddenNetwork) -> None:
    """Check that a learned optimizer keeps the contract of :class:`~gnn_l2o.learned.Architecture`.

    - ``name``, ``description``, ``scope`` and ``inits`` are declared, and settings survive ``to_dict``, ``from_dict``;
    - equal seeds draw equal weights, and the initializations that the settings allow give finite weights;
    - for the algorithm that weights make, all that :func:`.check_method` says of runs: functions, costs, precision,
      problems side by side, information no faster than one edge a counted round;
    - iterates are differentiable in the weights, with finite gradients;
    - weights come back from their file and give the same iterates.

    Whether a trained optimizer converges depends on its weights and is no part of the contract.

    Args:
        architecture: with the settings to check, such as ``MyArchitecture()``.
        network: makes of a Network what the optimizer gets; by default one that hides all that nodes cannot know.

    Raises:
        AssertionError: the contract is violated; the message says how.
    """
    check_settings(architecture)
    ring, star = Network.from_networkx(nx.cycle_graph(6)), Network.from_networkx(nx.star_graph(4))
    make = small_recovery if isinstance(architecture, UnrolledArchitecture) else small_problem
    bound = architecture.bind(make(6, Zero(), 0), ring)
    expect(bound.bind(make(6, Zero(), 0), ring) == bound, f"{bound.name}: binding twice must change nothing more")
    check_weights(bound)
    algorithm = random_algorithm(bound)
    regularizer = _regularizer(algorithm, ring, make)
    problem, steps = make(6, regularizer, 0), min(STEPS, algorithm.depth or STEPS)
    check_purity(algorithm, problem, ring, network)
    check_cost(algorithm, problem, ring, network, steps)
    check_dual(algorithm, states(algorithm, problem, network(ring), initial_points(problem), steps))
    second = ring if bound != architecture else star  # what is bound to a graph runs on no other
    problems = [problem, make(second.num_nodes, regularizer, 1)]
    check_side_by_side(algorithm, [algorithm] * 2, problems, [ring, second])
    check_gradients(bound, problem, ring)
    check_file(bound, problem, ring)
    check_precision(random_algorithm(bound).to(dtype=torch.float32), random_algorithm(bound), problem, ring)
    line = Network.from_networkx(nx.path_graph(10))
    on_line = random_algorithm(architecture.bind(make(10, regularizer, 0), line))
    check_locality(on_line, line, regularizer, network, make)


def check_settings(architecture: Architecture[Any]) -> None:
    """Check what an architecture declares; part of :func:`check_learned_optimizer`."""
    cls = type(architecture)
    for attribute in ("name", "description", "scope"):
        value = getattr(cls, attribute, None)
        expect(isinstance(value, str) and bool(value), f"{cls.__name__}: expected a {attribute}, got {value!r}")
    expect(dataclasses.is_dataclass(cls), f"{cls.__name__}: expected a frozen dataclass")
    inits = getattr(cls, "inits", ())
    named = bool(inits) and all(isinstance(init, str) for init in inits)
    expect(named, f"{architecture.name}: expected inits, a tuple of names such as ('random',), got {inits!r}")
    table = architecture.to_dict()
    kind = table.pop("kind", None)
    expect(kind == architecture.name, f"{architecture.name}: to_dict gives the kind {kind!r}")
    again = cls.from_dict(table)
    expect(again == architecture, f"{architecture.name}: from_dict gives {again} of the settings of {architecture}")


def check_weights(architecture: Architecture[Any]) -> None:
    """Check how weights are drawn and initialized; part of :func:`check_learned_optimizer`."""
    first, second = (_drawn(architecture) for _ in range(2))
    expect(isinstance(first, nn.Module), f"{architecture.name}: build must return an nn.Module, got {type(first)}")
    expect(any(True for _ in first.parameters()), f"{architecture.name}: its weights have no parameters to train")
    same = all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    expect(same, f"{architecture.name}: equal seeds draw different weights")
    for init, weights in _initialized(architecture).items():
        finite = all(bool(p.isfinite().all()) for p in weights.parameters())
        expect(finite, f"{architecture.name}: initialization {init!r} gives weights that are not finite")
    algorithm = architecture.algorithm(first)
    expect(
        algorithm.name == architecture.name,
        f"{architecture.name}: its algorithm must be called like it by default, got {algorithm.name!r}",
    )
    renamed = architecture.algorithm(first, name="mine").name
    expect(renamed == "mine", f"{architecture.name}: an algorithm made with name='mine' is called {renamed!r}")


def check_gradients(architecture: Architecture[Any], problem: Any, network: Network) -> None:
    """Check that iterates can be differentiated in the weights; part of :func:`check_learned_optimizer`."""
    weights = _random_weights(architecture)
    algorithm = architecture.algorithm(weights)
    state = algorithm.init(problem, network, initial_points(problem))
    for _ in range(min(3, algorithm.depth or 3)):
        state = algorithm.step(problem, network, state)
    expect(state.x.requires_grad, f"{architecture.name}: its iterates do not depend on the weights")
    torch.autograd.backward(state.x.square().sum())
    gradients = [p.grad for p in weights.parameters() if p.grad is not None]
    finite = all(bool(g.isfinite().all()) for g in gradients)
    expect(finite, f"{architecture.name}: gradients in the weights are not finite")
    moves = any(bool((g != 0).any()) for g in gradients)
    expect(moves, f"{architecture.name}: all gradients in the weights are zero")


def check_file(architecture: Architecture[Any], problem: Any, network: Network) -> None:
    """Check that weights survive their file; part of :func:`check_learned_optimizer`."""
    weights = _random_weights(architecture).to(torch.float32)
    with tempfile.TemporaryDirectory() as folder:
        save_weights(Path(folder), weights, architecture)
        loaded = architecture.build()
        load_weights(Path(folder) / "weights.safetensors", loaded, architecture)
    found = [architecture.algorithm(w).to(dtype=torch.float64) for w in (weights, loaded)]
    first, second = (iterates(a, problem, network, initial_points(problem), 3)[-1] for a in found)
    expect_close(second, first, 0.0, f"{architecture.name}: x after 3 steps, with weights from a file and before")


def random_algorithm(architecture: Architecture[Any]) -> Any:
    """Return the algorithm of random weights near an initialization, in double precision."""
    return architecture.algorithm(_random_weights(architecture))


def _random_weights(architecture: Architecture[Any]) -> nn.Module:
    generator = torch.Generator().manual_seed(2)
    weights = next(iter(_initialized(architecture).values())).to(torch.float64)
    with torch.no_grad():
        for parameter in weights.parameters():
            parameter.add_(SPREAD * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return weights


def _initialized(architecture: Architecture[Any]) -> dict[str, nn.Module]:
    """Return weights by their initialization, for all that these settings allow."""
    found = {}
    for init in architecture.inits:
        weights = _drawn(architecture)
        if init != GRID_SEARCH:  # which training does
            try:
                architecture.initialize(weights, init, architecture.default_step_size)
            except InputError:
                continue
        found[init] = weights
    expect(bool(found), f"{architecture.name}: refuses all of its initializations {architecture.inits}")
    return found


def _drawn(architecture: Architecture[Any]) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return architecture.build()


def _regularizer(algorithm: Algorithm[Any], network: Network, problems: Problems) -> Regularizer:
    found = runs_on(algorithm, network, problems)
    expect(
        found is not None,
        f"{algorithm.name}: refuses least squares over a ring of 6 nodes, with l1 regularizer and without",
    )
    assert found is not None
    return found
