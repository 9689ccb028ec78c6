"""The limit of methods that send raw data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnn_l2o.graph.network import Network
from gnn_l2o.limits.arrival import Arrival
from gnn_l2o.limits.flood import flood
from gnn_l2o.problems import FiniteSum, Problem


@dataclass(frozen=True, eq=False)
class Flooding(Arrival):
    r"""Every node sends all data to all others, one sample over every edge a round, and then solves the whole problem.

    Until the last node has all samples, all nodes stay at the initial point; then they have the minimizer. The rounds
    are those of the schedule of :func:`.flood`. No schedule takes fewer than
    :math:`\max_i \lceil \sum_{j \ne i} m_j / \deg i \rceil`, with m_j samples at node j.

    What is sent is raw data, the d features of a sample and its target as a vector and a number, and nothing stays
    private: every node ends with the data of all others, which it must be able to hold and to process. Where a method
    needs more rounds, its use lies in privacy, memory or computation.
    """

    name = "flooding"
    label = "flooding of all data"

    def refusal(self, problem: Problem, network: Network) -> str | None:
        reason = super().refusal(problem, network)
        if reason is None and not isinstance(problem, FiniteSum):
            return f"{self.label}: the losses are not sums over samples, so there is nothing to send"
        return reason

    def vectors(self, problem: Problem, network: Network) -> tuple[int, ...]:
        assert isinstance(problem, FiniteSum)
        sent = flood(network.link_index.t().cpu().numpy(), problem.count.flatten().cpu().numpy())
        # The mean over the edges, as a whole number in every round that is right for the sum up to there.
        total = -(-np.cumsum(sent) // max(1, network.num_edges))
        return tuple(np.diff(total, prepend=0).tolist())
