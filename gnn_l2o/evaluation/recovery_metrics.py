"""How well sparse signals are recovered."""

from __future__ import annotations

import torch
from torch import Tensor

from gnn_l2o.evaluation.metrics import METRICS, Metric
from gnn_l2o.evaluation.reference import Reference
from gnn_l2o.problems import SparseRecovery
from gnn_l2o.problems.nmse import sample_nmse


class _Recovery(Metric):
    """Measures estimates of a known signal; left out where none is known."""

    def applies(self, reference: Reference) -> bool:
        return isinstance(reference.problem, SparseRecovery)

    @staticmethod
    def target(reference: Reference) -> Tensor:
        """Return x* of every problem, ``(B, n)``."""
        assert isinstance(reference.problem, SparseRecovery)
        return reference.problem.target


@METRICS.register
class NMSE(_Recovery):
    r"""The mean squared error of the nodes, relative to the power of the signal.

    .. math::
        \frac{\tfrac1N \sum_i \|x_i - x^\star\|^2}{\mathbb E \|x^\star\|^2}, \qquad \mathbb E \|x^\star\|^2 = p n

    The denominator is the mean over all signals, so that ten times the logarithm of the mean over many instances is the
    measure over a set of the papers on LISTA-CPSS, ALISTA and LAMP (:func:`~gnn_l2o.problems.nmse.set_nmse`), but for
    the fluctuation of the power of the set.
    """

    name = "nmse"
    label = "NMSE"
    formula = r"$\frac{1}{N} \sum_i \|x_i - x^\star\|^2 \,/\, (p n)$"
    scale = "log"
    aggregate = "mean"

    def values(self, reference: Reference, x: Tensor) -> Tensor:
        problem, target = reference.problem, self.target(reference)
        assert isinstance(problem, SparseRecovery)
        error = (x - problem.spread(target)).square().sum(dim=1, keepdim=True)
        return problem.average(error).squeeze(1) / (problem.signal.density * problem.dim)


@METRICS.register
class NMSEInDecibels(_Recovery):
    r"""The mean over the nodes of the NMSE in dB, each relative to its own signal.

    Its mean over instances is the measure of Open-L2O (:func:`~gnn_l2o.problems.nmse.sample_nmse`), which is 10 to
    20 dB below the other one for good estimators; the two must not be mixed.
    """

    name = "nmse_db"
    label = "NMSE in dB"
    formula = r"$\frac{1}{N} \sum_i 10\,\log_{10}(\|x_i - x^\star\|^2 / \|x^\star\|^2)$"
    aggregate = "mean"

    def values(self, reference: Reference, x: Tensor) -> Tensor:
        problem = reference.problem
        found = sample_nmse(x, problem.spread(self.target(reference)))
        return problem.average(torch.nan_to_num(found, nan=torch.inf).unsqueeze(1)).squeeze(1)
