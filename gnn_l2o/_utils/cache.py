"""Where results that take long are kept between runs."""

import os
from pathlib import Path

VARIABLE = "GNN_L2O_CACHE"


def cache_folder() -> Path:
    """Return where results are kept: ``$GNN_L2O_CACHE``, or ``gnn-l2o`` in the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gnn-l2o"
    return Path(os.environ.get(VARIABLE) or default)
