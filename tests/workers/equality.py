"""Compares, in each process, runs over several processes with runs in one, and prints how far they are apart.

Its arguments are graphs with the way to divide each: ``ring:scattered`` or ``star:parts``.
"""

import json
import sys

import torch

from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.distributed import DistributedNetwork, Division, partition, start
from gnn_l2o.graph.build import build_network
from gnn_l2o.learned import available_models, load_model
from gnn_l2o.learned.model import model_folder, model_recipe
from gnn_l2o.problems import Stochastic
from gnn_l2o.problems.regularizers import L1, Zero
from gnn_l2o.testing.runs import small_problem

STEPS = 4
NODES = 9
# Without milodo_local: at a node that received nothing it sees the logarithm of a move that is zero up to rounding.
WITH_FAULTS = {"milodo_gnn", "admm_robust", "dapg", "prox_ed"}
FAULTS = ["drop=0.3,sleep=0.1", "one_way=0.2,delay=0.2,noise=0.01", "drop=0.2,burst=3", "links=3,bits=8,keep=0.5"]


def scattered(network, count):
    """Divide nodes so that hubs and almost every link are cut."""
    return torch.arange(network.num_nodes) % count


CUTS = {"parts": partition, "scattered": scattered}


def algorithms(problem):
    """Every method with two settings in units of the problem, and a released model of every architecture."""
    for name in METHODS.names():
        method = METHODS[name]
        for setting in method.settings(2):
            yield method.from_setting(problem, setting)
    kinds = {str(model_recipe(model_folder(name))["architecture"]): name for name in available_models()}
    for name in kinds.values():
        yield load_model(name).to(dtype=torch.float64)


def counted(network):
    """What was sent over edges; the messages that failed are those of each process."""
    return {name: value for name, value in vars(network.traffic).items() if name != "failed"}


def compare(algorithm, problem, network, part, local, division):
    if getattr(algorithm, "stochastic", False):
        problem = Stochastic(problem, batch_size=2, seed=3)
        part = problem.part(division)
    x0 = torch.randn(NODES, problem.dim, generator=torch.Generator().manual_seed(1)).double()
    whole = Driver(algorithm, problem, network, x0)
    mine, again = (Driver(algorithm, part, each, x0[division.nodes]) for each in (local, local.to()))
    for driver in (whole, mine, again):
        driver.advance(STEPS)
    rows = whole.x[division.nodes]
    return {
        "apart": float((rows - mine.x).abs().max() / whole.x.abs().max().clamp(min=1)),
        "counted": counted(network) == counted(local),
        "repeated": torch.equal(again.x, mine.x),
    }


@torch.no_grad()
def main(graphs):
    results = {}
    processes = start()
    for graph in graphs:
        topology, _, cut = graph.partition(":")
        network = build_network(topology, NODES, seed=0)
        division = Division(processes, CUTS[cut](network, processes.count))
        problems = [small_problem(NODES, r) for r in (L1(0.2), Zero())]
        parts = [problem.part(division) for problem in problems]
        for pair in zip(*map(algorithms, parts), strict=True):
            for algorithm, problem, part in zip(pair, problems, parts, strict=True):
                networks = network.to(), DistributedNetwork.part_of(network, division)
                if algorithm.refusal(part, networks[1]) is None:
                    key = f"{algorithm.name}, {graph}, {part.regularizer}"
                    results[key] = compare(algorithm, problem, networks[0], part, networks[1], division)
                    for faults in FAULTS if algorithm.name in WITH_FAULTS else ():
                        faulty = [each.with_faults(faults) for each in networks]
                        found = compare(algorithm, problem, faulty[0], part, faulty[1], division)
                        results[f"{key} {faults}"] = found
                    break
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1:])
