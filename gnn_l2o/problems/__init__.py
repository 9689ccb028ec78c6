"""Decentralized problems: the losses of all nodes at once."""

from gnn_l2o.problems.problem import Problem

__all__ = ["Problem"]
