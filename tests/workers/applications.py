"""Runs applications where each process is a node, and compares with one process that holds all nodes."""

import json
import sys
from pathlib import Path

import networkx as nx
import torch
from torch import nn

import gnn_l2o
from gnn_l2o import distributed
from gnn_l2o.algorithms.stopping import MaxRounds
from gnn_l2o.distributed import start
from gnn_l2o.evaluation import Plan, experiment
from gnn_l2o.problems import L1, LeastSquares


def data(rank):
    generator = torch.Generator().manual_seed(rank)
    features = torch.randn(6 + rank, 5, generator=generator, dtype=torch.float64)
    return features, features @ torch.arange(5.0).double() + torch.randn(6 + rank, generator=generator).double()


def f(x, a, b):
    return 0.5 * (a @ x - b).square().mean()


def minimized(rank, count, folder):
    options = {"regularizer": L1(0.1), "stop": MaxRounds(24)}
    apart = {}
    for optimizer in ("milodo_local", "milodo_gnn", "dapg:momentum=0.5"):
        own = distributed.minimize(f, data(rank), nx.path_graph(count), optimizer=optimizer, **options)
        all_nodes = gnn_l2o.minimize(f, map(data, range(count)), nx.path_graph(count), optimizer=optimizer, **options)
        apart[optimizer] = max(
            float((own.x - all_nodes.x).abs().max()),
            float((own.nodes[0] - all_nodes.nodes[rank]).abs().max()),
            abs(own.fun - all_nodes.fun),
            abs(own.residual - all_nodes.residual),
            float(own.rounds != all_nodes.rounds),
        )
    faults = "drop=0.2,sleep=0.1"
    own = distributed.minimize(f, data(rank), nx.path_graph(count), faults=faults, **options)
    network = gnn_l2o.Network.from_networkx(nx.path_graph(count)).with_faults(faults)
    all_nodes = gnn_l2o.minimize(f, map(data, range(count)), network, **options)
    apart["with faults"] = float((own.nodes[0] - all_nodes.nodes[rank]).abs().max())
    lonely = LeastSquares.from_nodes([data(rank)[0]], [data(rank)[1]], L1(0.1))
    neighbours = [k for k in (rank - 1, rank + 1) if 0 <= k < count]
    halves = [MaxRounds(15), MaxRounds(24)]
    for stop in halves:  # the second goes on from the files of the first
        own = distributed.minimize(lonely, None, neighbours, stop=stop, checkpoints=folder, checkpoint_every=6)
    whole = distributed.minimize(lonely, None, neighbours, stop=halves[-1])
    apart["resumed"] = 0.0 if torch.equal(own.x, whole.x) and own.rounds == whole.rounds else 1.0
    return apart


def trained(rank, count):
    def shard(k):
        features, targets = data(k)
        return features.float(), targets.float().unsqueeze(1)

    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))
    options = {"optimizer": "prox_ed", "parameters": {"step_size": 0.05}, "iterations": 10, "batch_size": 3}
    loss, network = nn.functional.mse_loss, nx.path_graph(count)
    own = distributed.train_module(module, loss, shard(rank), network, **options)
    all_nodes = gnn_l2o.train_module(module, loss, [shard(k) for k in range(count)], network, **options)
    return max(
        float((own.parameters[0] - all_nodes.parameters[rank]).abs().max()),
        abs(own.history[-1].loss - all_nodes.history[-1].loss),
        abs(own.history[-1].consensus - all_nodes.history[-1].consensus),
    )


def without_drawing(results, folder, cases, *, tolerances):
    (folder / "figures").mkdir()


def evaluated(folder):
    experiment.save_figures, experiment.save_page = without_drawing, lambda *_, **__: None
    settings = {
        "datasets": ["lasso:features=12,samples=4"],
        "topologies": ["star"],
        "nodes": [6],
        "algorithms": ["admm", "prox_ed"],
        "models": ["milodo_local"],
        "limits": ["tree_fista"],
        "metrics": ["optimality_gap", "consensus_error", "worst_node_gap"],
        "instances": 2,
        "iterations": 30,
        "tuning_budget": 2,
        "tuning_instances": 1,
    }
    team = distributed.team()
    together = gnn_l2o.evaluate(Plan(**settings), team=team, output=folder, resume=True)
    written = sorted(path.name for path in folder.iterdir()) if team.writes else None
    alone = gnn_l2o.evaluate(Plan(**settings))
    apart = 0.0
    for own, other in zip(together.runs, alone.runs, strict=True):
        same = ("algorithm", "instance", "parameters", "setup_rounds", "setup_numbers", "rounds_per_iteration")
        assert all(getattr(own, name) == getattr(other, name) for name in same), (own, other)
        assert own.trace["rounds"] == other.trace["rounds"]
        assert own.node_distances.keys() == other.node_distances.keys()
        for name in ("gap", "consensus", "worst_node_gap"):
            pairs = zip(own.trace[name], other.trace[name], strict=True)
            apart = max(apart, *(abs(a - b) / max(abs(b), 1e-6) for a, b in pairs))
    return {"apart": apart, "written": written}


def main(folder):
    processes = start()
    rank, count = processes.rank, processes.count
    results = {"minimize": minimized(rank, count, folder), "train_module": trained(rank, count)}
    if count == 2:
        results["evaluate"] = evaluated(Path(folder) / "evaluation")
    print(json.dumps(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
