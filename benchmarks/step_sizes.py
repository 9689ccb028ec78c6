"""What learned step sizes are worth: against fixed ones, on a stream that changes, and on convex problems.

Five parts, each in minutes on one core:

- ``wrappers``: an MLP on MNIST digits over ten nodes with unlike classes (Dirichlet 0.3), trained by Adam with fixed
  steps; the loss of the mean of the iterates after 600 iterations, with each node's own gradient and with a tracked
  one.
- ``starts``: the same network. MetaOptimize begins at each of six decades of step sizes; how many iterations it takes
  to a training loss, beside five fixed step sizes; and the same on one node.
- ``stream``: the same network on digits whose labels are permuted now and then; the mean loss of the mini-batches
  before each step.
- ``convex``: LASSO on five graphs; iterations to a relative optimality gap of 1e-4 with a learned and a constant step.
- ``overhead``: the time of an iteration beside that of the same method with a fixed step; pairs run in turn.

Run it with ``python benchmarks/step_sizes.py``, perhaps ``--part stream``.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from gnn_l2o import plugins
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.decentralized import Diffused, Tracked
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import DAPG, PGExtra, ProxED
from gnn_l2o.local_updates import Adam, AdamW, SGDm
from gnn_l2o.problems import NeuralNetwork, Problem, Stochastic, solve
from gnn_l2o.problems.permuted_labels import PermutedLabels
from gnn_l2o.step_sizes import MetaDAPG, MetaOptimize, MetaPGExtra, MetaProxED, StepSizeLearner

MLP = "mlp:alpha=0.3,shrink=2"
BATCH_SIZE = 100
STARTS = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
FIXED = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
LOSSES = (0.2, 0.1, 0.05)
META_STEP, HIGHEST = 0.01, 0.1
PERIODS = 4  # of the stream
GRAPHS = ("ring", "path", "star", "complete", "erdos_renyi:p=0.4")
LASSO = "lasso:features=60,samples=10,l1_weight=0.05"


def digits(seed: int, nodes: int = 10) -> tuple[NeuralNetwork, Network]:
    """Return the training of an MLP on digits in single precision, and a ring, or one node."""
    network = build_network("ring" if nodes > 1 else "complete", nodes)
    problem = plugins.load("dataset", MLP if nodes > 1 else "mlp:shrink=2,samples=10000")(network, seed=seed)
    assert isinstance(problem, NeuralNetwork)
    return problem.to(dtype=torch.float32), network.to(dtype=torch.float32)


def fixed(step_size: float) -> Tracked:
    """Return decentralized Adam with a fixed step."""
    return Tracked(Adam(step_size=step_size))


def learned(step_size: float, discount: float = 1.0) -> MetaOptimize:
    """Return the same with a learned step that begins there."""
    learner = StepSizeLearner(meta=Adam(step_size=META_STEP), highest=HIGHEST)
    return MetaOptimize(Adam(step_size=step_size), learner, tracked=True, discount=discount)


def reached(algorithm: Algorithm[Any], problem: Stochastic, network: Network, iterations: int) -> list[float]:
    """Return after how many iterations each of the losses is reached by the mean of the iterates; infinite if never."""
    driver, found = Driver(algorithm, problem, network, problem.initial_point()), [math.inf] * len(LOSSES)
    for k in range(0, iterations + 1, 20):
        driver.advance(k)
        loss = float(problem.full.objective(driver.x.mean(dim=0, keepdim=True)))
        found = [min(before, k) if loss <= target else before for before, target in zip(found, LOSSES, strict=True)]
        if math.isfinite(found[-1]):
            break
    return found


def wrappers(iterations: int = 600) -> None:
    """Print the losses that fixed steps reach with each node's own gradient and with a tracked one."""
    whole, network = digits(seed=1)
    problem = Stochastic(whole, batch_size=BATCH_SIZE, seed=1)
    print(f"\nloss after {iterations} iterations with the steps {', '.join(f'{step:.0e}' for step in FIXED)}")
    for wrapper in (Diffused, Tracked):
        losses = []
        for step in FIXED:
            algorithm: Algorithm[Any] = wrapper(Adam(step_size=step))
            driver = Driver(algorithm, problem, network, problem.initial_point())
            driver.advance(iterations)
            losses.append(float(problem.full.objective(driver.x.mean(dim=0, keepdim=True))))
        print(f"{wrapper.name:9} {'  '.join(f'{loss:.4f}' for loss in losses)}", flush=True)


def starts(iterations: int) -> None:
    """Print the iterations to each loss from every start, and from every fixed step, of networks and of one node."""
    for nodes in (10, 1):
        whole, network = digits(seed=1, nodes=nodes)
        problem = Stochastic(whole, batch_size=BATCH_SIZE, seed=1)
        print(f"\n{nodes} nodes: iterations to a loss of {', '.join(map(str, LOSSES))}")
        rows = {step: reached(fixed(step), problem, network, iterations) for step in FIXED}
        for step, row in rows.items():
            print(f"fixed {step:7.0e}   {'  '.join(f'{k:6.0f}' for k in row)}", flush=True)
        best = [min(column) for column in zip(*rows.values(), strict=True)]
        for step in STARTS:
            row = reached(learned(step), problem, network, iterations)
            ratios = "  ".join(f"{k / b:5.2f}x" for k, b in zip(row, best, strict=True))
            print(f"learned {step:5.0e}   {'  '.join(f'{k:6.0f}' for k in row)}   of the best {ratios}", flush=True)


