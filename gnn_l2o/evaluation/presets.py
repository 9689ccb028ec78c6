"""Evaluations under a name: the files of ``presets/`` hold flags of the command line."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o._utils.parse import read_toml
from gnn_l2o.evaluation.metrics import BUILT_IN
from gnn_l2o.evaluation.published import Published, read_published
from gnn_l2o.evaluation.selection import choose_metrics

Flags = Mapping[str, Any]


@dataclass(frozen=True)
class PresetRun:
    """One call of the command.

    Attributes:
        name: of the folder for its results, if a preset has several runs.
        flags: values by the names of the flags.
        full: the values that differ at full size.
        published: values that papers report, for figures and reports to show.
    """

    name: str
    flags: Flags
    full: Flags
    published: tuple[Published, ...] = ()

    def arguments(self, *, full: bool = False) -> list[str]:
        """Return the flags as they would be typed."""
        typed = []
        for name, value in {**self.flags, **(self.full if full else {})}.items():
            typed += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
        return typed


@dataclass(frozen=True)
class Preset:
    """The content of a file of ``presets/``.

    Attributes:
        name: of the file, without its ending.
        description: what the evaluations show; the first line is a summary.
        runs: one or several evaluations.
    """

    name: str
    description: str
    runs: tuple[PresetRun, ...]

    @property
    def headline(self) -> str:
        """The first line of the description."""
        return self.description.split("\n")[0]


def available_presets() -> list[str]:
    """Return the names of the presets, sorted."""
    return sorted({file.stem for folder in plugins.folders("preset") for file in folder.glob("*.toml")})


def load_preset(name: str, flags: Collection[str]) -> Preset:
    """Return a preset.

    Args:
        name: of a file in ``presets/``, without its ending, or a path with it.
        flags: the flags that a run may set.

    Raises:
        InputError: there is no such preset, or its file has a wrong key or value.
    """
    path = _find(name)
    content = read_toml(path)
    _check_keys(path, content, ["description", "run"])
    description, tables = content.get("description"), content.get("run")
    if not isinstance(description, str) or not description.strip():
        raise InputError(f'{path} needs a text, description = "..."')
    if not tables or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InputError(f"{path} needs runs, each under a line [[run]]")
    runs = tuple(_read_run(path, table, flags) for table in tables)
    if len({run.name for run in runs}) < len(runs):
        raise InputError(f"{path} has two runs of the same name; expected different ones")
    return Preset(path.stem, description.strip(), runs)


def _find(name: str) -> Path:
    if name.endswith(".toml"):
        return Path(name)
    for folder in plugins.folders("preset"):
        if (folder / f"{name}.toml").is_file():
            return folder / f"{name}.toml"
    raise unknown("preset", name, available_presets())


def _read_run(path: Path, table: dict[str, Any], flags: Collection[str]) -> PresetRun:
    values = dict(table)
    name, full = values.pop("name", None), values.pop("full", {})
    published = values.pop("published", None)
    if not isinstance(name, str) or not name or "/" in name:
        raise InputError(f'every [[run]] of {path} needs a name for its folder, name = "..."')
    if not isinstance(full, dict):
        raise InputError(f"full in {path} must be a table, as in full = {{ iterations = 100000 }}")
    for part in (values, full):
        _check_keys(path, part, flags)
        for key, value in part.items():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, bool) or not isinstance(item, str | int | float):
                    raise InputError(f"{key} in {path} must be a text, a number or a list of them, got {value!r}")
    return PresetRun(name, values, full, () if published is None else _published(path, published, values, full))


def _published(path: Path, tables: object, values: Flags, full: Flags) -> tuple[Published, ...]:
    """Return published values, which belong to what the run measures at either size."""

    def given(key: str, default: Sequence[Any]) -> list[Any]:
        parts = (part.get(key, []) for part in ({key: default, **values}, full))
        return list(dict.fromkeys(v for part in parts for v in (part if isinstance(part, list | tuple) else [part])))

    metrics = list(choose_metrics(given("metrics", BUILT_IN)))
    return read_published(path, tables, metrics=metrics, datasets=given("dataset", ()), nodes=given("nodes", ()))


def _check_keys(path: Path, table: Mapping[str, Any], known: Collection[str]) -> None:
    for key in table:
        if key not in known:
            raise unknown(f"key in {path}:", key, known)
