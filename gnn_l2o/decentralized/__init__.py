"""Ways to run a centralized optimizer over a network, one file each, and the methods that they give."""

from gnn_l2o.decentralized.diffused import Diffused
from gnn_l2o.decentralized.methods import WRAPPED
from gnn_l2o.decentralized.primal_dual import PrimalDual
from gnn_l2o.decentralized.tracked import Tracked
from gnn_l2o.decentralized.wrapper import Wrapper

__all__ = ["WRAPPED", "Diffused", "PrimalDual", "Tracked", "Wrapper"]
