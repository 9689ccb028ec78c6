"""The card that goes with a trained unrolled network."""

from __future__ import annotations

import datetime
import textwrap
from typing import TYPE_CHECKING

import torch

from gnn_l2o.problems.nmse import sample_nmse, set_nmse
from gnn_l2o.training.card import save_card
from gnn_l2o.training.layerwise.samples import estimates

if TYPE_CHECKING:
    from gnn_l2o.training.layerwise.run import LayerwiseRun

TESTED, _AT_ONCE = 8192, 1024
"""Signals that a card reports the accuracy on, none of which was used in training: many, since few of them, for which
the estimate fails, decide the NMSE over the set."""


def write_card(run: LayerwiseRun) -> None:
    """Write ``card.md``: how the network was trained, and its accuracy on new signals in both measures."""
    config, progress, architecture = run.config, run.progress, run.config.architecture
    parameters = sum(p.numel() for p in run.weights.parameters())
    stages = "\n".join(
        f"| {s.parameters}{', last layer alone' * s.last_layer_only} | {s.lr:g} | {s.updates} | {s.patience or '-'} |"
        for s in config.stages
    )
    copied = config.layers == "one_by_one" and config.layer_init == "previous"
    begun = ", each initialized as the one before" * copied
    what = f"An unrolled network: {architecture.description} ({parameters:,} weights). {architecture.scope}"
    over_set, of_samples = accuracy(run)
    graph = "a single node" if config.nodes == (1,) else f"`{config.topology[0]}` with {config.nodes[0]} nodes"
    text = f"""# {run.folder.name}

{textwrap.fill(what, 120)}

## Training

`recipe.toml` holds all settings; the same weights result from

    python train_gnn.py --recipe models/{run.folder.name}/recipe.toml --output models/again

| | |
|---|---|
| signals | new ones in every batch of {config.batch_size}, of `{config.dataset[0]}` |
| graph | {graph} |
| layers | {architecture.depth}, trained {config.layers.replace("_", " ")}{begun} |
| seed | {config.seed} |
| time | {datetime.timedelta(seconds=round(progress.seconds))} on {torch.get_num_threads()} CPU threads |
| updates | {progress.updates} |

Stages of every layer:

| trained | learning rate | updates | patience |
|---|---|---|---|
{stages}

On {TESTED:,} new signals, after the last layer: NMSE over the set {over_set:.1f} dB, mean of the NMSE of the signals
{of_samples:.1f} dB.

![training curve](curve.png)
"""
    save_card(run.folder, text)


def accuracy(run: LayerwiseRun) -> tuple[float, float]:
    """Return the NMSE of the last layer on new signals in dB, over the set and as a mean over the signals."""
    drawn = [run.source.draw("test", _AT_ONCE, part) for part in range(TESTED // _AT_ONCE)]
    found = torch.cat([estimates(run.network, samples, len(run.weights)) for samples in drawn])
    target = torch.cat([samples.targets_at_nodes for samples in drawn])
    return float(set_nmse(found, target)), float(sample_nmse(found, target).mean())
