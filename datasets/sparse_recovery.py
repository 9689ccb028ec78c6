"""Sparse recovery from noisy measurements."""

import numpy as np

from gnn_l2o.data.splits import require_at_least
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import L1, SparseRecovery
from gnn_l2o.problems.sparse_signal import SparseSignal, draw_dictionary


def sample(
    network: Network,
    *,
    seed: int,
    features: int = 128,
    measurements: int = 64,
    density: float = 0.1,
    snr: float | None = None,
    condition_number: float | None = None,
    l1_weight: float = 0.005,
    dictionary: int = 0,
) -> SparseRecovery:
    r"""Sparse recovery (synthetic): b = A x* + noise with fewer measurements than features, rows of A split over nodes.

    :math:`f_i(x) = \frac N2 \|A_i x - b_i\|^2`, so that :math:`\frac1N \sum_i f_i(x) = \frac12 \|A x - b\|^2` however
    the rows are split, and :math:`r(x) = \lambda_1 \|x\|_1`. The columns of A have norm 1 (Chen, Liu, Wang, Yin 2018,
    arXiv:1808.10038). The signal x* is known, so that estimates of it can be judged by their NMSE.

    Args:
        network: whose nodes hold the data.
        seed: of the signal and the noise.
        features: n.
        measurements: m, of all nodes together.
        density: of the signal, the probability that an entry is not zero.
        snr: signal-to-noise ratio in dB; by default there is no noise.
        condition_number: of A before its columns are brought to norm 1; by default A is as it was drawn.
        l1_weight: lambda_1.
        dictionary: seed of A: problems of different seeds share a dictionary.
    """
    require_at_least(1, features=features, measurements=measurements)
    require_at_least(0, dictionary=dictionary)
    signal = SparseSignal(density, snr)
    matrix = draw_dictionary(measurements, features, np.random.default_rng([dictionary, 1]), condition_number)
    target, b = signal.draw(matrix, 1, np.random.default_rng(seed))
    return SparseRecovery.of(matrix, b[0], target[0], network.num_nodes, L1(l1_weight), signal=signal)
