"""Accelerated gossip: several rounds of mixing in a row, which come close to the average of the nodes."""

from __future__ import annotations

from torch import Tensor

from gnn_l2o.graph.network import Network


def fast_mix(network: Network, x: Tensor, times: int) -> Tensor:
    r"""Mix ``times`` times with momentum: FastMix (Ye, Luo, Zhou, Zhang 2023, JMLR 24(306); Liu, Morse 2011).

    .. math::
        x^{k+1} = (1 + \eta) M x^k - \eta x^{k-1}, \qquad x^{-1} = x^0

    It keeps the mean of the nodes, and shrinks what is left by :math:`\sqrt\eta` a round in the long run, where mixing
    alone shrinks it by :math:`\lambda_2(M)`.

    M must have no negative eigenvalues, or the first rounds may enlarge what they should shrink, on long rings for
    example. So :math:`M = (W + c I) / (1 + c)` with the smallest c that removes those of W,
    :math:`c = \max(0, -\lambda_N(W))`; a W without them is used as it is. Then
    :math:`\lambda_2(M) \le \lambda = 1 - g / (1 + c)`, g the spectral gap of W, with equality wherever
    :math:`\lambda_2(W) \ge -\lambda_N(W)`, and a bound too large only costs speed.

    :math:`\eta = (1 - s) / (1 + s)` with :math:`s = \sqrt{1 - \lambda^2}` is the value of Liu and Morse, the fastest in
    the long run (both roots of the recursion coincide at :math:`\lambda`). Ye et al. 2023 print :math:`1 / (1 + s)`,
    which shrinks by :math:`\approx 1 - s / 2` a round instead of :math:`1 - s`.

    Args:
        network: one graph, or several side by side, each with its own eta and c.
        x: ``(N, d)``.
        times: K; each costs a round and a vector.

    Returns:
        ``(N, d)``; a consensus comes back exactly as it is.
    """
    relaxation, eta = _coefficients(network)
    previous = x
    for _ in range(times):
        mixed = x + relaxation * (network.mix(x) - x)  # M x
        previous, x = x, mixed + eta * (mixed - previous)
    return x


def _coefficients(network: Network) -> tuple[Tensor, Tensor]:
    """Return 1 / (1 + c) and eta of every node's graph, ``(N, 1)`` each."""
    relaxation = 1 / (1 - network.min_eigenvalue)  # min_eigenvalue is min(lambda_N, 0)
    spectral_gap = relaxation * network.spectral_gap  # of M
    s = (spectral_gap * (2 - spectral_gap)).sqrt()  # 1 - lambda^2, without cancellation
    eta = (1 - s) / (1 + s)
    return network.at_nodes(relaxation), network.at_nodes(eta)
