"""The step from an extrapolated point, which handcrafted and learned methods for games take."""

from torch import Tensor

from gnn_l2o.problems import Problem


def extrapolated_step(problem: Problem, base: Tensor, field: Tensor, step_size: float | Tensor) -> Tensor:
    r"""Return :math:`b - \eta G(b - \eta g)`, the step that extragradient and Halpern's iteration share.

    Args:
        problem: with the fields G.
        base: b, ``(N, d)``.
        field: g, ``(N, d)``.
        step_size: eta, a number or ``(N, 1)``.

    Returns:
        ``(N, d)``.
    """
    return base - step_size * problem.gradient(base - step_size * field)
