"""MiLoDo's rule with matrices for preconditioners."""

from __future__ import annotations

from dataclasses import dataclass

from gnn_l2o.graph.network import Network
from gnn_l2o.learned.architecture import GRID_SEARCH, Architecture
from gnn_l2o.learned.milodo import MiLoDo
from gnn_l2o.learned.schedule import ALWAYS
from gnn_l2o.nn.matrix_preconditioner import MAX_STEP, MatrixPreconditioner
from gnn_l2o.problems import Problem
from gnn_l2o.problems.regularizers import Zero


class MatrixMiLoDo(MiLoDo):
    r"""MiLoDo with :math:`P_i = \mathrm{Diag}(p_i) M_i` in (22), which needs r = 0."""

    def refusal(self, problem: Problem, network: Network) -> str | None:
        if isinstance(problem.regularizer, Zero):
            return super().refusal(problem, network)
        kind = type(problem.regularizer).__name__
        return (
            f"its preconditioners are matrices, in whose metric no prox is known; expected no regularizer, got {kind}"
        )


@dataclass(frozen=True)
class MatrixMiLoDoArchitecture(Architecture[MatrixPreconditioner]):
    """MiLoDo's rule with matrices for preconditioners: for neural networks.

    Training may begin at ``"averaging"``: constant coefficients with steps whose root mean square is by default 0.2 of
    that of the initial parameters, momentum 0.8 and mixing weights near their maximum; ``"grid_search"``: coefficients
    that depend on graph and problem as the best constants do (:mod:`gnn_l2o.training.grid_search`); or ``"random"``:
    drawn weights.

    Attributes:
        hidden_features: width of the LSTMs.
    """

    name = "matrix_milodo"
    description = (
        "MiLoDo's rule, equations (22)-(24), with matrices for preconditioners, inverse roots of past gradients' "
        "products, and coefficients from LSTMs that all nodes, edges and parameter arrays share"
    )
    scope = "It runs on graphs of any size and topology and on problems without a regularizer, networks above all."
    inits = ("averaging", GRID_SEARCH, "random")

    hidden_features: int = 16

    @property
    def default_step_size(self) -> float:
        return 0.2

    @property
    def step_size_limit(self) -> float:
        return MAX_STEP

    def build(self) -> MatrixPreconditioner:
        return MatrixPreconditioner(self.hidden_features)

    def initialize(self, weights: MatrixPreconditioner, init: str, step_size: float | None) -> None:
        if init != "random":
            step_size = self.default_step_size if step_size is None else step_size
            weights.emit(step_size, dual=0.4, mixing=0.95, momentum=0.8)

    def algorithm(self, weights: MatrixPreconditioner, name: str | None = None) -> MatrixMiLoDo:
        # The fallback of the safeguard is proved for diagonal preconditioners only.
        return MatrixMiLoDo(weights, ALWAYS, name=name or self.name, safeguarded=False)
