"""The figures of Open-L2O: learned optimizers at one node, beside methods with tuned steps.

    python benchmarks/open_l2o.py --models rnnprop l2o_dm --problems 256

LASSO: R(k) = mean(F(x_k) - F*) / mean(F*), over all problems, those with x* = 0 included (Open-L2O, figure 6).
Quadratics: mean f(x_k) relative to mean f(x_0), on problems that no optimizer was trained on.
Rastrigin functions: mean f(x_k). Gradient descent and Adam have the step, of a grid, that is best on these problems
themselves at the last iteration that is shown.

    python benchmarks/open_l2o.py --part swarm --models l2o_swarm --problems 256
    python benchmarks/open_l2o.py --part ring --models l2o_dm rnnprop --problems 8
    python benchmarks/open_l2o.py --part games --models twin_l2o --problems 16

Swarm: mean over Rastrigin functions of min_i f(x_i), particles on a graph from points of their own, beside as many
independent runs of gradient descent and Adam from these points, with steps chosen in the same way.
A model that was chosen on some problems is measured on others, by --first_seed.
Ring: medians of the relative optimality gap over a ring of ten nodes after 1,000 iterations, with both wrappers.
Games: medians of the residual relative to that of the start, at the average of the nodes, without and with safeguards,
beside methods with steps chosen in the same way, for each network by the median.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gnn_l2o import plugins
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.decentralized import Diffused
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import GDA, Extragradient, Halpern, OptimisticGDA, ProxDGD
from gnn_l2o.learned import load_model
from gnn_l2o.learned.local_update import WRAPPERS
from gnn_l2o.local_updates import Adam
from gnn_l2o.problems import Problem, solve

FIRST_SEED = 10**6  # of the problems here, where no other is given; training draws its own at random below 2^31
CHECKPOINTS = (16, 100, 1000)
STEPS = np.geomspace(1e-3, 1.0, 13)  # of Adam, in units of x
PARTS = np.geomspace(0.1, 2.0, 9)  # of gradient descent, in units of 1/L
PARTS_OF_GAMES = np.geomspace(0.02, 1.5, 12)  # likewise
GAMES = ("saddle", "rotated_saddle", "seesaw", "matrix_game")
NETWORKS = (("path", 1), ("ring", 10), ("erdos_renyi", 10))
Measure = Callable[[Tensor], float]
Models = dict[str, Any]


def above_optimum(problem: Problem) -> Measure:
    """Return R, the distance from the optimal values relative to these."""
    optimum = solve(problem).value
    return lambda x: float((problem.objective(x) - optimum).mean() / optimum.mean())


def relative(problem: Problem) -> Measure:
    """Return the mean objective relative to that of the initial points."""
    initial = problem.objective(problem.initial_point().double()).mean()
    return lambda x: float(problem.objective(x).mean() / initial)


def absolute(problem: Problem) -> Measure:
    """Return the mean objective."""
    return lambda x: float(problem.objective(x).mean())


KINDS: dict[str, tuple[str, Callable[[Problem], Measure]]] = {
    "LASSO (5, 10)": ("lasso_benchmark:features=10,samples=5", above_optimum),
    "LASSO (25, 50)": ("lasso_benchmark", above_optimum),
    "quadratics (10)": ("quadratic", relative),
    "Rastrigin (2)": ("rastrigin:features=2", absolute),
    "Rastrigin (10)": ("rastrigin:features=10", absolute),
}


def draw(spec: str, seeds: range, topology: str, nodes: int) -> tuple[Problem, Network]:
    """Return problems side by side, and their networks."""
    network, dataset = build_network(topology, nodes), plugins.load("dataset", spec)
    many: list[Any] = [dataset(network, seed=seed) for seed in seeds]
    return type(many[0]).concatenate(many), Network.concatenate([network] * len(seeds))


def run(algorithm: Algorithm[Any], problem: Problem, network: Network, measure: Measure) -> list[float]:
    """Return the measure at every checkpoint."""
    driver = Driver(algorithm, problem, network, problem.initial_point().double())
    return [measure(standing.state.x) for standing in driver.halts(CHECKPOINTS)]


def best(algorithms: Sequence[Algorithm[Any]], problem: Problem, network: Network, measure: Measure) -> list[float]:
    """Return the values of the algorithm that ends lowest."""
    found = [run(algorithm, problem, network, measure) for algorithm in algorithms]
    return min((values for values in found if np.isfinite(values[-1])), key=lambda values: values[-1])


def best_of_each(problem: Problem) -> Measure:
    """Return the mean over the problems of the objective of the best node."""
    return lambda x: float(-problem.maximum(-problem.objective_at_nodes(x).unsqueeze(1)).mean())


def tuned(problem: Problem, network: Network, measure: Measure) -> dict[str, list[float]]:
    """Return the values of gradient descent and Adam with the best of their steps."""
    curvature = problem.spread(problem.maximum(problem.smoothness()))
    descent = [ProxDGD(step_size=float(part) / curvature) for part in PARTS]
    return {
        "(proximal) gradient descent, tuned": best(descent, problem, network, measure),
        "Adam, tuned": best([Diffused(Adam(step_size=float(s))) for s in STEPS], problem, network, measure),
    }


def at_one_node(models: Models, arguments: argparse.Namespace) -> None:
    """Measure centralized optimizers."""
    for label, (spec, kind) in KINDS.items():
        problem, network = draw(spec, arguments.seeds, "path", 1)
        measure = kind(problem)
        rows = {name: run(model, problem, network, measure) for name, model in models.items()}
        show(label, measure, problem, rows | tuned(problem, network, measure))


def swarm(models: Models, arguments: argparse.Namespace) -> None:
    """Measure swarms beside independent runs from the same points, which no graph joins."""
    spec, particles, rows = "rastrigin:features=2,shared=true", arguments.particles, {}
    for topology in arguments.topology:
        problem, network = draw(spec, arguments.seeds, topology, particles)
        for name, model in models.items():
            rows[f"{name}, {topology}"] = run(model, problem, network, best_of_each(problem))
    measure, apart = best_of_each(problem), Network.concatenate([build_network("path", 1)] * problem.num_nodes)
    show(f"Rastrigin (2), best of {particles} particles", measure, problem, rows | tuned(problem, apart, measure))


def ring(models: Models, arguments: argparse.Namespace) -> None:
    """Measure optimizers that were trained at one node over a ring of ten."""
    for spec in ("quadratic", "lasso_benchmark"):
        problem, network = draw(spec, arguments.seeds, "ring", 10)
        optimum = solve(problem).value
        start = problem.objective(problem.average(problem.initial_point().double()))
        print(f"{spec}, ring of ten, after {CHECKPOINTS[-1]} iterations")
        for name, model in models.items():
            for wrapper, wrapped in WRAPPERS.items():
                driver = Driver(wrapped(model.inner.update), problem, network, problem.initial_point().double())
                *_, standing = driver.halts(CHECKPOINTS[-1:])
                objective = problem.objective(problem.average(standing.state.x))
                gap = float(((objective - optimum) / (start - optimum)).median())
                print(f"  {name + ', ' + wrapper:36s}{gap:12.2g}", flush=True)


def games(models: Models, arguments: argparse.Namespace) -> None:
    """Measure optimizers of min-max problems, without and with safeguards, over all networks side by side."""
    for spec in GAMES:
        drawn = [draw(spec, arguments.seeds, topology, nodes) for topology, nodes in NETWORKS]
        problem = type(drawn[0][0]).concatenate([p for p, _ in drawn])
        network = Network.concatenate([n for _, n in drawn])
        print(f"{spec}: after {CHECKPOINTS[-2:]} iterations, {', '.join(f'{t} of {n}' for t, n in NETWORKS)}")
        for name, model in models.items():
            for safeguard in model.run_choices["safeguard"]:
                guarded = dataclasses.replace(model, safeguard=safeguard)
                show_residuals(f"{name}, safeguard {safeguard}", median_residuals(guarded, problem, network, 1)[:, 0])
        copies = len(PARTS_OF_GAMES)
        many, networks = problem.repeat(copies), Network.concatenate([network] * copies)
        parts = torch.from_numpy(PARTS_OF_GAMES).repeat_interleave(problem.num_nodes).unsqueeze(1)
        steps = parts / many.spread(many.maximum(many.smoothness()))
        for method in (GDA, Extragradient, OptimisticGDA, Halpern):
            found = median_residuals(method(step_size=steps), many, networks, copies)
            chosen = found[-1].argmin(dim=0, keepdim=True)
            show_residuals(f"{method.label}, tuned", found.gather(1, chosen.expand(2, 1, -1))[:, 0])


def median_residuals(algorithm: Algorithm[Any], problem: Problem, network: Network, copies: int) -> Tensor:
    """Return medians of the residuals relative to those of the start, ``(2, copies, networks)``, infinite where none.

    Args:
        algorithm: what runs.
        problem: as many copies of as many problems over each of the networks.
        network: theirs.
        copies: how many.
    """
    start, found = problem.initial_point(), []
    initial = problem.objective(problem.average(start))
    for standing in Driver(algorithm, problem, network, start).halts(CHECKPOINTS[-2:]):
        relative = problem.objective(problem.average(standing.state.x)) / initial
        values = relative.nan_to_num(torch.inf).reshape(copies, len(NETWORKS), -1)
        found.append(values.median(dim=2).values)
    return torch.stack(found)


def show_residuals(name: str, values: Tensor) -> None:
    """Print medians, ``(2, networks)``."""
    columns = [f"{float(early):.1e} / {float(late):.1e}" for early, late in values.T]
    print(f"  {name:36s}" + "".join(f"{column:>22s}" for column in columns), flush=True)


def show(label: str, measure: Measure, problem: Problem, rows: dict[str, list[float]]) -> None:
    """Print the values of every optimizer."""
    start = measure(problem.initial_point().double())
    print(f"{label}: {start:.4g} at the start; after {CHECKPOINTS} iterations")
    for name, values in rows.items():
        print(f"  {name:36s}" + "".join(f"{value:12.3g}" for value in values), flush=True)


PARTS_OF_THE_PAGE = {"one_node": at_one_node, "swarm": swarm, "ring": ring, "games": games}


@torch.no_grad()
def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS_OF_THE_PAGE, default="one_node", help="what is measured")
    parser.add_argument("--models", nargs="+", default=["rnnprop", "l2o_dm"], metavar="NAME", help="models or folders")
    parser.add_argument("--problems", type=int, default=256, metavar="N", help="of each kind (default: 256)")
    parser.add_argument(
        "--first_seed", type=int, default=FIRST_SEED, metavar="N", help=f"of the problems (default: {FIRST_SEED})"
    )
    parser.add_argument("--topology", nargs="+", default=["complete"], metavar="NAME", help="of swarms")
    parser.add_argument("--particles", type=int, default=4, metavar="N", help="of a swarm (default: 4)")
    arguments = parser.parse_args()
    arguments.seeds = range(arguments.first_seed, arguments.first_seed + arguments.problems)
    models = {str(name): load_model(name).to(dtype=torch.float64) for name in arguments.models}
    PARTS_OF_THE_PAGE[arguments.part](models, arguments)


if __name__ == "__main__":
    main()
