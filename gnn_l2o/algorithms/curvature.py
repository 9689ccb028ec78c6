"""The curvature that nodes are taken to have where their own data says nothing of the scale of a problem."""

from __future__ import annotations

import torch
from torch import Tensor

from gnn_l2o.graph.network import Network

FAR_BELOW = 1e-3
"""Up to this part of the largest curvature of its graph, a node's own says nothing of the scale of the problem."""
SHARE = 0.03
"""The part of the largest curvature that such a node is taken to have."""


def added_curvature(curvature: Tensor, network: Network, far_below: float = FAR_BELOW) -> Tensor:
    r"""Return what to add to the curvatures of nodes that have next to none, ``(N, 1)``; 0 at all other nodes.

    .. math::
        \delta_i = \begin{cases}
            0.03 \max_j L_j - L_i & L_i \le \epsilon \max_j L_j \\
            0                         & \text{otherwise}
        \end{cases}

    Step sizes in units of :math:`1 / L_i` and penalties in units of :math:`L_i` are without bound, or zero, at a node
    without data, and so different from those of its neighbours, at a node with little, that they stop each other:
    what agrees on a value over an edge is slow where either end is. With :math:`L_i + \delta_i` the node has units
    near those of the others. It is a smoothness constant of f_i as well, so that all that is proved for step sizes and
    penalties in units of a smoothness constant holds. Where no node has any curvature, :math:`\delta_i` = 1.

    Args:
        curvature: L_i, or another measure of the curvature of f_i, ``(N, 1)``.
        network: tells the largest one of the graph, a fact of the set-up (:attr:`.Algorithm.setup_knowledge`).
        far_below: :math:`\epsilon`; 0 for nodes without any curvature only.
    """
    largest = network.graph_max(curvature)
    missing = torch.where(curvature <= far_below * largest, SHARE * largest - curvature, 0)
    return torch.where(largest > 0, missing, 1)
