"""Problems, graphs and numbers of local steps to test these with."""

from typing import Any

import numpy as np
import pytest

from gnn_l2o.problems import LeastSquares
from gnn_l2o.problems.regularizers import Zero
from tests.handcrafted.dense import GRAPHS

ON_GRAPHS = pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS.keys())
STEPS = pytest.mark.parametrize("local_steps", [1, 3])


def least_squares(regularizer: Any = None) -> LeastSquares:
    random = np.random.default_rng(3)
    features = random.standard_normal((6, 7, 3)) * np.linspace(0.5, 1.5, 6)[:, None, None]
    return LeastSquares.from_nodes(list(features), list(random.standard_normal((6, 7))), regularizer or Zero())
