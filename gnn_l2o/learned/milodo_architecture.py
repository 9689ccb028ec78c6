"""What MiLoDo's learned optimizer is made of: the ``[architecture]`` of a recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from gnn_l2o._utils.errors import InputError
from gnn_l2o.learned.architecture import GRID_SEARCH, Architecture
from gnn_l2o.learned.milodo import MiLoDo
from gnn_l2o.learned.schedule import RecomputeSchedule, chebyshev_step_factors
from gnn_l2o.nn.edge_preconditioner import EdgeWeights, Symmetrize
from gnn_l2o.nn.node_preconditioner import Parametrization
from gnn_l2o.nn.preconditioner import Preconditioner
from gnn_l2o.nn.step_size import max_share


@dataclass(frozen=True)
class MiLoDoArchitecture(Architecture[Preconditioner]):
    """MiLoDo's rule with coefficients from LSTMs that all nodes and edges share.

    Training may begin at ``"averaging"``: constant coefficients with mixing weights near their maximum, where large
    step sizes are stable; ``"grid_search"``: coefficients that depend on graph and problem as the best constants do
    (:mod:`gnn_l2o.training.grid_search`); ``"special"``: exact diffusion, only in the paper's parametrization;
    ``"random"``: drawn weights (E.1). The initial step size is 0.4 of the maximal stable one, with momentum 0.9; in the
    paper's parametrization it is 0.03.

    Attributes:
        parametrization: how the LSTMs' outputs become coefficients: "scale_free" or "paper".
        symmetrize: how the two ends of an edge agree on its dual step size: "even" or "mean".
        hidden_features: width of the LSTMs.
        spectral_gap: whether the LSTMs' inputs include spectrum and size of the graph.
        accelerated: whether the LSTMs emit a momentum.
        restart: whether coordinates that turn back lose their momentum for a step.
        log_features: whether the scale-free LSTMs' inputs are logarithms of what changes.
        skip_connection: whether features of the scale-free LSTMs also go past them through a linear layer.
        edge_weights: whether dual step sizes and mixing weights differ by "edge", or by edge and "coordinate".
        warmup: the number of first iterations that each recompute the coefficients.
        recompute_every: the number of iterations between later recomputations; 0 freezes the coefficients.
        chebyshev_steps: the length of the Chebyshev schedule of frozen step sizes; above 1 only without momentum.
    """

    name = "milodo"
    description = "MiLoDo's rule, equations (22)-(24), with coefficients from LSTMs that all nodes and edges share"
    scope = "It runs on graphs of any size and topology and on problems of any dimension."
    inits = ("averaging", GRID_SEARCH, "special", "random")
    may_be_zero = ("warmup", "recompute_every")
    renamed: ClassVar[Mapping[str, str]] = {
        "cycle": "chebyshev_steps",
        "direct": "skip_connection",
        "edge_gains": "edge_weights",
        "refresh_every": "recompute_every",
    }

    parametrization: Parametrization = "scale_free"
    symmetrize: Symmetrize = "even"
    hidden_features: int = 16
    spectral_gap: bool = True
    accelerated: bool = False
    restart: bool = False
    log_features: bool = True
    skip_connection: bool = True
    edge_weights: EdgeWeights = "coordinate"
    warmup: int = 20
    recompute_every: int = 0
    chebyshev_steps: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.accelerated and self.chebyshev_steps > 1:
            raise InputError(
                "a Chebyshev step-size schedule is for the rule without momentum: "
                f"got chebyshev_steps = {self.chebyshev_steps}; expected 1"
            )

    @property
    def default_step_size(self) -> float:
        if self.parametrization == "paper":
            return 0.03  # He et al. 2024, Table 3, Prox-ED
        return 0.9 if self.accelerated else 0.4

    @property
    def step_size_limit(self) -> float:
        return math.inf if self.parametrization == "paper" else max_share(self.accelerated)

    def build(self) -> Preconditioner:
        return Preconditioner(
            self.hidden_features,
            parametrization=self.parametrization,
            symmetrize=self.symmetrize,
            spectral_gap=self.spectral_gap,
            accelerated=self.accelerated,
            log_features=self.log_features,
            skip_connection=self.skip_connection,
            edge_weights=self.edge_weights,
        )

    def initialize(self, weights: Preconditioner, init: str, step_size: float | None) -> None:
        step_size = self.default_step_size if step_size is None else step_size
        if init == GRID_SEARCH and (self.parametrization == "paper" or not self.skip_connection):
            raise InputError(f"init {GRID_SEARCH!r} needs the scale_free parametrization and skip_connection = true")
        if init == "special":
            weights.emit_exact_diffusion(step_size)
        elif init in ("averaging", GRID_SEARCH):
            weights.emit(step_size, 0.2 / step_size if self.parametrization == "paper" else 0.2, mixing=0.9)

    def algorithm(self, weights: Preconditioner, name: str | None = None) -> MiLoDo:
        return MiLoDo(
            weights,
            RecomputeSchedule(self.warmup, self.recompute_every),
            name=name or self.name,
            restart=self.restart,
            step_factors=chebyshev_step_factors(self.chebyshev_steps),
        )
