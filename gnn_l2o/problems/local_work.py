"""What nodes compute with more than gradients: curvatures, Newton systems and local solves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from gnn_l2o.problems.calls import Calls
from gnn_l2o.problems.local_solve.accelerated import proximal_solve
from gnn_l2o.problems.local_solve.conjugate_gradient import conjugate_gradient_solve
from gnn_l2o.problems.local_solve.implicit import implicit_solve
from gnn_l2o.problems.local_solve.tolerance import SOLVE_TOLERANCE

if TYPE_CHECKING:
    from gnn_l2o.problems.problem import Problem

DIAGONAL_PROBES = 32


class LocalWork(ABC):
    """The local work of a :class:`.Problem`, from its gradients alone; subclasses that know more do it faster.

    Shape:
        N nodes, d coordinates.
    """

    @property
    @abstractmethod
    def dim(self) -> int: ...

    @property
    @abstractmethod
    def calls(self) -> Calls: ...

    @abstractmethod
    def smoothness(self) -> Tensor: ...

    @abstractmethod
    def local_gradient(self, x: Tensor) -> Tensor: ...

    def diagonal_bound(self) -> Tensor:
        """Return a diagonal matrix that bounds all Hessians of f_i from above, ``(N, 1)`` or ``(N, d)``; here L_i."""
        return self.smoothness()

    def hessian_diagonal(self, x: Tensor) -> Tensor:
        r"""Return the diagonal of :math:`\nabla^2 f_i(x_i)`, or an estimate of it: ``(N, d)`` to ``(N, d)``.

        Here the mean of :math:`s \odot \nabla^2 f_i s` over 32 random vectors s of signs (Bekas, Kokiopoulou, Saad
        2007, Appl. Numer. Math. 57), with errors of the size of the entries beside the diagonal; where f_i is not
        convex, entries may be negative. Linear models have it exactly. Counted as gradients inside local solves.
        """
        self.calls.solve_gradients += DIAGONAL_PROBES
        generator = torch.Generator().manual_seed(0)
        total = torch.zeros_like(x)
        for _ in range(DIAGONAL_PROBES):
            signs = (2.0 * torch.randint(2, (1, self.dim), generator=generator) - 1).to(x).expand_as(x)
            total = total + signs * torch.func.jvp(self.local_gradient, (x,), (signs,))[1]
        return total / DIAGONAL_PROBES

    def curvature_at(self, x: Tensor) -> Tensor:
        r"""Return the mean eigenvalue of :math:`\nabla^2 f_i(x_i)`, or an estimate: ``(N, d)`` to ``(N, 1)``.

        Here the estimate of Hutchinson (1990) from one random vector of signs. Counted as a gradient inside a solve.
        """
        self.calls.solve_gradients += 1
        generator = torch.Generator().manual_seed(0)
        signs = (2.0 * torch.randint(2, (1, self.dim), generator=generator) - 1).to(x).expand_as(x)
        product: Tensor = torch.func.jvp(self.local_gradient, (x,), (signs,))[1]
        return (signs * product).mean(dim=1, keepdim=True)

    def local_solve(
        self,
        center: Tensor,
        weight: Tensor | float,
        start: Tensor,
        *,
        steps: int | None = None,
        tolerance: float = SOLVE_TOLERANCE,
    ) -> Tensor:
        r"""Return the prox of :math:`f_i + r` in a diagonal metric at every node: ``(N, d)``.

        .. math::
            \arg\min_x f_i(x) + r(x) + \tfrac12 \|x - c_i\|^2_{\mathrm{Diag}(w_i)}

        Args:
            center: :math:`c_i`, ``(N, d)``.
            weight: :math:`w_i > 0`, a number, ``(N, 1)`` or ``(N, d)``.
            start: where an iteration begins, ``(N, d)``; the last solution, as a rule.
            steps: so many accelerated prox-gradient steps at every node; ``None`` solves to the tolerance.
            tolerance: of the residual of the optimality condition
                (:meth:`~gnn_l2o.problems.Regularizer.min_norm_subgradient`), relative to
                :math:`\|\nabla f_i(x)\| + \|w_i (x - c_i)\|`; not below rounding errors.

        Counted in ``calls`` as one solve and the gradients that it takes. In a linear model a product with the features
        together with one with their transpose is a gradient; setting up and factoring matrices is not counted.
        Differentiable in c and w: a solution to the tolerance by the implicit function theorem, for a
        separable r; steps by differentiating them.
        """
        self.calls.solves += 1
        weight = as_column(weight, center)
        if steps is None and torch.is_grad_enabled() and (center.requires_grad or weight.requires_grad):
            return implicit_solve(cast("Problem", self), center, weight, start, tolerance)
        return self.uncounted_local_solve(center, weight, start, steps=steps, tolerance=tolerance)

    def uncounted_local_solve(
        self, center: Tensor, weight: Tensor, start: Tensor, *, steps: int | None, tolerance: float
    ) -> Tensor:
        """Return what :meth:`local_solve` returns, without counting the solve; here by prox-gradient steps."""
        return proximal_solve(cast("Problem", self), center, weight, start, steps=steps, tolerance=tolerance)

    def newton_solve(self, x: Tensor, right: Tensor, shift: Tensor | float) -> Tensor:
        r"""Return :math:`(\nabla^2 f_i(x_i) + \mathrm{Diag}(s_i))^{-1} v_i` at every node: ``(N, d)``.

        Args:
            x: ``(N, d)``.
            right: :math:`v_i`, ``(N, d)``.
            shift: :math:`s_i > 0`, a number, ``(N, 1)`` or ``(N, d)``.

        Counted in ``calls`` as one solve and the products with the Hessian that it takes.
        """
        self.calls.solves += 1
        return self.hessian_solve(x, right, 1 / as_column(shift, x).expand_as(x))

    def hessian_solve(self, x: Tensor, right: Tensor, metric: Tensor) -> Tensor:
        r"""Return :math:`(\nabla^2 f_i(x_i) + D_i^{-1})^{-1} v_i` over the coordinates where D is not zero: ``(N, d)``.

        Args:
            x: ``(N, d)``.
            right: :math:`v_i`, ``(N, d)``.
            metric: :math:`D_i \ge 0`, ``(N, d)``; where it is zero, the solution is zero.
        """
        return conjugate_gradient_solve(cast("Problem", self), x, right, metric)


def as_column(value: Tensor | float, like: Tensor) -> Tensor:
    """Return a number as ``(N, 1)``, and a tensor as it is."""
    return value if isinstance(value, Tensor) and value.dim() else torch.zeros_like(like[:, :1]) + value
