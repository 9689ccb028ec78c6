"""
Your own network and data
=========================

Any connected, undirected networkx graph is a network, and lists of matrices are data. Here a chain of hospitals, each
with a few clinics, fits a sparse linear model without moving a single record.

Run it with ``python examples/own_network.py``.
"""

# %%
# The network: a path of five hospitals, with three clinics at each.

import itertools

import networkx as nx
import numpy as np
import torch

import gnn_l2o
from gnn_l2o.algorithms.driver import run
from gnn_l2o.problems import L1, LeastSquares, solve

graph = nx.path_graph(5)
graph.add_edges_from((hospital, 5 + 3 * hospital + clinic) for hospital in range(5) for clinic in range(3))
network = gnn_l2o.Network.from_networkx(graph)

# %%
# The data: every node has its own matrix and targets, of as many rows as it likes. The l1 norm is shared. Data are
# kept in double precision, networks and models in single precision, until ``to`` converts them.

random = np.random.default_rng(0)
truth = np.where(np.arange(40) < 5, 1.0, 0.0)
features = [random.standard_normal((rows, 40)) for rows in random.integers(5, 15, size=network.num_nodes)]
targets = [a @ truth + 0.1 * random.standard_normal(len(a)) for a in features]
problem = LeastSquares.from_nodes(features, targets, L1(0.05)).to(dtype=torch.float32)

# %%
# The run: ``run`` yields the states after 0, 1, 2, ... iterations, and row i of ``state.x`` is the point of node i. The
# certified minimum is for comparison only; no node knows it.

model = gnn_l2o.load_model("milodo_local")
minimum = float(solve(problem).value)
states = run(model, problem, network, problem.initial_point())
with torch.no_grad():  # in training, one differentiates through the run
    for iteration, state in enumerate(itertools.islice(states, 51)):
        if iteration % 10 == 0:
            worst = float(problem.objective_at_nodes(state.x).max())
            print(f"{iteration:3d} rounds: F at the worst node is {worst - minimum:.1e} above the minimum")

# %%
# The coordinates that the first clinic has found:

print(state.x[5].abs().gt(1e-3).nonzero().flatten().tolist())

# %%
# A file with such a graph, or with a function that draws one, has a name on the command line, too: see "Add a topology"
# under Contributing, and the topology ``from_file``.
