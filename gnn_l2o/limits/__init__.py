"""Limits that all methods are shown beside, one file each."""

from typing import Any

from gnn_l2o.limits.amp import AMP
from gnn_l2o.limits.centralized_fista import CentralizedFista
from gnn_l2o.limits.diameter import Diameter
from gnn_l2o.limits.flooding import Flooding
from gnn_l2o.limits.limit import Limit
from gnn_l2o.limits.recovery_fista import RecoveryFista
from gnn_l2o.limits.recovery_ista import RecoveryIsta
from gnn_l2o.limits.tree_cg import TreeCG
from gnn_l2o.limits.tree_fista import TreeFista
from gnn_l2o.limits.tree_newton import TreeNewton

LIMITS: dict[str, Limit[Any]] = {
    limit.name: limit for limit in (Diameter(), Flooding(), CentralizedFista(), TreeFista(), TreeCG(), TreeNewton())
}
"""What is shown beside all methods by default."""

RECOVERY: dict[str, Limit[Any]] = {limit.name: limit for limit in (RecoveryIsta(), RecoveryFista(), AMP())}
"""What is shown beside unrolled networks where it is named: it applies to sparse recovery only."""

__all__ = [
    "AMP",
    "LIMITS",
    "RECOVERY",
    "CentralizedFista",
    "Diameter",
    "Flooding",
    "Limit",
    "RecoveryFista",
    "RecoveryIsta",
    "TreeCG",
    "TreeFista",
    "TreeNewton",
]
