"""Reading results files: their types, and columns that fit together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StrictBool, StrictInt, ValidationError, model_validator

from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o._utils.parse import read_json
from gnn_l2o.evaluation.metrics import MEASURES
from gnn_l2o.evaluation.published import Number, Published
from gnn_l2o.evaluation.record import TOLERANCES, Run, tolerance_key
from gnn_l2o.evaluation.results_file import SCHEMA, upgraded

Reached = dict[str, dict[str, Number] | None]

_COUNTED = ("iterations", "rounds", "vectors", "gradients", "seconds")


class _Case(BaseModel, extra="forbid"):
    dataset: str
    topology: str
    nodes: StrictInt


class _NodeDistances(BaseModel):
    iteration: list[StrictInt]
    distance: list[list[Number | None]]

    @model_validator(mode="after")
    def _rows_fit(self) -> _NodeDistances:
        if len(self.iteration) != len(self.distance) or len({len(row) for row in self.distance}) > 1:
            raise ValueError("node_distances needs a row of one length for each iteration")
        return self


class _Run(BaseModel):
    dataset: str
    topology: str
    nodes: StrictInt
    algorithm: str
    instance: StrictInt
    diverged: StrictBool
    final_gap: Number | None
    final_consensus: Number | None
    step_size: Number | None
    parameters: dict[str, Number]
    seconds: Number
    rounds_per_iteration: StrictInt
    vectors_per_edge_per_iteration: StrictInt
    reached: Reached
    reached_worst: Reached = {}
    trace: dict[str, list[Number | None]]
    setup_rounds: StrictInt | None = None
    setup_numbers: StrictInt | None = None
    weights: dict[str, Number] = {}
    node_distances: _NodeDistances | Annotated[dict[str, Any], Field(max_length=0)] = {}

    @model_validator(mode="after")
    def _columns_fit(self) -> _Run:
        for reached in filter(None, (self.reached, self.reached_worst)):
            missing = [key for key in map(tolerance_key, TOLERANCES) if key not in reached]
            incomplete = [key for key, then in reached.items() if then and not then.keys() >= set(_COUNTED)]
            if missing or incomplete:
                raise ValueError(f"reached lacks {(missing or incomplete)[0]}, or costs there")
        lengths = {len(column) for column in self.trace.values()}
        needed = {"iteration", "gap", "rounds"}
        if not self.reached or len(lengths) != 1 or not min(lengths) or not self.trace.keys() >= needed:
            raise ValueError("the trace needs columns of one length, iteration, gap and rounds among them")
        if None in self.trace["iteration"]:
            raise ValueError("the trace has a checkpoint without its iteration")
        distances = self.node_distances
        if isinstance(distances, _NodeDistances) and not set(distances.iteration) <= set(self.trace["iteration"]):
            raise ValueError("node_distances are at iterations that the trace does not have")
        return self


class _Tuning(BaseModel):
    algorithm: str
    case: _Case
    setting: dict[str, Number]
    trials: list[dict[str, Any]]
    warnings: list[str]


class _Skipped(BaseModel):
    algorithm: str
    case: _Case
    reason: str


class _Redrawn(BaseModel):
    case: _Case
    purpose: str
    instance: StrictInt
    draws: StrictInt


class _Links(BaseModel):
    case: _Case
    links: list[tuple[StrictInt, StrictInt]]


class _Method(BaseModel):
    label: str = ""
    units: dict[str, str] = {}
    local_work: StrictBool = False


class _Metric(BaseModel):
    label: str
    formula: str
    scale: str
    aggregate: Literal["median", "mean"]


class _Settings(BaseModel):
    models: dict[str, str]
    handcrafted: list[str]
    tuned: list[str]
    references: list[str] = []
    limits: list[str] = []
    metrics: list[str] = []
    measure: str = "average"
    iterations: StrictInt
    tuning_tolerance: Number


class _Content(BaseModel):
    command: str
    seed: StrictInt
    settings: _Settings
    methods: dict[str, _Method]
    metrics: dict[str, _Metric]
    versions: dict[str, str]
    tuning: list[_Tuning]
    redrawn: list[_Redrawn]
    sources: dict[str, str]
    skipped: list[_Skipped]
    networks: list[_Links]
    published: list[Published]
    runs: list[_Run]


def read_results(path: Path) -> dict[str, Any]:
    """Return the content of a results file, also of one that releases up to 0.5 wrote, in the words of today.

    Raises:
        InputError: the file cannot be read, or a part of it is missing, of the wrong type, or does not fit the others.
    """
    try:
        content = upgraded(read_json(path))
        if content["schema"] != SCHEMA:
            raise InputError(f"it has schema {content['schema']!r:.80}, and this version reads {SCHEMA}")
        _check(content)
    except (InputError, KeyError, TypeError, AttributeError) as error:
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        raise InputError(f"{path} is not a results file of this project ({reason})") from None
    return content


def _check(content: Mapping[str, Any]) -> None:
    try:
        checked = _Content.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"{place}: {first['msg']}") from None
    if checked.settings.measure not in MEASURES:
        raise unknown("measure", checked.settings.measure, MEASURES)
    known = {field.name for field in dataclasses.fields(Run)}
    strange = next((name for run in content["runs"] for name in run if name not in known), None)
    if strange is not None:
        raise unknown("part of a run:", strange, known)
