"""The time of an iteration of the handcrafted methods: whole-graph tensors, Python loops and numpy compared.

The setting is LASSO (d = 300, m = 10) on an Erdos-Renyi graph of 100 nodes, in double precision, on one thread. Each
method is compared with the same method whose mixing, gradients and proxes are Python loops over nodes and edges, and,
if it has one parameter, with the recursion of docs/methods.md written in numpy with a dense W. The output is the time
of the loop relative to ours, and our time relative to numpy. All variants run in one process, in turn, so that the
ratios are meaningful on a machine with other load. Run it with ``OPENBLAS_NUM_THREADS=1 python
benchmarks/baselines.py``; it takes about a minute.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gnn_l2o import plugins
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import HANDCRAFTED
from gnn_l2o.problems import LeastSquares

NODES, DIM, STEPS, REPEATS = 100, 300, 20, 5
Array = np.ndarray


class LoopNetwork(Network):
    """A network that mixes node by node."""

    def mix(self, x: Tensor) -> Tensor:
        rows = [x[i] for i in range(self.num_nodes)]
        for w, (i, j) in zip(self.weight[:, 0].tolist(), self.link_index.t().tolist(), strict=True):
            rows[i], rows[j] = rows[i] - w * (x[i] - x[j]), rows[j] + w * (x[i] - x[j])
        return torch.stack(rows)

    def differences(self, z: Tensor, *, directed: bool = False) -> Tensor:
        ends = self.edge_index.flip(0) if directed else self.link_index
        return torch.stack([z[i] - z[j] for i, j in ends.t().tolist()])

    def collect(self, message: Tensor, *, directed: bool = False) -> Tensor:
        total = [message.new_zeros(message.size(1)) for _ in range(self.num_nodes)]
        if directed:
            for row, i in zip(message, self.edge_index[1].tolist(), strict=True):
                total[i] = total[i] + row
        else:
            for row, (i, j) in zip(message, self.link_index.t().tolist(), strict=True):
                total[i], total[j] = total[i] + row, total[j] - row
        return torch.stack(total)


class LoopLeastSquares(LeastSquares):
    """Least squares whose gradients and proxes are taken node by node."""

    def local_gradient(self, x: Tensor) -> Tensor:
        nodes = zip(self.features, self.targets, x, strict=True)
        return torch.stack([a.t() @ (a @ row - b) / len(b) for a, b, row in nodes])

    def prox(self, v: Tensor, step: Tensor | float) -> Tensor:
        steps = torch.as_tensor(step, dtype=v.dtype).expand(v.size(0), 1)
        return torch.cat([self.regularizer.prox(v[i : i + 1], steps[i]) for i in range(v.size(0))])


class Dense:
    """The recursions of docs/methods.md in numpy: W is a matrix, iterates and gradients have a row for each node."""

    def __init__(self, problem: LeastSquares, network: Network, weight: float, step: float) -> None:
        self.a, self.b = problem.features.numpy(), problem.targets.numpy()
        self.w, self.threshold, self.step = network.matrix().numpy(), weight * step, step
        self.x0 = np.zeros((NODES, DIM))

    def descent(self, x: Array) -> Array:
        residual = (self.a @ x[:, :, None])[:, :, 0] - self.b
        return self.step / self.b.shape[1] * (residual[:, None, :] @ self.a)[:, 0, :]

    def prox(self, v: Array) -> Array:
        return np.sign(v) * np.maximum(np.abs(v) - self.threshold, 0)

    def prox_dgd(self) -> Iterator[Array]:
        x = self.x0
        while True:
            yield x
            x = self.prox(self.w @ x - self.descent(x))

    def diffusion(self) -> Iterator[Array]:
        x = self.x0
        while True:
            yield x
            x = self.prox(self.w @ (x - self.descent(x)))

    def pg_extra(self) -> Iterator[Array]:
        x, z, last = self.x0, self.x0, self.x0
        while True:
            yield x
            mixed, descent = self.w @ x, self.descent(x)
            z = z - last + mixed - descent
            x, last = self.prox(z), 0.5 * (x + mixed) - descent

    def prox_ed(self) -> Iterator[Array]:
        x, z, psi = self.x0, self.x0, self.x0
        while True:
            yield x
            psi, old = x - self.descent(x), psi
            corrected = z + psi - old
            z = 0.5 * (corrected + self.w @ corrected)
            x = self.prox(z)

    def nids(self) -> Iterator[Array]:
        yield self.x0
        last, descent = self.x0, self.descent(self.x0)
        z = last - descent
        x = self.prox(z)
        while True:
            yield x
            new = self.descent(x)
            corrected = 2 * x - last - new + descent
            z = z - x + 0.5 * (corrected + self.w @ corrected)
            x, last, descent = self.prox(z), x, new

    def prox_atc(self) -> Iterator[Array]:
        def following(u: Array, moved: Array, change: Array) -> Array:
            return self.w @ (2 * u - self.w @ (u - moved + change))

        return self._tracking(self.w @ (self.x0 - self.descent(self.x0)), following)

    def atc_tracking(self) -> Iterator[Array]:
        def following(u: Array, moved: Array, change: Array) -> Array:
            return self.w @ (2 * u - self.w @ (u - moved) - change)

        return self._tracking(self.w @ (self.x0 - self.descent(self.x0)), following)

    def diging(self) -> Iterator[Array]:
        def following(u: Array, moved: Array, change: Array) -> Array:
            return self.w @ (2 * u - self.w @ (u - moved)) - change

        return self._tracking(self.w @ self.x0 - self.descent(self.x0), following)

    def _tracking(self, u: Array, following: Callable[[Array, Array, Array], Array]) -> Iterator[Array]:
        yield self.x0
        last, descent, x = self.x0, self.descent(self.x0), self.prox(u)
        while True:
            yield x
            new = self.descent(x)
            u = following(u, x - last, new - descent)
            x, last, descent = self.prox(u), x, new


def median_seconds(runs: dict[str, Iterator[Any]]) -> dict[str, float]:
    """Advance the runs in turn; return the median seconds of an iteration of each, the first turn not counted."""
    times: dict[str, list[float]] = {variant: [] for variant in runs}
    for _ in range(REPEATS + 1):
        for variant, iterates in runs.items():
            begin = time.perf_counter()
            for _ in range(STEPS):
                next(iterates)
            times[variant].append((time.perf_counter() - begin) / STEPS)
    return {variant: statistics.median(t[1:]) for variant, t in times.items()}


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    network = build_network("erdos_renyi", NODES, seed=0)
    problem = plugins.load("dataset", f"lasso:features={DIM}")(network, seed=0)
    slow_network = LoopNetwork.from_edges(network.link_index.t().tolist(), NODES)
    slow_problem = LoopLeastSquares(
        **{name: getattr(problem, name) for name in ("regularizer", "batch", "features", "targets", "count")}
    )
    x0 = torch.zeros(NODES, DIM, dtype=torch.float64)
    print(f"{'method':14} {'ms':>8} {'loop / ours':>14} {'ours / numpy':>14}")
    for name, method in HANDCRAFTED.items():
        if not method.composite:
            continue
        algorithm: Any = method.from_setting(problem, method.settings(16)[0])
        runs: dict[str, Iterator[Any]] = {
            "ours": run(algorithm, problem, network, x0),
            "loop": run(algorithm, slow_problem, slow_network, x0),
        }
        if hasattr(Dense, name):
            runs["numpy"] = getattr(Dense(problem, network, 0.1, algorithm.step_size), name)()
        seconds = median_seconds(runs)
        dense = f"{seconds['ours'] / seconds['numpy']:13.2f}x" if "numpy" in seconds else f"{'-':>14}"
        loop = seconds["loop"] / seconds["ours"]
        print(f"{name:14} {1e3 * seconds['ours']:8.2f} {loop:13.1f}x {dense}", flush=True)


if __name__ == "__main__":
    torch.no_grad()(main)()
