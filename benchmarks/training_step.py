"""How long one training iteration takes: shared weights and whole-graph tensors against networks of every node's own.

The setting is a batch of 32 LASSO problems (d = 300, m = 10) on a ring of 10 nodes, 5 steps unrolled, forward and
backward, all coefficients recomputed in each. The comparison follows Algorithm 1 of He et al. 2024 line by line: every
node has three networks of its own, and Python loops over the nodes and, for the gradients, over the problems. Both run
in one process, in turn, so that noise of the machine changes their ratio little.

Run it with ``python benchmarks/training_step.py``.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gnn_l2o import plugins
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import MiLoDoArchitecture

NODES, BATCH, DIM, UNROLL, L1_WEIGHT, WIDTH = 10, 32, 300, 5, 0.1, 20


class OwnNetwork(nn.Module):
    """One LSTM cell and a two-layer perceptron, rows first."""

    def __init__(self, in_features: int, out_features: int, width: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(in_features, width)
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, out_features)
        nn.init.zeros_(self.outer.weight)

    def forward(self, inputs: Tensor, memory: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        memory = self.cell(inputs, memory)
        return self.outer(self.inner(memory[0]).relu()), memory


def per_node_step(networks: list[list[OwnNetwork]], a: Tensor, b: Tensor) -> None:
    """Train once on ``a`` (problems, nodes, m, d) and ``b`` (problems, nodes, m), node by node."""
    zero = a.new_zeros(BATCH * DIM, WIDTH)
    x = [a.new_zeros(BATCH, DIM) for _ in range(NODES)]
    y = [a.new_zeros(BATCH, DIM) for _ in range(NODES)]
    memory = [[(zero, zero)] * 3 for _ in range(NODES)]
    neighbours = [((i - 1) % NODES, (i + 1) % NODES) for i in range(NODES)]
    loss = a.new_zeros(())
    for _ in range(UNROLL):
        z = []
        for i in range(NODES):
            gradient = torch.stack([a[k, i].T @ (a[k, i] @ x[i][k] - b[k, i]) / a.size(2) for k in range(BATCH)])
            inputs = torch.stack([gradient, y[i]], dim=-1).reshape(-1, 2)
            output, memory[i][0] = networks[i][0](inputs, memory[i][0])
            p = (output + 0.03).relu().reshape(BATCH, DIM)
            v = x[i] - p * (gradient + y[i])
            z.append(v.sign() * (v.abs() - L1_WEIGHT * p).relu())
        weights = []
        for i in range(NODES):
            differences = torch.stack([z[i] - z[j] for j in neighbours[i]], dim=-1).reshape(-1, 2)
            s, memory[i][1] = networks[i][1](differences, memory[i][1])
            u, memory[i][2] = networks[i][2](differences, memory[i][2])
            weights.append((s.exp().reshape(BATCH, DIM, 2), u.relu().reshape(BATCH, DIM, 2)))
        for i in range(NODES):
            x[i] = z[i]
            for k, j in enumerate(neighbours[i]):
                back = neighbours[j].index(i)
                y[i] = y[i] + 0.5 * (weights[i][0][..., k] + weights[j][0][..., back]) * (z[i] - z[j])
                x[i] = x[i] - weights[i][1][..., k] * (z[i] - z[j])
        mean = torch.stack(x).mean(dim=0)
        for k in range(BATCH):
            for i in range(NODES):
                loss = loss + (a[k, i] @ mean[k] - b[k, i]).square().sum()
        loss = loss + L1_WEIGHT * mean.abs().sum()
    torch.autograd.backward(loss)


def median_seconds(functions: dict[str, Callable[[], None]], rounds: int = 7) -> dict[str, float]:
    """Time the functions in turn; return the median of each."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(rounds):
        for name, function in functions.items():
            begin = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(t) for name, t in times.items()}


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(2)
    torch.manual_seed(0)
    ring = build_network("ring", NODES)
    lasso = plugins.load("dataset", f"lasso:features={DIM}")
    problems = [lasso(ring, seed=seed) for seed in range(BATCH)]
    problem = type(problems[0]).concatenate(problems).to(dtype=torch.float32)
    network = Network.concatenate([ring] * BATCH).to(dtype=torch.float32)

    def shared(architecture: MiLoDoArchitecture) -> Callable[[], None]:
        preconditioner = architecture.build()
        if architecture.parametrization == "paper":
            preconditioner.emit_exact_diffusion(0.03)
        else:
            preconditioner.emit(step=0.4, dual=0.5, mixing=0.98)
        algorithm = architecture.algorithm(preconditioner)

        def step() -> None:
            state = algorithm.init(problem, network, torch.zeros(problem.num_nodes, DIM))
            loss = torch.zeros(())
            for _ in range(UNROLL):
                state = algorithm.step(problem, network, state)
                loss = loss + problem.objective(problem.average(state.x)).mean()
            torch.autograd.backward(loss)

        return step

    own = [[OwnNetwork(2, outputs, WIDTH) for outputs in (1, 2, 2)] for _ in range(NODES)]
    a = torch.stack([p.features for p in problems]).float()
    b = torch.stack([p.targets for p in problems]).float()
    per_node = "every node its own networks, width 20"
    seconds = median_seconds(
        {
            per_node: lambda: per_node_step(own, a, b),
            "shared, default architecture (scale-free, even, width 16)": shared(MiLoDoArchitecture()),
            "shared, scale-free, even, width 20": shared(MiLoDoArchitecture(hidden_features=20)),
            "shared, paper, mean, width 20": shared(
                MiLoDoArchitecture(parametrization="paper", symmetrize="mean", hidden_features=20)
            ),
        }
    )
    for name, value in seconds.items():
        print(f"{name:60} {value:7.3f} s   {seconds[per_node] / value:5.2f}x")


if __name__ == "__main__":
    main()
