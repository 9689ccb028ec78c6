"""Decentralized training of neural networks: any module, any loss, any samples."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor, nn

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.structure import difference
from gnn_l2o.problems.finite_sum import FiniteSum, cast, own_rows, shape_of, stacked
from gnn_l2o.problems.network_loss import Criterion, NetworkLoss
from gnn_l2o.problems.neural_module import TEST_CHUNK, FlatModule, predictions
from gnn_l2o.problems.neural_samples import Samples, as_pair, classified
from gnn_l2o.problems.regularizer import Regularizer
from gnn_l2o.problems.regularizers import Zero

CHUNK = 128
"""Samples of a node that are evaluated together, and over which batch normalization takes its statistics."""

_CURVATURE_SAMPLES = 32  # of a node, from which the curvature at the initial point is estimated
_POWER_ITERATIONS = 15
_CALIBRATION_SAMPLES = 1024  # of all nodes, on which running statistics of batch normalization are measured


class _Curvature:
    """Estimates of the curvature at the initial point, computed on first use and shared by all copies of a problem."""

    found: tuple[Tensor, Tensor] | None = None  # smoothness and mean curvature, each (M, 1)


@dataclass(frozen=True, eq=False, kw_only=True)
class NeuralNetwork(FiniteSum):
    r"""Losses of a neural network h on the samples of every node, not convex; see :class:`.FiniteSum`.

    .. math::
        f_i(x) = \frac{1}{m_i} \sum_{j=1}^{m_i} \ell\bigl(h(x; a_{ij}), b_{ij}\bigr)

    x is the vector of all trainable parameters, in the order of ``named_parameters``, so that the nodes' parameters
    are a matrix like any other iterate. :meth:`from_nodes` builds one from a module and the arrays of each node.

    What is not trained is a constant: frozen parameters (``requires_grad=False``) and buffers, to which a module may
    write, but what it writes is dropped. With dropout the loss would be no function of x; modules with it are refused,
    and so are those that :func:`torch.vmap` cannot batch, such as recurrent layers of torch.

    No minimum can be certified, so a lower bound of the loss, ``bound``, takes its place.

    With batch normalization the output for a sample depends on the other samples. Every node normalizes with the
    statistics of its own samples, of the mini-batch or else of chunks of at most :data:`CHUNK` consecutive samples of
    about equal size. Running statistics are not tracked, since f_i is a function of x alone. :meth:`model` and
    :meth:`accuracy` measure them on samples of all nodes. Mini-batch gradients are then biased; with group
    normalization, which has as many parameters, they are unbiased.

    Attributes:
        function: the loss of a node as a function of x and its samples, with the network h and the criterion l. It is
            called with outputs ``(k, ...)`` and targets ``(k, ...)``. Torch's losses are taken without their reduction
            (so that class weights weigh); any other is called for one sample at a time, and whether it takes the mean
            or the sum over samples does not matter.
        initial: ``(M, d)``, the initial point of every node.
        bound: a lower bound of l and of r.
        tests: for every problem its test samples, ``(T, ...)``, and their classes, ``(T,)``; or nothing.
        curvature: estimates of the curvature, once they are computed.
    """

    function: NetworkLoss
    initial: Tensor
    bound: float = 0.0
    tests: tuple[tuple[Tensor, Tensor], ...] = ()
    curvature: _Curvature = field(default_factory=_Curvature, repr=False, compare=False)

    @classmethod
    def from_nodes(
        cls,
        module: nn.Module,
        criterion: Criterion,
        shards: Sequence[Samples],
        *,
        regularizer: Regularizer | None = None,
        test: Samples | None = None,
        bound: float = 0.0,
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """Return one problem from a module and the samples of its nodes.

        Args:
            module: h; its parameters are the initial point of all nodes.
            criterion: l.
            shards: of every node its features ``(m_i, ...)`` and targets ``(m_i, ...)``. Integers keep their type.
            regularizer: r; by default none.
            test: features ``(T, ...)`` and classes ``(T,)`` to measure the accuracy on.
            bound: a lower bound of the loss; 0 is one for cross-entropy and squared errors.
            dtype: of all real numbers.

        Raises:
            InputError: a node has no samples, inconsistent shapes or types, data that is not finite, or a module that
                cannot be run on the data or is not a function of its parameters.
        """
        pairs = [as_pair(f"node {i}", shard, dtype) for i, shard in enumerate(shards)]
        if not pairs:
            raise InputError("expected the samples of every node, got none")
        for i, pair in enumerate(pairs):
            for name, array, first in zip(("features", "targets"), pair, pairs[0], strict=True):
                if array.shape[1:] != first.shape[1:] or array.dtype != first.dtype:
                    expected = f"{shape_of(first[0])} of {first.dtype} a sample, as of node 0"
                    raise InputError(f"{name} of node {i} must be {expected}, got {shape_of(array[0])} {array.dtype}")
        features, count = stacked([f for f, _ in pairs])
        function = NetworkLoss(FlatModule(module), criterion).to(dtype=dtype)
        problem = cls(
            regularizer=Zero() if regularizer is None else regularizer,
            batch=torch.zeros(len(pairs), dtype=torch.long),
            features=features,
            targets=stacked([t for _, t in pairs])[0],
            count=count,
            function=function,
            initial=function.network.vector.expand(len(pairs), -1),
            bound=bound,
            tests=() if test is None else (classified(as_pair("the test", test, dtype)),),
        )
        problem._try()
        return problem

    def _try(self) -> None:
        """Evaluate loss and gradient on two samples of a node.

        Raises:
            InputError: that fails.
        """
        vector, features, targets = self.initial[0], self.features[0, :2], self.targets[0, :2]
        arguments = vector[None], features[None], targets[None], self.weight[:1, :2]
        try:
            self.function.losses(*arguments)
            self.function.each(torch.func.grad(self.function), *arguments)
        except Exception as error:  # a user's module or loss may raise anything
            line = " ".join(str(error).split())[:300]
            if "random operation" in line:
                line = "it draws random numbers, as dropout does; losses are functions of the parameters alone"
            raise InputError(
                f"the module and its loss cannot be run on samples {shape_of(features)} with targets "
                f"{shape_of(targets)} {targets.dtype}: {line}"
            ) from error

    @property
    def dim(self) -> int:
        return self.initial.size(1)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.function.network.shapes

    @property
    def _real(self) -> torch.dtype:
        return self.initial.dtype

    def initial_point(self) -> Tensor:
        return own_rows(self, self.initial)

    def lower_bound(self) -> Tensor:
        return self.initial.new_full((self.num_problems,), self.bound)

    def loss(self, x: Tensor) -> Tensor:
        return self._on_all(self.function.losses, x).unsqueeze(1)

    def local_gradient(self, x: Tensor) -> Tensor:
        return self._on_all(self.function.gradients, x)

    def _on_all(self, each: Callable[..., Tensor], x: Tensor) -> Tensor:
        """Return what a method of :attr:`function` returns for every node, summed over its samples: ``(N, ...)``.

        Copies are evaluated one after another and samples in chunks, so that few activations are in memory at once.
        """
        nodes, samples = self.sizes
        chunks = torch.arange(samples).tensor_split(math.ceil(samples / CHUNK))
        results = []
        for rows in torch.split(x, nodes):
            parts = (each(rows, *(data[:, k[0] : k[-1] + 1] for data in (*self._data, self.weight))) for k in chunks)
            results.append(functools.reduce(torch.add, parts))
        return torch.cat(results) if len(results) > 1 else results[0]

    @property
    def _data(self) -> tuple[Tensor, Tensor]:
        return self.features, self.targets

    def smoothness(self) -> Tensor:
        r"""Return a local estimate, for the gradient of a neural network has no Lipschitz constant: ``(N, 1)``.

        It is the largest magnitude of an eigenvalue of :math:`\nabla^2 f_i(x^0)` on 32 of the node's samples, by power
        iteration, which approaches from below. Elsewhere the curvature may be larger.
        """
        return own_rows(self, self._estimates[0].to(self.initial))

    def mean_curvature(self) -> Tensor:
        """Return the estimate of the base class on the samples of :meth:`smoothness`: ``(N, 1)``."""
        return own_rows(self, self._estimates[1].to(self.initial))

    @property
    def _estimates(self) -> tuple[Tensor, Tensor]:
        if self.curvature.found is None:
            self.curvature.found = self._estimate()
        return self.curvature.found

    def _estimate(self) -> tuple[Tensor, Tensor]:
        # In float32, so that the estimates do not depend on the precision of the copy that computes them.
        few = self._spread_out(_CURVATURE_SAMPLES).to(dtype=torch.float32)

        def node_product(direction: Tensor, x: Tensor, *data: Tensor) -> Tensor:
            return torch.func.grad(lambda u: torch.func.grad(few.function)(u, *data) @ direction)(x)

        def hessian_product(direction: Tensor) -> Tensor:
            """Return the products of all Hessians with a direction of each."""
            return few.function.each(node_product, direction, few.initial, *few._data, few.weight)

        generator = torch.Generator().manual_seed(0)
        signs = (2.0 * torch.randint(2, (1, self.dim), generator=generator) - 1).to(few.initial).expand_as(few.initial)
        product = hessian_product(signs)
        mean = (signs * product).mean(dim=1, keepdim=True)
        tiny = torch.finfo(product.dtype).tiny
        for _ in range(_POWER_ITERATIONS):
            product = hessian_product(product / product.norm(dim=1, keepdim=True).clamp(min=tiny))
        return product.norm(dim=1, keepdim=True).clamp(min=tiny), mean

    def _spread_out(self, samples: int) -> Self:
        """Return the problem with at most so many samples a node, see :meth:`_spaced`."""
        return self.subsample(self._spaced(samples))

    def _spaced(self, samples: int) -> Tensor:
        """Return at most so many samples of each node, evenly spaced, since they may be sorted: ``(M, samples)``."""
        samples = min(samples, self.sizes[1])
        spaced = torch.arange(samples, device=self.count.device) * self.count // samples
        return torch.where(self.count > samples, spaced, self.first_rows(samples))

    def model(self, x: Tensor, problem: int = 0) -> nn.Module:
        """Return the module with parameters x, ``(d,)``, in evaluation mode.

        Running statistics of batch normalization are measured on about 1,024 samples of the problem, equally many of
        each node.
        """
        return self._filled(x, (self.batch == problem).nonzero().squeeze(1) % self.sizes[0])

    def node_model(self, x: Tensor, node: int) -> nn.Module:
        """Return what :meth:`model` does, with running statistics of this node's own samples."""
        return self._filled(x, torch.tensor([node % self.sizes[0]], device=self.batch.device))

    def _filled(self, x: Tensor, nodes: Tensor) -> nn.Module:
        def batches() -> Iterator[Tensor]:  # read only where there is batch normalization
            rows = self._spaced(max(1, _CALIBRATION_SAMPLES // nodes.numel()))[nodes]
            yield from torch.split(self.features[nodes.unsqueeze(1), rows].flatten(0, 1), TEST_CHUNK)

        return self.function.network.filled(x, batches())

    @torch.no_grad()
    def accuracy(self, x: Tensor) -> Tensor | None:
        """Return the share of the test samples whose class has the largest output: ``(B, d)`` to ``(B,)``."""
        if not self.tests:
            return None
        return torch.stack([self._accuracy(parameters, k) for k, parameters in enumerate(x)])

    def _accuracy(self, parameters: Tensor, problem: int) -> Tensor:
        features, classes = self.tests[problem % len(self.tests)]
        outputs = predictions(self.model(parameters, problem), features)
        return (outputs.argmax(dim=1) == classes).to(parameters).mean()

    @classmethod
    def _joined(cls, problems: Sequence[Self]) -> dict[str, Any]:
        first = problems[0]
        for p in problems[1:]:
            differs = first.function.difference(p.function) or difference(first.bound, p.bound, "the bound")
            if differs:
                raise InputError(f"networks that differ cannot be joined in one batch: {differs}")
        if len({bool(p.tests) for p in problems}) > 1:
            raise InputError("networks with and without test samples cannot be joined in one batch")
        curvature = _Curvature()
        largest, mean = (torch.cat([own_rows(p, p._estimates[k]) for p in problems]) for k in range(2))
        curvature.found = largest, mean
        return {
            **super()._joined(problems),
            "initial": torch.cat([own_rows(p, p.initial) for p in problems]),
            "tests": tuple(test for p in problems for test in p.tests * p.copies),
            "curvature": curvature,
        }

    def _of_nodes(self, nodes: Tensor) -> dict[str, Any]:
        return {**super()._of_nodes(nodes), "initial": self.initial[nodes], "curvature": _Curvature()}

    def _moved(self, device: torch.device | str | None, dtype: torch.dtype | None) -> dict[str, Any]:
        return {
            **super()._moved(device, dtype),
            "function": self.function.to(device, dtype),
            "initial": self.initial.to(device, dtype),
            "tests": tuple((cast(f, device, dtype), classes.to(device)) for f, classes in self.tests),
        }
