"""The names of the real networks that the package topohub holds."""

from __future__ import annotations

from pathlib import Path

from gnn_l2o._utils.optional import optional


def real_networks() -> list[str]:
    """Return the names, sorted: ``"topozoo/Abilene"``.

    Raises:
        InputError: topohub is missing.
    """
    with optional("real"):
        import topohub
    folder = Path(topohub.__file__).parent / "data"
    return sorted(file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.json"))
