"""Lasso and logistic regression on rows that lie on several nodes, as estimators of scikit-learn."""

from __future__ import annotations

import warnings
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.optional import optional
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.stopping import MaxRounds, Stationary, StoppingRule
from gnn_l2o.applications.minimize import MinimizeResult, minimize, minimize_problem
from gnn_l2o.graph.convert import as_network
from gnn_l2o.graph.network import Network
from gnn_l2o.problems import L1, LeastSquares

with optional("data"):
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data

NODES = 4
"""How many nodes hold the rows where neither ``fit`` nor the network says it."""


class DecentralizedLasso(RegressorMixin, BaseEstimator):
    r"""Linear regression with an l1 penalty, as :class:`sklearn.linear_model.Lasso`, on rows that lie on N nodes.

    .. math:: \min_{w, c} \frac{1}{2n} \sum_j (a_j^\top w + c - b_j)^2 + \alpha \|w\|_1

    over all n rows, so that the coefficients do not depend on which node holds which row. A coefficient is exactly zero
    where it is at every node.

    Args:
        alpha: :math:`\alpha \ge 0`.
        fit_intercept: whether c is fitted; otherwise it is 0.
        network: the communication graph, as in :func:`gnn_l2o.minimize`.
        optimizer: as in :func:`gnn_l2o.minimize`.
        tol: of residual and consensus error (:class:`~gnn_l2o.applications.measures.Measures`).
        max_rounds: after which fitting ends with a ``ConvergenceWarning``.

    Attributes:
        coef_: w, ``(d,)``, the average of the nodes.
        intercept_: c.
        n_iter_: iterations.
        result_: what :func:`gnn_l2o.minimize_problem` returned, with the coefficients of every node, intercept last.

    Example:
        >>> import numpy as np
        >>> X, y = np.eye(6, 2), np.array([3.0, -3.0, 0.0, 0.0, 0.0, 0.0])
        >>> DecentralizedLasso(alpha=0.1, fit_intercept=False).fit(X, y, nodes=3).coef_.round(3)
        array([ 2.4, -2.4])
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        network: Any = "ring",
        optimizer: str | Path | Algorithm[Any] = "milodo_local",
        tol: float = 1e-6,
        max_rounds: int = 2000,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.network = network
        self.optimizer = optimizer
        self.tol = tol
        self.max_rounds = max_rounds

    def fit(self, X: Any, y: Any, nodes: Any = None) -> Self:
        """Fit the coefficients.

        Args:
            X: ``(n, d)``, the features.
            y: ``(n,)``, the targets.
            nodes: of every row the label of its node, ``(n,)``, the smallest that of node 0; or a number of nodes, to
                which rows are dealt in turn, by default as many as the network has, or four where it is only named.

        Raises:
            InputError: a node has no row, or as :func:`gnn_l2o.minimize`.
        """
        X, y = validate_data(self, X, y, y_numeric=True, dtype=np.float64)
        network, rows = _rows_of_nodes(self.network, nodes, len(X))
        features = _with_ones(X) if self.fit_intercept else X
        penalties = torch.full((1, features.shape[1]), float(self.alpha), dtype=torch.float64)
        penalties[0, X.shape[1] :] = 0
        # A node's loss is the mean over its rows, and counts as much as any other node's: scaling corrects this.
        scales = [(network.num_nodes * len(own) / len(X)) ** 0.5 for own in rows]
        problem = LeastSquares.from_nodes(
            [scale * features[own] for scale, own in zip(scales, rows, strict=True)],
            [scale * y[own] for scale, own in zip(scales, rows, strict=True)],
            L1(penalties),
        )
        self.result_ = minimize_problem(problem, network, optimizer=self.optimizer, stop=_stop(self))
        _warn_unless_converged(self.result_)
        weights = self.result_.x.numpy()
        self.coef_ = weights[: X.shape[1]]
        self.intercept_ = float(weights[-1]) if self.fit_intercept else 0.0
        self.n_iter_ = self.result_.nit
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the predictions ``(n,)`` of rows ``(n, d)``."""
        check_is_fitted(self)
        return validate_data(self, X, reset=False, dtype=np.float64) @ self.coef_ + self.intercept_


