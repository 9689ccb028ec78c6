"""The card that goes with a trained model."""

from __future__ import annotations

import datetime
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gnn_l2o._utils.files import write_text
from gnn_l2o.training.config import TrainingConfig

if TYPE_CHECKING:
    from gnn_l2o.training.trainer import TrainingRun

MEASURED = "## Measured"  # what follows this heading stays when the card is written again


def write_card(run: TrainingRun) -> None:
    """Write ``card.md``: how the model was trained; a section on measurements that is there already stays."""
    config, progress, architecture = run.config, run.progress, run.config.architecture
    parameters = sum(p.numel() for p in run.weights.parameters())
    what = (
        f"A learned decentralized optimizer: {architecture.description} ({parameters:,} weights). {architecture.scope}"
    )
    if config.pretrained is not None:
        what += f" Its training began with the weights of `{config.pretrained}`."
    text = f"""# {run.folder.name}

{textwrap.fill(what, 120)}

## Training

`recipe.toml` holds all settings; the same weights result from

    python train_gnn.py --recipe models/{run.folder.name}/recipe.toml --output models/again

| | |
|---|---|
| problems | {config.problems} of {_named(config.dataset)} |
{_gradients(config)}| graphs | {_named(config.topology)} with {", ".join(map(str, config.nodes))} nodes |
{_faults(config)}{_enhancements(config)}| loss, initialization | {config.loss}, {_initialization(config)} |
| seed | {config.seed} |
| time | {datetime.timedelta(seconds=round(progress.seconds))} on {torch.get_num_threads()} CPU threads |
| updates | {progress.updates}, {progress.rollbacks} rollbacks |
| validation | {progress.best:.4f} ({run.loss.label}, up to iteration {config.validation_iterations}) |

Stages:

{_stages(config)}

![training curve](curve.png)
"""
    save_card(run.folder, text)


def save_card(folder: Path, text: str) -> None:
    """Write ``card.md`` into a folder; a section on measurements that is there already stays."""
    path = folder / "card.md"
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    measured = old[old.index(MEASURED) :] if MEASURED in old else ""
    write_text(path, f"{text}\n{measured}" if measured else text)


def _named(specs: tuple[str, ...]) -> str:
    return ", ".join(f"`{spec}`" for spec in specs)


def _faults(config: TrainingConfig) -> str:
    if config.faults is None:
        return ""
    return f"| faults, one a batch | {', '.join(f'`{faults}`' if faults else 'none' for faults in config.faults)} |\n"


def _gradients(config: TrainingConfig) -> str:
    return "" if config.gradient_samples is None else f"| gradients | of {config.gradient_samples} samples a node |\n"


def _enhancements(config: TrainingConfig) -> str:
    """Return the lines on what a stage does beyond training on its batches."""
    lines = []
    if config.patience is not None:
        lines.append(f"| curriculum | a stage ends after {config.patience} epochs without improvement |\n")
    if config.teacher is not None:
        lines.append(f"| teacher | `{config.teacher}` |\n")
    if config.random_scaling is not None:
        lines.append(f"| scaled variables | by factors between e^-{config.random_scaling:g} and their inverse |\n")
    return "".join(lines)


def _stages(config: TrainingConfig) -> str:
    """Return the table of the stages."""
    header = ["learning rate", "truncation length", "iterations", "epochs"]
    rows = [[f"{s.lr:g}", str(s.truncation_length), str(s.iterations), str(s.epochs)] for s in config.stages]
    if config.teacher is not None:
        header.append("imitation")
        rows = [[*row, f"{s.imitation or 0:g}"] for row, s in zip(rows, config.stages, strict=True)]
    if any(stage.easiest for stage in config.stages):
        header.append("easiest share")
        rows = [[*row, f"{s.easiest or 1:g}"] for row, s in zip(rows, config.stages, strict=True)]
    lines = [header, ["---"] * len(header), *rows]
    table = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([table[0], table[1].replace(" ", ""), *table[2:]])


def _initialization(config: TrainingConfig) -> str:
    if config.pretrained is None:
        return str(config.init)
    return f"`{config.pretrained}` (fingerprint of its weights {config.pretrained_fingerprint})"
