"""What a training run is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import tomli_w
import torch
from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator
from torch import nn

from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o.graph.faults import Faults
from gnn_l2o.learned import GRID_SEARCH, Architecture, LocalUpdateArchitecture, read_architecture
from gnn_l2o.learned.architecture import require_memory_for, with_new_names
from gnn_l2o.learned.model import shortest_name
from gnn_l2o.training.curriculum import next_horizon
from gnn_l2o.training.losses import LOSSES
from gnn_l2o.training.presets import DEFAULT_ARCHITECTURE, RENAMED, defaults_for, tables
from gnn_l2o.training.pretrained import load_pretrained, weights_fingerprint
from gnn_l2o.training.settings import AsTuple, PositiveInt, settings
from gnn_l2o.training.stages import Stage

Precision = Literal["single", "double"]


def _architecture(value: Any) -> Architecture[Any]:
    if isinstance(value, Architecture):
        return value
    if isinstance(value, Mapping):
        return read_architecture(value)
    raise InputError(f"architecture is a table of settings, got {value!r}")


def _loss(name: str) -> str:
    LOSSES[name]  # raises an error that names the nearest loss
    return name


def _faults(text: str) -> str:
    Faults.parse(text)  # raises an error that names the nearest fault
    return text


def _default(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda settled: defaults_for(settled["architecture"])[name]


@settings("training setting")
class TrainingConfig:
    """Everything that decides the outcome of a training run; two runs of equal configurations agree.

    A recipe has all but the architecture in its table ``[training]``. The defaults of loss, batch_size, ema, stages and
    validation_iterations depend on the architecture, see :func:`~gnn_l2o.training.presets.defaults_for`.

    Attributes:
        dataset: specs of the datasets, such as ``lasso:features=300,samples=10``; each training problem takes one, one
            topology and one size at random.
        architecture: of the optimizer.
        topology: specs of the topologies, such as ``ring`` or ``erdos_renyi:p=0.3``.
        nodes: sizes of the graphs.
        mixing: mixing weights.
        faults: of links and nodes, such as ``drop=0.1,sleep=0.05``, and an empty text for none; each batch takes one at
            random, while validation has none. By default there are none.
        problems: number of training problems.
        validation_problems: number of problems held out to choose the best weights.
        validation_iterations: number of iterations for which the held-out problems are run.
        batch_size: problems in a batch.
        gradient_samples: number of samples that each node draws for a gradient, by default all; losses take all.
        loss: what is minimized: a loss by its name, or the path of a Python file that defines a
            :class:`~gnn_l2o.training.MetaLoss`.
        init: initialization of the weights, one of the architecture's ``inits``; by default the first of them.
        initial_step_size: step size that the initialization gives, in the architecture's unit; by default the
            architecture's.
        pretrained: model whose weights training begins with, instead of init and initial_step_size, as
            :func:`~gnn_l2o.learned.load_model` takes it; it has the same architecture.
        pretrained_fingerprint: of these weights, so that no others of that name are taken for them; by default any.
        weight_decay: weight decay of Adam.
        clip: bound on the norm of the gradient of an update.
        ema: decay of the exponential moving average of the weights, in [0, 1); validation judges and a model keeps
            that average, with 0 the last weights.
        precision: precision of the computation, "single" or "double"; by default the architecture's.
        seed: seed of everything that is drawn.
        stages: in their order.
        patience: makes the stages a curriculum: each is judged at the iterations of the next one, the last at
            validation_iterations, and ends after so many epochs without improvement; training ends after a stage that
            brought none. By default every stage has all its epochs.
        teacher: method that is imitated, with its parameters, such as ``diffused_adam:step_size=0.01``; the stages say
            how often. By default there is none.
        random_scaling: logarithm by which each variable of a training problem is scaled at most, at random, so that a
            learned local update does not rely on scales. By default there is none.
        jacobian_weight: weight of the squared norm of the gradients at the iterates, averaged over nodes and measured
            iterations, which is added to the loss as in HALO. By default there is none.

    Raises:
        InputError: a setting is unknown, missing, of the wrong type or out of bounds, or contradicts another.
    """

    dataset: Annotated[tuple[str, ...], AsTuple, Field(min_length=1)]
    architecture: Annotated[Architecture[Any], PlainValidator(_architecture)] = DEFAULT_ARCHITECTURE
    topology: Annotated[tuple[str, ...], AsTuple, Field(min_length=1)] = ("ring",)
    nodes: Annotated[tuple[PositiveInt, ...], AsTuple, Field(min_length=1)] = (10,)
    mixing: str = "metropolis"
    faults: Annotated[tuple[Annotated[str, AfterValidator(_faults)], ...], AsTuple, Field(min_length=1)] | None = None
    problems: PositiveInt = 192
    validation_problems: PositiveInt = 48
    validation_iterations: PositiveInt = Field(default_factory=_default("validation_iterations"))
    batch_size: PositiveInt = Field(default_factory=_default("batch_size"))
    gradient_samples: PositiveInt | None = None
    loss: Annotated[str, AfterValidator(_loss)] = Field(default_factory=_default("loss"))
    init: str | None = None
    initial_step_size: float | None = None
    pretrained: str | None = None
    pretrained_fingerprint: str | None = None
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip: Annotated[float, Field(gt=0, allow_inf_nan=True)] = 1.0
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(default_factory=_default("ema"))
    precision: Precision | None = None
    seed: Annotated[int, Field(ge=0, lt=10**18)] = 0
    stages: Annotated[tuple[Annotated[Stage, BeforeValidator(Stage.from_dict)], ...], AsTuple, Field(min_length=1)] = (
        Field(default_factory=_default("stages"))
    )
    patience: PositiveInt | None = None
    teacher: str | None = None
    random_scaling: Annotated[float, Field(gt=0)] | None = None
    jacobian_weight: Annotated[float, Field(gt=0)] | None = None

    def __post_init__(self) -> None:
        architecture, step = self.architecture, self.initial_step_size
        if self.init is not None and self.init not in architecture.inits:
            raise unknown(f"init of a {architecture.name}", self.init, architecture.inits)
        if step is not None:
            if architecture.default_step_size is None:
                raise InputError(f"a {architecture.name} has no initial_step_size, got {step}")
            if self.init == GRID_SEARCH:
                raise InputError(
                    f"init {GRID_SEARCH!r} chooses the step sizes; expected no initial_step_size, got {step}"
                )
            if not 0 < step < architecture.step_size_limit:
                raise InputError(f"initial_step_size lies between 0 and {architecture.step_size_limit}, got {step}")
        for name in ("init", "initial_step_size"):
            if self.pretrained is not None and getattr(self, name) is not None:
                raise InputError(
                    f"training begins either with the model {self.pretrained} or with {name} {getattr(self, name)}; "
                    "leave one out"
                )
        if self.pretrained is None and self.pretrained_fingerprint is not None:
            raise InputError("pretrained_fingerprint is that of the model pretrained, which is not given")
        if self.random_scaling is not None and not isinstance(architecture, LocalUpdateArchitecture):
            raise InputError(f"random_scaling is for kinds such as rnnprop, not for a {architecture.name}")
        if self.teacher is None and any(stage.imitation for stage in self.stages):
            raise InputError("a stage has imitation, but there is no teacher; expected one, as in teacher = 'dapg'")

    def validation_horizon(self, stage: int) -> int:
        """Return for how many iterations the held-out problems are run in a stage; its number begins at 0."""
        if self.patience is None:
            return self.validation_iterations
        return next_horizon([s.iterations for s in self.stages], stage, self.validation_iterations)

    @property
    def dtype(self) -> torch.dtype:
        """The precision as torch calls it."""
        precision = self.precision or defaults_for(self.architecture)["precision"]
        return torch.float64 if precision == "double" else torch.float32

    def build(self) -> nn.Module:
        """Return the weights as they are before training; torch's own stream of random numbers stays where it is.

        Raises:
            InputError: the weights do not fit into memory; or there is no model ``pretrained``, or it has another
                architecture or other weights.
        """
        require_memory_for(self.architecture)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)  # torch.manual_seed would reseed accelerators, too
            weights = self.architecture.build()
            if self.pretrained is None:
                self.architecture.initialize(weights, self.init or self.architecture.inits[0], self.initial_step_size)
            else:
                load_pretrained(weights, self.architecture, self.pretrained, self.pretrained_fingerprint)
        return weights.to(self.dtype)

    def with_initialization_named(self) -> TrainingConfig:
        """Return the configuration with what decides its first weights said in full: the init, or which model's.

        Raises:
            InputError: see :meth:`build`.
        """
        if self.pretrained is None:
            return dataclasses.replace(self, init=self.init or self.architecture.inits[0])
        found = weights_fingerprint(self.build())
        return dataclasses.replace(self, pretrained=shortest_name(self.pretrained), pretrained_fingerprint=found)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as a recipe's tables."""
        training = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        architecture, stages = training.pop("architecture").to_dict(), tables(training.pop("stages"))
        training = {k: list(v) if isinstance(v, tuple) else v for k, v in training.items() if v is not None}
        return {"architecture": architecture, "training": {**training, "stages": stages}}

    @classmethod
    def from_dict(cls, recipe: Mapping[str, Any]) -> TrainingConfig:
        """Return the configuration that a recipe's tables describe; settings of earlier versions are understood.

        Without a table ``[architecture]`` the architecture is :data:`~gnn_l2o.training.presets.DEFAULT_ARCHITECTURE`.

        Raises:
            InputError: a setting is unknown, missing, of the wrong type or out of bounds.
        """
        for name, table in recipe.items():
            if name not in ("architecture", "training"):
                raise unknown("table of a recipe", name, ("architecture", "training"))
            if not isinstance(table, Mapping):
                raise InputError(f"[{name}] is a table of a recipe, got {name} = {table!r}")
        training = with_new_names(recipe.get("training", {}), RENAMED)
        if "architecture" in training:
            raise InputError("architecture is a table of its own in a recipe; expected [architecture]")
        if training.get("init") == "scouted":  # its name before version 0.5
            training["init"] = GRID_SEARCH
        if "dataset" not in training:
            raise InputError('the recipe has no [training] dataset; expected one, as in dataset = ["lasso"]')
        return cls(**training, **{k: v for k, v in recipe.items() if k == "architecture"})

    def to_toml(self) -> str:
        """Return the configuration as the text of a ``recipe.toml``."""
        return tomli_w.dumps(self.to_dict())