def online_loss(algorithm: Algorithm[Any], problem: PermutedLabels, network: Network, iterations: int) -> float:
    """Return the mean over iterations and nodes of the loss of each mini-batch before the step."""
    driver, total = Driver(algorithm, problem, network, problem.initial_point()), 0.0
    for k in range(1, iterations + 1):
        total += float(problem.draw(k).loss(driver.x).mean())
        driver.step()
    return total / iterations


def stream(iterations: int) -> None:
    """Print the mean loss of fixed and of learned steps on labels that change."""
    whole, network = digits(seed=1)
    every = iterations // PERIODS
    problem = PermutedLabels(whole, batch_size=BATCH_SIZE, seed=1, every=every)
    print(f"\nlabels permuted every {every} of {iterations} iterations: mean loss")
    for step in FIXED:
        print(f"fixed {step:7.0e}   {online_loss(fixed(step), problem, network, iterations):.4f}", flush=True)
    for discount, step in ((0.99, 1e-6), (0.99, 1e-4), (0.99, 1e-2), (0.999, 1e-2), (1.0, 1e-2)):
        loss = online_loss(learned(step, discount), problem, network, iterations)
        print(f"learned {step:5.0e}, discount {discount:5}   {loss:.4f}", flush=True)


def convex(iterations: int) -> None:
    """Print the iterations of learned steps beside those of constant ones, on five graphs."""
    print("\niterations to a relative optimality gap of 1e-4: learned from 0.1/L / constant at the ceiling")
    for graph in GRAPHS:
        network = build_network(graph, 10)
        problem: Problem = plugins.load("dataset", LASSO)(network, seed=0)
        largest = float(problem.smoothness().max())
        extra = 0.95 * (1 + float(network.min_eigenvalue)) / largest
        pairs = (
            (MetaProxED(0.1 / largest), ProxED(1.9 / largest)),
            (MetaPGExtra(0.1 / largest), PGExtra(extra)),
            (MetaDAPG(0.1 / largest), DAPG(0.95 / largest, 0.9, 1.0)),
        )
        cells = []
        for pair in pairs:
            counts = [arrival(algorithm, problem, network, iterations) for algorithm in pair]
            cells.append(f"{pair[1].name} {counts[0]:5.0f} / {counts[1]:5.0f}")
        print(f"{graph:18} {'   '.join(cells)}", flush=True)


def arrival(algorithm: Algorithm[Any], problem: Problem, network: Network, iterations: int) -> float:
    """Return the iterations to a relative optimality gap of 1e-4 of the mean of the iterates; infinite if never."""
    x0 = problem.initial_point().to(torch.float64)
    optimum = problem.objective(solve(problem).x)
    initial = problem.objective(x0[:1]) - optimum
    driver = Driver(algorithm, problem, network, x0)
    for k in range(0, iterations + 1, 5):
        driver.advance(k)
        if float((problem.objective(driver.x.mean(dim=0, keepdim=True)) - optimum) / initial) <= 1e-4:
            return k
    return math.inf


def overhead(pairs: int = 9, count: int = 40) -> None:
    """Print the median ratio of the processor time of an iteration to that of the method with a fixed step."""
    whole, network = digits(seed=1)
    problem = Stochastic(whole, batch_size=BATCH_SIZE, seed=1)
    print("\ntime of an iteration with a learned step over that with a fixed one, median of pairs")
    for base in (AdamW(step_size=1e-3), SGDm(step_size=1e-3)):
        for tracked, wrapper in ((True, Tracked), (False, Diffused)):
            algorithms: tuple[Algorithm[Any], ...] = (wrapper(base), MetaOptimize(base, tracked=tracked))
            ratios = []
            for _ in range(pairs):
                seconds = []
                for algorithm in algorithms:
                    driver = Driver(algorithm, problem, network, problem.initial_point())
                    driver.advance(5)
                    began = time.process_time()
                    driver.advance(5 + count)
                    seconds.append(time.process_time() - began)
                ratios.append(seconds[1] / seconds[0])
            print(f"{type(base).__name__:6} {wrapper.name:9} {statistics.median(ratios):.2f}", flush=True)


@torch.no_grad()
def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    long = {"starts": starts, "stream": stream, "convex": convex}
    short: dict[str, Callable[[], None]] = {"wrappers": wrappers, "overhead": overhead}
    parser.add_argument("--part", nargs="+", choices=[*long, *short], default=[*long, *short])
    parser.add_argument("--iterations", type=int, default=2500, help=f"of the runs of {', '.join(long)}")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.part:
        long[name](arguments.iterations) if name in long else short[name]()


if __name__ == "__main__":
    main()
