"""The folder in which results that take long to compute are cached."""

import os
from pathlib import Path

import platformdirs

VARIABLE = "GNN_L2O_CACHE"


def cache_folder() -> Path:
    """Return the folder of cached results: ``$GNN_L2O_CACHE``, or ``gnn-l2o`` in the user's cache folder."""
    return Path(os.environ.get(VARIABLE) or platformdirs.user_cache_dir("gnn-l2o", appauthor=False))
