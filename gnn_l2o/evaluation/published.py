"""Values that papers report, which figures and reports show beside what was measured; they take part in nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, FiniteFloat, StrictInt, ValidationError

from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o.evaluation.record import Case

Text = Annotated[str, Field(min_length=1)]
Number = Annotated[FiniteFloat, Field(strict=True)]


class Published(BaseModel, extra="forbid", frozen=True):
    """A value of a metric that a paper reports of an algorithm.

    Attributes:
        label: what the paper calls the algorithm.
        value: of the metric, in its units.
        metric: the name of the metric that the paper measures by.
        iteration: after which the paper measured.
        source: the paper and the figure or table, and whether the value was read off.
        setting: in what the paper's problems differ from those here; may be empty.
        like: the algorithm whose colour the line has, where that one takes part; may be empty.
        datasets: the specs of the cases that it is shown in.
        nodes: the sizes of these.
    """

    label: Text
    value: Number
    metric: Text
    iteration: Annotated[StrictInt, Field(ge=0)]
    source: Text
    setting: str = ""
    like: str = ""
    datasets: list[str]
    nodes: list[StrictInt]

    def belongs_to(self, case: Case) -> bool:
        """Tell whether figures of a case show the value."""
        return case.dataset in self.datasets and case.nodes in self.nodes

    @property
    def conditions(self) -> str:
        """Where in the paper's runs, and on which problems, the value was measured."""
        return f"after {self.iteration:,} iterations{f', {self.setting}' if self.setting else ''}"

    @property
    def caption(self) -> str:
        """What legends say."""
        return f"{self.label}, published: {self.value:g} {self.conditions}"


class _Value(BaseModel, extra="forbid"):
    label: Text
    value: Number
    like: str = ""


class _Table(BaseModel, extra="forbid"):
    """What stands under a line ``[[run.published]]``."""

    source: Text
    metric: Text
    iteration: Annotated[StrictInt, Field(ge=0)]
    setting: str = ""
    dataset: str = ""
    values: Annotated[list[_Value], Field(min_length=1)]


def read_published(
    path: Path, tables: object, *, metrics: Sequence[str], datasets: Sequence[str], nodes: Sequence[int]
) -> tuple[Published, ...]:
    """Return the values that a run of a preset names.

    Args:
        path: of the preset, for errors.
        tables: of a run, each with ``source``, ``metric``, ``iteration`` and ``values``, a list of
            ``{ label, value, like }``, of which ``like`` may be left out; as may ``setting``, and ``dataset``, one of
            those of the run, by default all.
        metrics: those that the run measures.
        datasets: those of the run.
        nodes: its sizes.

    Raises:
        InputError: a key is missing or unknown, or has a wrong value.
    """
    if not isinstance(tables, list):
        raise InputError(f"published in {path} must be tables, each under a line [[run.published]]")
    if not datasets or not nodes:
        raise InputError(f"a run with published values in {path} has to name its dataset and its nodes")
    found: list[Published] = []
    for content in tables:
        table = _checked(path, content)
        if table.metric not in metrics:
            raise unknown(f"metric of published values in {path}, which its run measures:", table.metric, metrics)
        if table.dataset and table.dataset not in datasets:
            raise unknown(f"dataset of published values in {path}, of their run:", table.dataset, datasets)
        shared: dict[str, Any] = table.model_dump(exclude={"dataset", "values"})
        shared |= {"datasets": [table.dataset] if table.dataset else list(datasets), "nodes": list(nodes)}
        found += [Published(**shared, **row.model_dump()) for row in table.values]
    return tuple(found)


def _checked(path: Path, content: object) -> _Table:
    try:
        return _Table.model_validate(content)
    except ValidationError as error:
        # A name that does not exist explains the one that is missing, not the other way round.
        first = min(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
        *place, last = ("published", *first["loc"])
        where = ".".join(map(str, place))
        if first["type"] == "extra_forbidden":
            kind = _Value if "values" in place else _Table
            raise unknown(f"key of {where} in {path}:", str(last), kind.model_fields) from None
        raise InputError(f"{where}.{last} in {path}: {first['msg']}, got {first['input']!r:.80}") from None
