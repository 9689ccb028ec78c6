"""What the files in ``datasets/`` share: checks, the synthetic model of the paper, and splits over the nodes."""

import numpy as np

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.memory import require_memory
from gnn_l2o.problems import L1, ElasticNet

SPARSITY = 0.75  # the part of the entries of a synthetic truth that is zero (He et al. 2024, E.2)
SPIKE = 10.0  # how many times larger the deviation of the features is in the direction of a spike


def require_at_least(minimum: int, **values: int) -> None:
    """Raise an :class:`InputError` if one of the values, given by name, is less than ``minimum``.

    Example:
        >>> require_at_least(1, features=300, samples=0)
        Traceback (most recent call last):
        gnn_l2o._utils.errors.InputError: samples must be at least 1, got 0
    """
    for name, value in values.items():
        if value < minimum:
            raise InputError(f"{name} must be at least {minimum}, got {value}")


def penalty(l1_weight: float, l2_weight: float) -> L1 | ElasticNet:
    r"""Return :math:`\lambda_1 \|x\|_1 + \frac{\lambda_2}{2} \|x\|^2`, as L1 where :math:`\lambda_2 = 0`."""
    return ElasticNet(l1_weight, l2_weight) if l2_weight else L1(l1_weight)


def linear_model(
    samples: int,
    features: int,
    generator: np.random.Generator,
    correlation: float = 0.0,
    column_scales: float = 0.0,
    spikes: int = 0,
    degrees_of_freedom: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Draw the features and the sparse truth of a synthetic problem (He et al. 2024, E.2).

    Without the last four arguments A is standard normal. With them its rows are
    :math:`a = t\, \mathrm{diag}(10^{u}) (I + 9 V V^\top) z`, where z is normal with correlated entries, the columns of
    V are the directions of the spikes and t is the factor of a sample.

    Args:
        samples: of all nodes together.
        features: d.
        generator: the source of randomness.
        correlation: rho, in [0, 1): features j and k are correlated by :math:`\rho^{|j - k|}` (Tibshirani 1996, 7.2).
            The nearer to 1, the worse conditioned the problem, however many samples there are.
        column_scales: s, in decades: feature k is multiplied by :math:`10^{u_k}`, :math:`u_k` uniform in [-s, s]. The
            greater, the more the curvatures of the coordinates differ.
        spikes: the number of orthonormal directions, uniform at random, in which the variance of the features is a
            hundred times larger, the spiked covariance of Johnstone 2001.
        degrees_of_freedom: nu, above 2: all features of a sample are multiplied by one factor, so that they have a
            multivariate t distribution, scaled to the same covariance. The nearer to 2, the more the samples differ in
            length; 0 stands for the normal distribution.

    Returns:
        A, ``(samples, d)``, and :math:`x^\star`, ``(d,)``, standard normal with the 75 % of its entries that are
        smallest in magnitude set to zero.

    Raises:
        InputError: ``correlation`` is not in [0, 1), ``column_scales`` is negative, there are fewer than 0 spikes or
            more than features, ``degrees_of_freedom`` is neither 0 nor above 2, or A does not fit into memory.
    """
    if column_scales < 0:
        raise InputError(f"column_scales must be at least 0, got {column_scales}")
    if not 0 <= correlation < 1:
        raise InputError(f"correlation lies between 0 and 1, 0 included, got {correlation}")
    if not 0 <= spikes <= features:
        raise InputError(f"spikes lies between 0 and {features}, the number of features, got {spikes}")
    if degrees_of_freedom and not degrees_of_freedom > 2:
        raise InputError(f"degrees_of_freedom must be 0 (normal) or above 2, got {degrees_of_freedom:g}")
    # At the peak there are A, its parts scaled by node, the same side by side, and a product on the way (measured).
    require_memory(f"{samples} samples of {features} features", 4 * 8 * samples * features)
    a = generator.standard_normal((samples, features))
    if correlation:
        a[:, 1:] *= np.sqrt(1 - correlation**2)
        for j in range(1, features):
            a[:, j] += correlation * a[:, j - 1]
    truth = generator.standard_normal(features)
    truth[np.argsort(np.abs(truth))[: int(SPARSITY * features)]] = 0
    if spikes:
        directions, _ = np.linalg.qr(generator.standard_normal((features, spikes)))
        a += (SPIKE - 1) * (a @ directions) @ directions.T
    if column_scales:
        a *= 10 ** generator.uniform(-column_scales, column_scales, features)
    if degrees_of_freedom:
        # A t variable has variance nu / (nu - 2); nu in its numerator cancels against that.
        a *= np.sqrt((degrees_of_freedom - 2) / generator.chisquare(degrees_of_freedom, (samples, 1)))
    return a, truth


def flip(labels: np.ndarray, share: float, generator: np.random.Generator) -> np.ndarray:
    """Return labels 0 and 1, ``(M,)``, with the given share of them flipped, at random places.

    Raises:
        InputError: the share does not lie between 0 and 1/2.

    Example:
        >>> float(flip(np.zeros(40), 0.1, np.random.default_rng(0)).sum())
        4.0
    """
    if not 0 <= share <= 0.5:
        raise InputError(f"label_noise is a share of the labels between 0 and 0.5, got {share:g}")
    flipped = labels.copy()
    if share:
        places = generator.permutation(labels.size)[: round(share * labels.size)]
        flipped[places] = 1 - flipped[places]
    return flipped


def node_factors(nodes: int, node_scales: float, generator: np.random.Generator) -> np.ndarray:
    r"""Return the factors of the nodes' data, ``(N,)``: :math:`10^{u_i}`, :math:`u_i` uniform in [-s, s].

    Least squares whose features and targets are multiplied by c has the loss :math:`c^2 f_i`: the curvatures of the
    nodes differ by up to 4 s decades.

    Args:
        nodes: N.
        node_scales: s, in decades; 0 leaves the data as it is.
        generator: the source of randomness.

    Raises:
        InputError: ``node_scales`` is negative.
    """
    if not node_scales >= 0:
        raise InputError(f"node_scales must be at least 0, got {node_scales:g}")
    return 10 ** generator.uniform(-node_scales, node_scales, nodes)


def standardized(data: np.ndarray, reference: np.ndarray | None = None) -> np.ndarray:
    """Return the columns of ``(M, d)`` shifted and scaled to mean 0 and variance 1; constant ones become 0.

    Args:
        data: ``(M, d)``.
        reference: whose mean and variance are taken, by default those of ``data``: test data is scaled like the
            training data.
    """
    reference = data if reference is None else reference
    deviation = reference.std(axis=0)
    return (data - reference.mean(axis=0)) / np.where(deviation > 0, deviation, 1)


def node_sizes(total: int, nodes: int, imbalance: float, generator: np.random.Generator) -> np.ndarray:
    """Return how many of ``total`` samples each node holds, at least one: ``(nodes,)``.

    Args:
        total: samples to distribute; all of them are.
        nodes: N.
        imbalance: the standard deviation of the logarithm of the nodes' shares. At 0 all hold equally many (or differ
            by one), at 1 the largest of ten holds about twenty times as many as the smallest.
        generator: the source of randomness.

    Raises:
        InputError: there are more nodes than samples, or the imbalance is negative or above 100.
    """
    if not 0 <= imbalance <= 100:  # far above, shares overflow
        raise InputError(f"imbalance must lie between 0 and 100, got {imbalance}")
    if nodes > total:
        raise InputError(f"{total} samples cannot fill {nodes} nodes; expected at most {total} nodes")
    share = np.exp(imbalance * generator.standard_normal(nodes))
    exact = (total - nodes) * share / share.sum()
    size = np.floor(exact).astype(np.int64)
    rounded_down = np.argsort(size - exact, kind="stable")[: total - nodes - size.sum()]
    size[rounded_down] += 1
    return 1 + size


def split(
    labels: np.ndarray, sizes: np.ndarray, generator: np.random.Generator, alpha: float | None = None
) -> list[np.ndarray]:
    r"""Draw the samples of every node from a pool, without replacement.

    Args:
        labels: ``(M,)``, the class of every sample in the pool.
        sizes: ``(N,)``, how many samples each node gets, M altogether at most.
        generator: the source of randomness.
        alpha: None for a split uniformly at random. Otherwise node i draws its class proportions from
            :math:`\mathrm{Dirichlet}(\alpha p)`, p those of the pool (Hsu, Qi, Brown 2019): nearly one class a node
            for small :math:`\alpha`, nearly p for large. Where a class is used up, the other classes take its place.

    Returns:
        For every node the positions of its samples.

    Raises:
        InputError: the pool is too small, or alpha is not positive.
    """
    if sizes.sum() > labels.size:
        raise InputError(f"the nodes need {sizes.sum()} samples together, but there are only {labels.size}")
    if alpha is None:
        return np.split(generator.permutation(labels.size)[: sizes.sum()], np.cumsum(sizes)[:-1])
    if not 0 < alpha < np.inf:
        raise InputError(f"alpha must be positive, got {alpha}")
    return _dirichlet_split(labels, sizes, generator, alpha)


def hand_out(
    labels: np.ndarray,
    nodes: int,
    samples: int | None,
    imbalance: float,
    generator: np.random.Generator,
    alpha: float | None = None,
) -> list[np.ndarray]:
    """Draw the samples of every node from a pool, all of the pool where ``samples`` is ``None``.

    Args:
        labels: ``(M,)``, the class of every sample in the pool.
        nodes: N.
        samples: of a node on average.
        imbalance: see :func:`node_sizes`.
        generator: the source of randomness.
        alpha: see :func:`split`.

    Returns:
        For every node the positions of its samples.

    Raises:
        InputError: see :func:`node_sizes` and :func:`split`; or ``samples`` is below 1.
    """
    if samples is not None:
        require_at_least(1, samples=samples)
    total = labels.size if samples is None else nodes * samples
    return split(labels, node_sizes(total, nodes, imbalance, generator), generator, alpha)


def _dirichlet_split(
    labels: np.ndarray, sizes: np.ndarray, generator: np.random.Generator, alpha: float
) -> list[np.ndarray]:
    stock = [generator.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)]
    left = np.array([s.size for s in stock])
    prior = left / left.sum()
    parts = [np.empty(0, dtype=np.int64)] * sizes.size
    for node in generator.permutation(sizes.size):  # in random order, as the last ones get what remains
        mix = generator.dirichlet(alpha * prior)
        take = np.zeros_like(left)
        while take.sum() < sizes[node]:
            weight = np.where(take < left, mix, 0)
            weight = weight if weight.any() else left - take
            draw = generator.multinomial(sizes[node] - take.sum(), weight / weight.sum())
            take = np.minimum(take + draw, left)
        parts[node] = np.concatenate([s[n - k : n] for s, n, k in zip(stock, left, take, strict=True)])
        left = left - take
    return parts
