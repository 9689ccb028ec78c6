"""What the training of an unrolled network is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import tomli_w
import torch
from pydantic import BeforeValidator, Field, PlainValidator

from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o.learned import read_architecture
from gnn_l2o.learned.unrolled import UnrolledArchitecture
from gnn_l2o.learned.unrolled.architecture import BoundArchitecture
from gnn_l2o.training.settings import AsTuple, PositiveInt, settings


@settings("layer stage setting")
class LayerStage:
    """One stage of training a layer.

    Attributes:
        parameters: what is trained: "new", what came in with the layer, or "all", that of all layers up to it.
        lr: learning rate of Adam.
        updates: how many at most.
        patience: updates after which the stage ends if the validation value was not improved on; by default it never
            ends early.
        last_layer_only: whether the layers before the last one go without this stage.
    """

    parameters: Literal["new", "all"]
    lr: Annotated[float, Field(gt=0)]
    updates: PositiveInt
    patience: PositiveInt | None = None
    last_layer_only: bool = False

    @classmethod
    def from_dict(cls, values: Any) -> Any:
        """Return the stage that a table describes; what is no table is returned as it is.

        Raises:
            InputError: a setting is unknown, missing, of the wrong type or out of bounds.
        """
        return cls(**values) if isinstance(values, Mapping) else values


SCALAR_STAGES = (LayerStage("new", 5e-3, 100), LayerStage("all", 1e-3, 50), LayerStage("all", 1e-4, 20))
"""For networks of a few numbers a layer, which tolerate large rates."""
MATRIX_STAGES = (
    LayerStage("new", 2e-3, 50),
    LayerStage("all", 5e-4, 50),
    LayerStage("all", 1e-4, 50),
    LayerStage("all", 1e-4, 150, last_layer_only=True),
    LayerStage("all", 2e-5, 100, last_layer_only=True),
)
"""For networks with matrices."""


def _architecture(value: Any) -> UnrolledArchitecture:
    found = read_architecture(value) if isinstance(value, Mapping) else value
    if not isinstance(found, UnrolledArchitecture):
        raise InputError(f"an unrolled network is trained layer by layer, such as 'alista'; got {value!r:.80}")
    return found


def _stages(settled: dict[str, Any]) -> tuple[LayerStage, ...]:
    return MATRIX_STAGES if isinstance(settled["architecture"], BoundArchitecture) else SCALAR_STAGES


@settings("training setting")
class LayerwiseConfig:
    r"""Everything that decides the outcome of the training of an unrolled network.

    For each layer k in turn, the stages minimize :math:`\tfrac12 \|x^k - x^\star\|^2`, summed over a batch of new
    signals, of that layer's estimates alone (Chen, Liu, Wang, Yin 2018, arXiv:1808.10038).

    Attributes:
        dataset: the dataset, one, such as ``sparse_recovery:features=512,measurements=256``.
        architecture: of the network.
        topology: the topology, one; by default a single node.
        nodes: its size, one.
        mixing: mixing weights.
        layers: "one_by_one", or "together": the stages train the whole network, all layers from the beginning.
        layer_init: how a new layer is initialized: "previous", as the layer before, which is trained by then, or
            "classical", as all layers are before training. LISTA-CPSS takes far fewer updates with the first.
        batch_size: signals in a batch.
        validation_problems: signals by which the best weights are chosen.
        validate_every: updates from one validation to the next.
        clip: bound on the norm of the gradient of an update.
        precision: of the computation, "single" or "double".
        seed: of everything that is drawn.
        stages: of every layer, in their order; those with ``last_layer_only`` of the last one alone.

    Raises:
        InputError: a setting is unknown, missing, of the wrong type or out of bounds.
    """

    dataset: Annotated[tuple[str, ...], AsTuple, Field(min_length=1, max_length=1)]
    architecture: Annotated[UnrolledArchitecture, PlainValidator(_architecture)]
    topology: Annotated[tuple[str, ...], AsTuple, Field(min_length=1, max_length=1)] = ("complete",)
    nodes: Annotated[tuple[PositiveInt, ...], AsTuple, Field(min_length=1, max_length=1)] = (1,)
    mixing: str = "metropolis"
    layers: Literal["one_by_one", "together"] = "one_by_one"
    layer_init: Literal["previous", "classical"] = "previous"
    batch_size: PositiveInt = 64
    validation_problems: PositiveInt = 1024
    validate_every: PositiveInt = 50
    clip: Annotated[float, Field(gt=0, allow_inf_nan=True)] = float("inf")
    precision: Literal["single", "double"] = "single"
    seed: Annotated[int, Field(ge=0, lt=10**18)] = 0
    stages: Annotated[
        tuple[Annotated[LayerStage, BeforeValidator(LayerStage.from_dict)], ...], AsTuple, Field(min_length=1)
    ] = Field(default_factory=_stages)

    @property
    def schedule(self) -> tuple[tuple[int, LayerStage], ...]:
        """The stages of all layers in the order in which they are trained, each with its layer, counted from 0."""
        last = self.architecture.depth - 1
        layers = [last] if self.layers == "together" else range(last + 1)
        return tuple((k, stage) for k in layers for stage in self.stages if k == last or not stage.last_layer_only)

    @property
    def dtype(self) -> torch.dtype:
        """The precision as torch calls it."""
        return torch.float64 if self.precision == "double" else torch.float32

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as a recipe's tables."""
        training = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        architecture, stages = training.pop("architecture").to_dict(), training.pop("stages")
        training = {k: list(v) if isinstance(v, tuple) else v for k, v in training.items()}
        tables = [{k: v for k, v in dataclasses.asdict(stage).items() if v not in (None, False)} for stage in stages]
        return {"architecture": architecture, "training": {**training, "stages": tables}}

    @classmethod
    def from_dict(cls, recipe: Mapping[str, Any]) -> LayerwiseConfig:
        """Return the configuration that a recipe's tables describe.

        Raises:
            InputError: a setting is unknown, missing, of the wrong type or out of bounds.
        """
        for name, table in recipe.items():
            if name not in ("architecture", "training"):
                raise unknown("table of a recipe", name, ("architecture", "training"))
            if not isinstance(table, Mapping):
                raise InputError(f"[{name}] is a table of a recipe, got {name} = {table!r}")
        training = dict(recipe.get("training", {}))
        if "dataset" not in training:
            raise InputError('the recipe has no [training] dataset; expected one, as in dataset = ["sparse_recovery"]')
        return cls(**training, architecture=recipe.get("architecture", {}))

    def to_toml(self) -> str:
        """Return the configuration as the text of a ``recipe.toml``."""
        return tomli_w.dumps(self.to_dict())
