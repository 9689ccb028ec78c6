"""Problems from datasets."""

import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.network import Network
from gnn_l2o.plugins import Plugin
from gnn_l2o.problems import Problem


def build_problem(dataset: Plugin, network: Network, *, seed: int) -> Problem:
    """Return the problem that a dataset draws for a network.

    Args:
        dataset: a plug-in of that kind.
        network: whose nodes hold the data.
        seed: of the draws.

    Raises:
        InputError: the dataset does not allow its parameters or this network; or it returned no problem, one for
            another number of nodes, or one whose losses are not finite.
    """
    problem = dataset(network, seed=seed)
    if not isinstance(problem, Problem):
        raise InputError(f"{dataset.place}: sample() must return a gnn_l2o.problems.Problem, got {problem!r:.80}")
    if problem.num_nodes != network.num_nodes:
        raise InputError(f"made losses for {problem.num_nodes} nodes; the network has {network.num_nodes}")
    start = problem.prox(problem.initial_point().to(dtype=torch.float64), 1.0)
    if not bool(problem.loss(start).isfinite().all() and problem.gradient(start).isfinite().all()):
        raise InputError("the losses are not finite at the initial point; expected finite data of moderate size")
    return problem
