"""How far training is: what is measured, and how."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnn_l2o.problems import NeuralNetwork
from gnn_l2o.problems.neural_module import predictions


@dataclass(frozen=True)
class Progress:
    r"""A measurement during training. Measuring is no part of the method: its exchanges are not counted.

    Attributes:
        iteration: k.
        loss: :math:`F(\bar x^k)`, on all samples of all nodes, :math:`\bar x` the average of the nodes' parameters.
        consensus: :math:`\|X^k - \mathbf 1 \bar x^\top\|_F / (\sqrt N \|\bar x\|)`.
        accuracy: of the average on the test samples, the share whose class has the largest output; ``None`` without
            test samples, or if their targets are not the numbers of classes.
        test_loss: the mean loss of the average on the test samples, if there are any.
    """

    iteration: int
    loss: float
    consensus: float
    accuracy: float | None
    test_loss: float | None = None

    def __str__(self) -> str:
        parts = [f"iteration {self.iteration}: loss {self.loss:.4g}, consensus {self.consensus:.1e}"]
        parts += [] if self.test_loss is None else [f"test loss {self.test_loss:.4g}"]
        parts += [] if self.accuracy is None else [f"accuracy {self.accuracy:.3f}"]
        return ", ".join(parts)


@torch.no_grad()
def measure(problem: NeuralNetwork, x: Tensor, iteration: int, test: tuple[Tensor, Tensor] | None) -> Progress:
    """Measure the parameters of the nodes.

    Args:
        problem: the losses.
        x: ``(N, d)``.
        iteration: k.
        test: features ``(T, ...)`` and targets ``(T, ...)``.
    """
    mean = problem.average(x)
    apart = problem.average((x - mean).square().sum(dim=1, keepdim=True)).sqrt()
    accuracy = test_loss = None
    if test is not None:
        outputs = predictions(problem.model(mean[0]), test[0])
        test_loss = problem.function.of_outputs(outputs, test[1]).mean().item()
        accuracy = _accuracy(outputs, test[1])
    return Progress(
        iteration=iteration,
        loss=problem.objective(mean).item(),
        consensus=(apart / mean.norm()).item(),
        accuracy=accuracy,
        test_loss=test_loss,
    )


def _accuracy(outputs: Tensor, targets: Tensor) -> float | None:
    """Return the share of the targets that are the numbers of the largest of several outputs, ``(T, classes, ...)``."""
    if targets.is_floating_point() or outputs.dim() != targets.dim() + 1 or outputs.size(1) == 1:
        return None
    return (outputs.argmax(dim=1) == targets).float().mean().item()
