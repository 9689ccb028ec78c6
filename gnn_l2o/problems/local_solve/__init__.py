"""Local solves: the prox of f_i + r in a diagonal metric, and Newton systems, at all nodes at once.

A :class:`~gnn_l2o.problems.Problem` solves with ``accelerated`` and ``conjugate_gradient``, which need gradients only;
a linear model with ``newton``, whose matrices ``systems`` factors.
"""
