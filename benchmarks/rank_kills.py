"""Kills a process of several at random instants, lets torchrun start them again, and compares with an undisturbed run.

    python benchmarks/rank_kills.py --kills 10

Each run is a minimization by three processes that are a node each, with checkpoints. One of them is killed (SIGKILL)
at a random instant between the start and the end; the run has to end by itself with the same solution and trace, bit
for bit, wall times apart.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import networkx as nx
import psutil
import torch

from gnn_l2o.algorithms.stopping import MaxRounds
from gnn_l2o.distributed import minimize
from gnn_l2o.problems import L1

PROCESSES = 3


def node(folder: Path, rounds: int) -> None:
    """Run one node, and write what it found."""
    rank = int(os.environ["RANK"])
    generator = torch.Generator().manual_seed(rank)
    features = torch.randn(20, 30, generator=generator, dtype=torch.float64)
    targets = features[:, :3].sum(dim=1) + torch.randn(20, generator=generator, dtype=torch.float64)

    def loss(x: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return 0.5 * (a @ x - b).square().mean()

    result = minimize(
        loss,
        (features, targets),
        nx.cycle_graph(PROCESSES),
        regularizer=L1(0.05),
        optimizer="milodo_gnn",
        stop=MaxRounds(rounds),
        checkpoints=folder / "checkpoints",
        checkpoint_every=20,
    )
    trace = {name: values.tolist() for name, values in result.trace.items() if name != "seconds"}
    content = {"x": result.x.tolist(), "nodes": result.nodes.tolist(), "rounds": result.rounds, "trace": trace}
    (folder / f"node{rank}.json").write_text(json.dumps(content))


def start(folder: Path, rounds: int) -> subprocess.Popen[bytes]:
    """Start torchrun."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(PROCESSES), "--max-restarts", "5"]
    command += ["--master-port", str(port), "--monitor-interval", "0.1", __file__]
    command += ["--folder", str(folder), "--rounds", str(rounds)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def outcome(folder: Path) -> list[str]:
    """Return what the nodes wrote."""
    return [(folder / f"node{rank}.json").read_text() for rank in range(PROCESSES)]


def kill_one(agent: subprocess.Popen[bytes], random_numbers: random.Random) -> str:
    """Kill one of the processes that an agent has started; return which."""
    workers = [p for p in psutil.Process(agent.pid).children() if "--folder" in p.cmdline()]
    if not workers:
        return "none was there"
    victim = random_numbers.choice(workers)
    victim.send_signal(signal.SIGKILL)
    return f"process {workers.index(victim)} of {len(workers)}"


def main() -> int:
    """Kill, compare and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.folder is not None:
        node(args.folder, args.rounds)
        return 0
    random_numbers, different = random.Random(args.seed), 0
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "undisturbed").mkdir()
        began = time.monotonic()
        if start(root / "undisturbed", args.rounds).wait():
            print("the undisturbed run failed")
            return 1
        seconds, expected = time.monotonic() - began, outcome(root / "undisturbed")
        print(f"undisturbed: {seconds:.1f} s", flush=True)
        for k in range(args.kills):
            folder = root / str(k)
            folder.mkdir()
            agent, instant = start(folder, args.rounds), random_numbers.uniform(0.05, 0.95) * seconds
            time.sleep(instant)
            killed = kill_one(agent, random_numbers)
            code = agent.wait()
            same = code == 0 and outcome(folder) == expected
            different += not same
            print(
                f"{k + 1}: {killed} killed after {instant:.1f} s: {'equal' if same else 'DIFFERENT'}, exit code {code}",
                flush=True,
            )
    print(f"{args.kills} kills, {different} runs ended differently")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
