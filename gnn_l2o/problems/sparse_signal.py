"""Sparse signals and their noisy measurements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnn_l2o._utils.errors import InputError


@dataclass(frozen=True)
class SparseSignal:
    r"""The distribution of x* and of the noise in b = A x* + noise.

    An entry of x* is standard normal with probability p and else 0. The noise is normal; its deviation is that of the
    entries of A x* times :math:`10^{-\mathrm{SNR}/20}` (Chen, Liu, Wang, Yin 2018, arXiv:1808.10038).

    Attributes:
        density: p.
        snr: the signal-to-noise ratio in dB; ``None`` for no noise.

    Raises:
        InputError: the density is not in (0, 1], or the ratio is not finite.
    """

    density: float = 0.1
    snr: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.density <= 1:
            raise InputError(f"density is a share of the entries, above 0 and at most 1, got {self.density}")
        if self.snr is not None and not np.isfinite(self.snr):
            raise InputError(f"snr is a finite number of dB, got {self.snr}")

    def draw(self, matrix: np.ndarray, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw signals that are not zero, and measure them.

        Args:
            matrix: A, ``(m, n)``.
            count: S, how many.
            generator: the source of randomness.

        Returns:
            x*, ``(S, n)``, and b, ``(S, m)``.
        """
        shape = (count, matrix.shape[1])
        chosen = generator.random(shape) < self.density
        empty = ~chosen.any(axis=1)
        chosen[empty, generator.integers(shape[1], size=int(empty.sum()))] = True  # else nothing is to be recovered
        target = np.where(chosen, generator.standard_normal(shape), 0.0)
        clean = target @ matrix.T
        if self.snr is None:
            return target, clean
        deviation = clean.std(axis=1, keepdims=True) * 10 ** (-self.snr / 20)
        return target, clean + deviation * generator.standard_normal(clean.shape)


def draw_dictionary(
    rows: int, columns: int, generator: np.random.Generator, condition_number: float | None = None
) -> np.ndarray:
    r"""Draw a dictionary with columns of norm 1, ``(m, n)``.

    Its entries are independent and normal. With a condition number :math:`\kappa` the singular values are replaced by
    :math:`10^0, \dots, 10^{-\log_{10} \kappa}`, evenly spaced in the exponent, before the columns are brought to norm 1
    (Chen, Liu, Wang, Yin 2018, arXiv:1808.10038); that changes them a little.

    Args:
        rows: m.
        columns: n.
        generator: the source of randomness.
        condition_number: kappa, at least 1.

    Raises:
        InputError: the condition number is less than 1.
    """
    matrix = generator.standard_normal((rows, columns)) / np.sqrt(rows)
    if condition_number is not None:
        if not condition_number >= 1:
            raise InputError(f"condition_number must be at least 1, got {condition_number}")
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
        values = np.logspace(0, -np.log10(condition_number), len(values))
        matrix = (left * values) @ right
    return np.asarray(matrix / np.linalg.norm(matrix, axis=0))
