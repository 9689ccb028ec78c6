"""What a round costs over processes, compared with one process that holds all nodes, in the same run.

    torchrun --nproc-per-node 1 benchmarks/distributed.py
    torchrun --nproc-per-node 2 benchmarks/distributed.py

All processes hold parts of LASSO(20000, 50, 10, 0.1) on a random regular graph of degree 4 and take blocks of rounds
with one thread each, in turn with blocks that the first process takes alone, on all nodes, while the others wait. A
ratio is the median of the blocks' ratios. Strong scaling divides the 20,000 nodes; weak scaling gives each process
10,000. The last table is a model, not a measurement: a process of P computes the Pth part of what one process
computes, and a message to each of four others costs the measured latency and its bytes over the measured bandwidth.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from gnn_l2o import plugins
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.distributed import DistributedNetwork, Division, Processes, partition, start
from gnn_l2o.graph.build import build_network
from gnn_l2o.handcrafted import ProxED
from gnn_l2o.learned import load_model
from gnn_l2o.problems import Problem

DATASET = "lasso:features=50,samples=10"


class Timed(Processes):
    """Processes that measure how long their exchanges take."""

    seconds = 0.0

    def exchange(
        self,
        outgoing: dict[int, torch.Tensor],
        incoming: dict[int, torch.Tensor],
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        began = time.perf_counter()
        super().exchange(outgoing, incoming, meanwhile)
        self.seconds += time.perf_counter() - began


def seconds_of(driver: Driver[Any], rounds: int) -> float:
    """Take so many steps; return how long that takes."""
    began = time.perf_counter()
    driver.advance(driver.iteration + rounds)
    return time.perf_counter() - began


def together(processes: Processes) -> None:
    """Wait for all processes."""
    processes.max(torch.zeros(1))


def scaling(processes: Timed, nodes: int, rounds: int, blocks: int, algorithms: dict[str, Algorithm[Any]]) -> None:
    """Measure rounds of all processes on all nodes against the first process alone, and print."""
    network = build_network("regular:degree=4", nodes)
    problem: Problem = plugins.load("dataset", DATASET)(network, seed=0)
    division = Division(processes, partition(network, processes.count))
    part = problem.part(division)
    x0 = torch.zeros(nodes, problem.dim, dtype=torch.float64)
    for name, algorithm in algorithms.items():
        mine = Driver(algorithm, part, DistributedNetwork.part_of(network, division), x0[division.nodes])
        alone = Driver(algorithm, problem, network, x0)
        for driver in (alone, mine):
            driver.advance(20)  # milodo_gnn emits coefficients until iteration 12
        times: list[tuple[float, float]] = []
        processes.seconds, processes.bytes_sent = 0.0, 0
        for _ in range(blocks):
            together(processes)
            single = seconds_of(alone, rounds) if processes.is_first else 0.0
            together(processes)
            times.append((single, seconds_of(mine, rounds)))
        if processes.is_first:
            ratio = statistics.median(single / several for single, several in times)
            several = statistics.median(several for _, several in times) / rounds
            share = processes.seconds / sum(several for _, several in times)
            print(
                f"{name:13} {nodes:7,} nodes: {1e3 * several:7.2f} ms a round over {processes.count} processes, "
                f"{ratio:.2f} times as fast as one; {processes.bytes_sent / blocks / rounds:,.0f} bytes sent a round, "
                f"{100 * share:.0f} % of the time in exchanges",
                flush=True,
            )


def wire(processes: Processes) -> tuple[float, float]:
    """Return latency, s, and bandwidth, bytes/s, of messages between two processes, sent both ways at once."""
    other = 1 - processes.rank

    def exchange(numbers: int) -> float:
        out, into = torch.zeros(numbers, dtype=torch.float64), torch.zeros(numbers, dtype=torch.float64)
        times = []
        for _ in range(51):
            began = time.perf_counter()
            processes.exchange({other: out}, {other: into})
            times.append(time.perf_counter() - began)
        return statistics.median(times)

    latency, numbers = exchange(1), 500_000
    return latency, 8 * numbers / (exchange(numbers) - latency)


def model(seconds: float, halo: int, latency: float, bandwidth: float) -> None:
    """Print the time of a round that is expected of more processes.

    Args:
        seconds: of a round in one process.
        halo: bytes that one of two processes sends a round.
        latency: of a message, s.
        bandwidth: bytes/s.
    """
    print(f"model: latency {1e6 * latency:.0f} us, bandwidth {bandwidth / 1e9:.2f} GB/s")
    for count in (1, 2, 10, 100, 1000):
        # The surface of a part of a random graph grows as the part: about the halo of two, shared by all pairs.
        sent = 0.0 if count == 1 else 2 * halo / count
        expected = seconds / count + (0.0 if count == 1 else min(4, count - 1) * latency + sent / bandwidth)
        print(
            f"  {count:5,} processes: {1e3 * expected:8.3f} ms a round, {seconds / expected:6.1f} times as fast as one"
        )


@torch.no_grad()
def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=20, help="of a block")
    parser.add_argument("--blocks", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(1)
    start()
    processes = Timed(600.0)
    algorithms: dict[str, Algorithm[Any]] = {
        "prox_ed": ProxED(step_size=0.1),
        "milodo_gnn": load_model("milodo_gnn").to(dtype=torch.float64),
    }
    scaling(processes, args.nodes, args.rounds, args.blocks, algorithms)
    scaling(processes, args.nodes // 2 * processes.count, args.rounds, args.blocks, {"prox_ed": algorithms["prox_ed"]})
    if processes.count == 2:
        latency, bandwidth = wire(processes)
        network = build_network("regular:degree=4", args.nodes)
        division = Division(processes, partition(network, 2))
        part = DistributedNetwork.part_of(network, division)
        halo = 8 * 50 * sum(len(rows) for rows in part.halo.send.values())
        problem = plugins.load("dataset", DATASET)(network, seed=0)
        alone = Driver(algorithms["prox_ed"], problem, network, torch.zeros(args.nodes, 50, dtype=torch.float64))
        if processes.is_first:
            model(seconds_of(alone, 20) / 20, halo, latency, bandwidth)
        together(processes)


if __name__ == "__main__":
    main()
