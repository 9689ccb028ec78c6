"""Starting a training run from the weights of a model that is there already."""

from __future__ import annotations

from typing import Any

from torch import nn

from gnn_l2o._utils.errors import InputError, about
from gnn_l2o._utils.fingerprint import fingerprint
from gnn_l2o.learned import Architecture, load_weights, read_architecture
from gnn_l2o.learned.model import WEIGHTS, model_folder, model_recipe


def weights_fingerprint(weights: nn.Module) -> str:
    """Return a hash of the numbers, whatever precision and module they are held in."""
    return fingerprint(dict(weights.state_dict()))


def load_pretrained(
    weights: nn.Module, architecture: Architecture[Any], name: str, expected: str | None = None
) -> None:
    """Fill ``weights`` with those of a model.

    Args:
        weights: of ``architecture``.
        architecture: which must be the model's.
        name: the model, as :func:`~gnn_l2o.learned.load_model` knows it.
        expected: the :func:`weights_fingerprint` that it must have; ``None``: any.

    Raises:
        InputError: there is no such model, or it has another architecture or other weights.
    """
    with about(pretrained=name):
        folder = model_folder(name)
        _check_same(read_architecture(model_recipe(folder).get("architecture", {})), architecture)
        load_weights(folder / WEIGHTS, weights, architecture)
        found = weights_fingerprint(weights)
        if expected not in (None, found):
            raise InputError(
                f"the weights in {folder} have changed since this recipe was written: "
                f"expected pretrained_fingerprint {expected!r}, got {found!r}"
            )


def _check_same(own: Architecture[Any], given: Architecture[Any]) -> None:
    has, wanted = own.to_dict(), given.to_dict()
    # Another kind has other settings: to list them would explain nothing.
    names = ["kind"] if own.name != given.name else [n for n in {**has, **wanted} if has.get(n) != wanted.get(n)]
    if has != wanted:
        differing = ", ".join(f"{name} {has.get(name)!r}, got {wanted.get(name)!r}" for name in names)
        raise InputError(f"a model is trained further with its own architecture: it has {differing}")
