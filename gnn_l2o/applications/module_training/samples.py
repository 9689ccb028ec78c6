"""The samples of every node, from arrays, datasets or loaders of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from gnn_l2o._utils.errors import InputError
from gnn_l2o.problems.neural_samples import Samples

NodeSamples = Samples | Dataset[Any] | DataLoader[Any]
"""Features and targets as two arrays, or as a dataset or loader of torch that gives pairs of them."""


def as_shards(shards: Sequence[NodeSamples], seed: int) -> list[Samples]:
    """Return the samples of every node as arrays, see :func:`as_arrays`.

    Raises:
        InputError: ``shards`` is not a list with the samples of each node, or samples are not as expected.
    """
    if isinstance(shards, Dataset | DataLoader | Tensor) or not isinstance(shards, Sequence):
        raise InputError(
            f"expected a list with the samples of each node, got a {type(shards).__name__} "
            "(torch.utils.data.random_split divides a dataset)"
        )
    return [as_arrays(f"node {i}", shard, seed) for i, shard in enumerate(shards)]


def as_arrays(whose: str, samples: NodeSamples, seed: int) -> Samples:
    """Return features and targets, for which a dataset or a loader is read once.

    Args:
        whose: samples they are, for errors.
        samples: the arrays, or what gives them.
        seed: of what a loader or a dataset draws from torch's generator, whose state does not change.

    Raises:
        InputError: a dataset has no length or no samples, or gives something else than pairs of features and a target.
    """
    if isinstance(samples, TensorDataset) and len(samples.tensors) == 2:
        return samples.tensors
    if not isinstance(samples, Dataset | DataLoader):
        return samples
    dataset = samples.dataset if isinstance(samples, DataLoader) else samples
    kind = type(dataset).__name__
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        raise InputError(f"{whose} has a {kind}, which may never end; expected a dataset that has a length")
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            batches = list(samples if isinstance(samples, DataLoader) else DataLoader(samples, batch_size=256))
        pairs = [(features, targets) for features, targets in batches]
        features, targets = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    except (TypeError, ValueError, RuntimeError) as error:  # what torch raises for samples that are no pairs of arrays
        line = " ".join(str(error).split())[:200]
        raise InputError(
            f"expected of the {kind} of {whose} pairs of features and a target, as arrays; {line}"
        ) from error
    return features, targets
