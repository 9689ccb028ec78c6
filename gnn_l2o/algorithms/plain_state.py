"""States of algorithms as plain containers of tensors and numbers, which are saved without pickled code."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

from torch import Tensor

from gnn_l2o._utils.errors import InputError

_VALUES = (Tensor, bool, int, float, str, type(None))


def plain(state: Any) -> Any:
    """Return nested dataclasses and tuples as dictionaries and lists.

    Raises:
        InputError: the state holds something else than dataclasses, tuples, tensors, numbers and texts.
    """
    if isinstance(state, _VALUES):
        return state
    if isinstance(state, tuple):
        return {"class": _name(type(state)), "items": [plain(item) for item in state]}
    if dataclasses.is_dataclass(state) and not isinstance(state, type):
        fields = {f.name: plain(getattr(state, f.name)) for f in dataclasses.fields(state) if f.init}
        return {"class": _name(type(state)), "fields": fields}
    raise InputError(f"a state with a {type(state).__name__} cannot be saved; expected dataclasses, tuples and tensors")


def restored(content: Any) -> Any:
    """Undo :func:`plain`.

    Raises:
        InputError: the content is of a class that is no dataclass or tuple, or is not loaded.
    """
    if isinstance(content, _VALUES):
        return content
    found = _class(content["class"])
    if "fields" in content and dataclasses.is_dataclass(found):
        return found(**{key: restored(value) for key, value in content["fields"].items()})
    if "items" in content and issubclass(found, tuple):
        items = [restored(item) for item in content["items"]]
        return found(items) if found is tuple else found(*items)
    raise InputError(f"a state of class {content['class']} cannot be loaded; expected dataclasses and tuples")


def _name(kind: type) -> str:
    name = f"{kind.__module__}:{kind.__qualname__}"
    _class(name)  # rather now than when it is loaded
    return name


def _class(name: str) -> type:
    module, _, attribute = name.partition(":")
    found = getattr(sys.modules.get(module), attribute, None)  # nothing is imported on the word of a file
    if not isinstance(found, type):
        raise InputError(f"there is no class {attribute} at the top level of {module}; a saved state needs it there")
    return found
