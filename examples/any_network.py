"""
Train once, run on any network
==============================

``milodo_local`` was trained once, on graphs of 5 to 40 nodes and synthetic problems. Here it runs, as it is, on data
and networks that it has not seen: logistic regression on the breast cancer data, spread over a ring, a star, the
backbone of the research network Abilene, and a random graph of 60 nodes.

Run it with ``python examples/any_network.py``; with the name of a file behind it, it saves the figure there.
"""

# %%
# Models, datasets and topologies have names, and perhaps parameters. No weight of the model depends on the number of
# nodes or coordinates. ``evaluate`` draws the problems, solves them to a certified optimum and measures the model's run
# on each; with names of methods in ``algorithms``, it would tune these and run them, too.

import sys

import matplotlib.pyplot as plt

import gnn_l2o

ROUNDS = 200
NETWORKS = [("ring", 10), ("star", 20), ("real:name=topozoo/Abilene", 11), ("erdos_renyi:p=0.1", 60)]

runs = [
    run
    for topology, nodes in NETWORKS
    for run in gnn_l2o.evaluate(
        ["milodo_local"],
        datasets=["breast_cancer"],
        topologies=[topology],
        nodes=[nodes],
        algorithms=[],
        limits=[],
        instances=1,
        iterations=ROUNDS,
    ).runs
]

# %%
# A run knows when it reached which relative optimality gap, and what it had spent by then.

for run in runs:
    if reached := run.reached["1e-04"]:
        print(f"{run.case}: {reached['rounds']} rounds")

# %%
# In a round every node sends one vector to each neighbour. The dotted line is the tolerance of our tables, 1e-4.

figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
for run in runs:
    axes.semilogy(run.trace["rounds"], run.trace["gap"], label=str(run.case))
axes.axhline(1e-4, color="grey", linestyle=":", linewidth=1)
axes.set(xlabel="communication rounds", ylabel="relative optimality gap", xlim=(0, ROUNDS), title="milodo_local")
axes.legend()

if __name__ == "__main__" and len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=150)