class DecentralizedLogisticRegression(ClassifierMixin, BaseEstimator):
    r"""Logistic regression as :class:`sklearn.linear_model.LogisticRegression`, on rows that lie on N nodes.

    .. math:: \min_{w, c} \frac{1}{n} \sum_j \ell(a_j^\top w + c, b_j) + \frac{1}{2 C n} \|w\|^2

    over all n rows, with :math:`\ell` the cross-entropy of two classes or, with a column of w for each, of several.

    Args:
        C: the inverse of the penalty, positive.
        fit_intercept: whether c is fitted; otherwise it is 0.
        network: the communication graph, as in :func:`gnn_l2o.minimize`.
        optimizer: as in :func:`gnn_l2o.minimize`.
        tol: of residual and consensus error (:class:`~gnn_l2o.applications.measures.Measures`).
        max_rounds: after which fitting ends with a ``ConvergenceWarning``.

    Attributes:
        classes_: the K classes.
        coef_: w, ``(1, d)`` for two classes, otherwise ``(K, d)``: the average of the nodes.
        intercept_: c, ``(1,)`` or ``(K,)``.
        n_iter_: iterations.
        result_: what :func:`gnn_l2o.minimize` returned, with the coefficients of every node, intercept last.
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        fit_intercept: bool = True,
        network: Any = "ring",
        optimizer: str | Path | Algorithm[Any] = "milodo_local",
        tol: float = 1e-6,
        max_rounds: int = 2000,
    ) -> None:
        self.C = C
        self.fit_intercept = fit_intercept
        self.network = network
        self.optimizer = optimizer
        self.tol = tol
        self.max_rounds = max_rounds

    def fit(self, X: Any, y: Any, nodes: Any = None) -> Self:
        """Fit the coefficients.

        Args:
            X: ``(n, d)``, the features.
            y: ``(n,)``, the classes.
            nodes: as in :meth:`DecentralizedLasso.fit`. A node may lack classes.

        Raises:
            InputError: there is one class only, a node has no row, or as :func:`gnn_l2o.minimize`.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, classes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"expected at least two classes, got one class: {self.classes_[0]!r}")
        if not self.C > 0:
            raise InputError(f"C must be positive, got {self.C}")
        network, rows = _rows_of_nodes(self.network, nodes, len(X))
        features = _with_ones(X) if self.fit_intercept else X
        binary = len(self.classes_) == 2
        share, ridge, columns = network.num_nodes / len(X), 0.5 / (self.C * len(X)), X.shape[1]

        def loss(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
            losses = (binary_cross_entropy_with_logits if binary else cross_entropy)(a @ x, b, reduction="sum")
            return share * losses + ridge * x[:columns].square().sum()

        labels = classes.astype(np.float64 if binary else np.int64)
        self.result_ = minimize(
            loss,
            [(features[own], labels[own]) for own in rows],
            network,
            optimizer=self.optimizer,
            x0=np.zeros((features.shape[1], *([] if binary else [len(self.classes_)]))),
            stop=_stop(self),
        )
        _warn_unless_converged(self.result_)
        weights = self.result_.x.numpy().reshape(features.shape[1], -1).T
        self.coef_ = weights[:, :columns]
        intercept = weights[:, -1] if self.fit_intercept else np.zeros(len(weights))
        # With several classes a constant added to all intercepts changes nothing; scikit-learn's have the mean 0.
        self.intercept_ = intercept if binary else intercept - intercept.mean()
        self.n_iter_ = self.result_.nit
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the log-odds of the second class, ``(n,)``, or a score for each of K classes, ``(n, K)``."""
        check_is_fitted(self)
        scores = validate_data(self, X, reset=False, dtype=np.float64) @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities of the classes, ``(n, K)``."""
        scores = torch.from_numpy(self.decision_function(X))
        if scores.dim() == 1:
            scores = torch.stack([torch.zeros_like(scores), scores], dim=1)
        return scores.softmax(dim=1).numpy()

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable classes, ``(n,)``."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]


def _rows_of_nodes(network: Any, nodes: Any, rows: int) -> tuple[Network, list[np.ndarray]]:
    """Return the network, and the numbers of the rows of each of its nodes."""
    if nodes is None or isinstance(nodes, Integral):
        number = int(nodes) if nodes is not None else NODES if isinstance(network, str) else None
        built = as_network(network, number)
        node = np.arange(rows) % built.num_nodes
    else:
        labels, node = np.unique(np.asarray(nodes), return_inverse=True)
        if node.shape != (rows,):
            raise InputError(
                f"nodes must be a number, or the node of each of the {rows} rows; got shape {np.shape(nodes)}"
            )
        built = as_network(network, len(labels))
    if rows < built.num_nodes:
        raise InputError(f"expected at least one row for each of the {built.num_nodes} nodes, got n_samples = {rows}")
    return built, [np.flatnonzero(node == k) for k in range(built.num_nodes)]


def _with_ones(X: np.ndarray) -> np.ndarray:
    return np.hstack([X, np.ones((len(X), 1))])


def _stop(estimator: DecentralizedLasso | DecentralizedLogisticRegression) -> StoppingRule:
    return Stationary(estimator.tol) | MaxRounds(estimator.max_rounds)


def _warn_unless_converged(result: MinimizeResult) -> None:
    if not result.success:
        warnings.warn(result.message, ConvergenceWarning, stacklevel=3)
