"""Time of the gradients of a neural network at all nodes, compared with loops over the nodes in the same process.

Run it with ``python benchmarks/neural_gradients.py``. There are ten nodes with 100 samples each and the MLP of 13,002
parameters. The first loop copies the module for every node, sets its parameters and differentiates its loss; the second
loop sets the parameters of one module. The last rows are iterations of methods with these gradients, on a ring. All
variants run in turn; the ratios are medians over the turns.
"""

import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.build import build_network
from gnn_l2o.handcrafted import DSGD, DeMuon
from gnn_l2o.learned import load_model
from gnn_l2o.problems import MLP, NeuralNetwork

NODES, SAMPLES = 10, 100
METHODS: dict[str, Algorithm[Any]] = {
    "iteration of DSGD": DSGD(0.1, 0.5, 1e-3),
    "iteration of DeMuon": DeMuon(1e-3, 0.5, 1e-3),
    "iteration of milodo_mlp": load_model("milodo_mlp"),
}


def seconds(function: Callable[[], object], times: int = 5) -> float:
    """Return the processor time of one call in seconds, on one thread."""
    begin = time.process_time()
    for _ in range(times):
        function()
    return (time.process_time() - begin) / times


@torch.no_grad()
def iterations(algorithm: Algorithm[Any], problem: NeuralNetwork) -> Callable[[], Tensor]:
    """Return a function that takes the next iteration in every call."""
    states = run(algorithm, problem, build_network("ring", NODES).to(dtype=torch.float32), problem.initial_point())
    next(states)
    return torch.no_grad()(lambda: next(states).x)


def main(turns: int = 40) -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    module = MLP()
    shards = [(torch.randn(SAMPLES, 784), torch.randint(10, (SAMPLES,))) for _ in range(NODES)]
    problem = NeuralNetwork.from_nodes(module, cross_entropy, shards, dtype=torch.float32)
    x = problem.initial_point() + 0.01 * torch.randn(NODES, problem.dim)

    def loop(own: Callable[[], nn.Module]) -> Tensor:
        gradients = []
        for (features, targets), row in zip(shards, x, strict=True):
            copied = own()
            vector_to_parameters(row, copied.parameters())
            loss = cross_entropy(copied(features), targets)
            gradients.append(parameters_to_vector(torch.autograd.grad(loss, list(copied.parameters()))))
        return torch.stack(gradients)

    @torch.no_grad()
    def batched() -> Tensor:
        return problem.gradient(x)

    functions: dict[str, Callable[[], Tensor]] = {
        "all nodes at once": batched,
        "the same, not recorded": lambda: problem.gradient(x),  # operations are recorded only without autograd
        "loop, copying the module": lambda: loop(lambda: copy.deepcopy(module)),
        "loop, filling one module": lambda: loop(lambda: module),
    }
    for function in functions.values():
        torch.testing.assert_close(function(), batched(), rtol=1e-4, atol=1e-6)
    functions |= {name: iterations(algorithm, problem) for name, algorithm in METHODS.items()}
    times = [[seconds(function) for function in functions.values()] for _ in range(turns)]
    for name, column in zip(functions, zip(*times, strict=True), strict=True):
        ratio = statistics.median(c / row[0] for c, row in zip(column, times, strict=True))
        print(f"{name:26} {statistics.median(column) * 1e3:7.2f} ms {ratio:6.2f}")


if __name__ == "__main__":
    main()
