"""Command-line flags made of the fields, types, defaults and docstrings of settings."""

from __future__ import annotations

import argparse
import dataclasses
import re
import types
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from gnn_l2o.learned import ARCHITECTURES, Architecture
from gnn_l2o.learned.unrolled import UNROLLED
from gnn_l2o.training.config import TrainingConfig
from gnn_l2o.training.layerwise import LayerwiseConfig
from gnn_l2o.training.presets import DEFAULT_ARCHITECTURE, RENAMED

_ALIASES: Mapping[str, tuple[str, ...]] = {"dataset": ("optimizee",), "nodes": ("agents",)}
"""What the reference code of He et al. 2024 calls a flag."""


def add_training_flags(group: Any, names: Iterable[str]) -> None:
    """Add a flag for each of these settings of :class:`~gnn_l2o.training.TrainingConfig`; not given, it is ``None``.

    Args:
        group: an argparse parser or group of one.
        names: of the settings.
    """
    helps, hints = attribute_docs(TrainingConfig), get_type_hints(TrainingConfig)
    for name in names:
        older = (*_ALIASES.get(name, ()), *(old for old, new in RENAMED.items() if new == name))
        _add(group, name, hints[name], helps[name] + _training_default(name), older)


def add_layerwise_flags(group: Any, names: Iterable[str]) -> None:
    """Add a flag for each of these settings of :class:`~gnn_l2o.training.LayerwiseConfig`; not given, it is ``None``.

    Args:
        group: an argparse parser or group of one.
        names: of the settings.
    """
    helps, hints = attribute_docs(LayerwiseConfig), get_type_hints(LayerwiseConfig)
    defaults = {f.name: f.default for f in dataclasses.fields(LayerwiseConfig)}
    for name in names:
        _add(group, name, hints[name], f"{helps[name]} (default: {defaults[name]})", ())


def _example(architecture: type[Architecture[Any]]) -> Architecture[Any]:
    return DEFAULT_ARCHITECTURE if type(DEFAULT_ARCHITECTURE) is architecture else architecture()


@cache
def _defaults() -> Mapping[str, TrainingConfig]:
    """Return the settings of every kind of architecture where nothing else is said."""
    unrolled = {kind.name for kind in UNROLLED}  # which have training settings of their own
    examples = {kind: _example(ARCHITECTURES[kind]) for kind in ARCHITECTURES if kind not in unrolled}
    return {kind: TrainingConfig(dataset=("lasso",), architecture=example) for kind, example in examples.items()}


def _training_default(name: str) -> str:
    values = {kind: getattr(config, name) for kind, config in _defaults().items()}
    if name == "dataset" or None in values.values():  # it is required, or the help says what happens without it
        return ""
    kinds: dict[Any, list[str]] = defaultdict(list)
    for kind, value in values.items():
        kinds[value].append(kind)
    others = max(kinds, key=lambda value: len(kinds[value]))
    own = [f"{_shown(value)} for {', '.join(where)}" for value, where in kinds.items() if value != others]
    return f" (default: {'; '.join([*own, _shown(others) + ' for all others' * bool(own)])})"


def add_architecture_flags(group: Any, kinds: Mapping[str, type[Architecture[Any]]]) -> None:
    """Add a flag for every setting of the architectures; not given, it is ``None``.

    What an architecture takes from its graph, with the default ``None``, has no flag.

    Args:
        group: an argparse parser or group of one.
        kinds: architectures by their kinds.
    """
    found: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)  # to every setting its kinds, help and default
    hints: dict[str, Any] = {}
    older: dict[str, dict[str, None]] = defaultdict(dict)
    for kind, architecture in kinds.items():
        example = _example(architecture)
        helps, types_ = attribute_docs(architecture), get_type_hints(architecture)
        for field in dataclasses.fields(architecture):
            if field.default is not None:
                hints[field.name] = types_[field.name]
                found[field.name][kind] = helps.get(field.name, ""), _shown(getattr(example, field.name))
        for old, new in architecture.renamed.items():
            older[new][old] = None
    for name, by_kind in found.items():
        help_text = next(iter(by_kind.values()))[0]
        defaults: dict[str, list[str]] = defaultdict(list)
        for kind, (_, default) in by_kind.items():
            defaults[default].append(kind)
        said = [f"{default} for {', '.join(where)}" for default, where in defaults.items()]
        _add(group, name, hints[name], f"{help_text} (default: {'; '.join(said)})", older[name])


def attribute_docs(cls: type) -> dict[str, str]:
    """Return what the section ``Attributes:`` of a class's docstring says of each attribute, as plain text.

    Example:
        >>> attribute_docs(TrainingConfig)["weight_decay"]
        'weight decay of Adam'
    """
    section = re.search(r"^ *Attributes:\n(.*?)(?=^ *\w+:\n|\Z)", cls.__doc__ or "", re.MULTILINE | re.DOTALL)
    items = re.split(r"^ {8}(?=\w)", section.group(1), flags=re.MULTILINE) if section else []
    docs: dict[str, str] = {}
    for item in items:
        names, separator, text = item.partition(":")
        if separator:
            docs |= {name.strip(): _plain(text) for name in names.split(",")}
    return docs


def _plain(text: str) -> str:
    """Return reStructuredText without its roles and quotes, on one line."""
    text = re.sub(r":\w+:`~?\.?([^`]*)`", lambda match: match.group(1).rpartition(".")[2], text)
    return " ".join(text.replace("``", "").split()).removesuffix(".")


def _add(group: Any, name: str, hint: Any, help_text: str, older: Iterable[str]) -> None:
    """Add a flag, and hidden ones under the names that it had before."""
    options: dict[str, Any] = {"default": None, "dest": name}
    hint = _without_none(hint)
    if get_origin(hint) is tuple:
        options["nargs"], hint = "+", get_args(hint)[0]
    if get_origin(hint) is Literal:
        options["choices"] = get_args(hint)
    elif hint is bool:
        options["action"] = argparse.BooleanOptionalAction
    elif hint in (int, float):
        options["type"] = hint
    if "choices" not in options and hint is not bool:
        options["metavar"] = {int: "N", float: "X"}.get(hint, "SPEC" if "nargs" in options else "NAME")
    group.add_argument(f"--{name}", help=help_text.replace("%", "%%"), **options)
    for old in older:
        group.add_argument(f"--{old}", help=argparse.SUPPRESS, **options)


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (types.UnionType, Union):
        return next(part for part in get_args(hint) if part is not types.NoneType)
    return hint


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
