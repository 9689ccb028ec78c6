"""The estimators against those of scikit-learn, and against its contract of estimators."""

import sys
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import gnn_l2o
from gnn_l2o import DecentralizedLasso, DecentralizedLogisticRegression
from gnn_l2o._utils.errors import InputError

# The contract does not depend on how accurate a fit is; few rounds of a cheap method keep the checks quick.
QUICK = {"optimizer": "prox_ed", "max_rounds": 20}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([DecentralizedLasso(**QUICK), DecentralizedLogisticRegression(**QUICK)])
def test_the_contract_of_estimators_is_kept(estimator: Any, check: Any) -> None:
    check(estimator)


def standardized(load: Any) -> tuple[np.ndarray, np.ndarray]:
    features, targets = load(return_X_y=True)
    return StandardScaler().fit_transform(features), targets


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("uneven", [True, False])
def test_lasso_has_the_coefficients_of_scikit_learn(fit_intercept: bool, uneven: bool) -> None:
    X, y = standardized(load_diabetes)
    nodes = np.searchsorted([20, 60, 300], np.arange(len(X))) if uneven else 5
    own = DecentralizedLasso(2.0, fit_intercept=fit_intercept, tol=1e-10, optimizer="milodo_gnn").fit(X, y, nodes)
    oracle = Lasso(2.0, fit_intercept=fit_intercept, tol=1e-14, max_iter=10**5).fit(X, y)
    np.testing.assert_allclose(own.coef_, oracle.coef_, atol=1e-6)
    assert own.intercept_ == pytest.approx(oracle.intercept_, abs=1e-6)
    assert own.score(X, y) == pytest.approx(oracle.score(X, y))
    assert (np.abs(oracle.coef_) > 0).sum() < 10 and own.result_.nodes.shape == (4 if uneven else 5, 10 + fit_intercept)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_logistic_regression_has_the_coefficients_of_scikit_learn(fit_intercept: bool, classes: int) -> None:
    X, y = standardized(load_iris)
    X, y = X[y < classes], np.array(["b", "a", "c"])[y[y < classes]]
    own = DecentralizedLogisticRegression(
        0.1, fit_intercept=fit_intercept, tol=1e-8, network=nx.complete_graph(3), optimizer="milodo_gnn"
    ).fit(X, y)
    oracle = LogisticRegression(C=0.1, fit_intercept=fit_intercept, solver="newton-cg", tol=1e-12).fit(X, y)
    np.testing.assert_allclose(own.coef_, oracle.coef_, atol=1e-6)
    np.testing.assert_allclose(own.intercept_, oracle.intercept_, atol=1e-6)
    np.testing.assert_allclose(own.predict_proba(X), oracle.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(own.decision_function(X), oracle.decision_function(X), atol=1e-5)
    assert (own.predict(X) == oracle.predict(X)).all() and own.score(X, y) == oracle.score(X, y)


def test_nodes_may_lack_classes() -> None:
    X, y = standardized(load_iris)
    own = DecentralizedLogisticRegression(0.1, tol=1e-8, optimizer="milodo_gnn").fit(X, y, nodes=y)
    oracle = LogisticRegression(C=0.1, tol=1e-12, solver="newton-cg").fit(X, y)
    np.testing.assert_allclose(own.coef_, oracle.coef_, atol=1e-6)
    assert own.result_.nodes.shape == (3, 5, 3)


def test_the_rows_of_a_node_are_those_of_its_label() -> None:
    X, y = np.eye(4)[:, :2], np.array([1.0, 2.0, 3.0, 4.0])
    path = nx.path_graph(["x", "y", "z"])
    lasso = DecentralizedLasso(0.01, fit_intercept=False, network=path, optimizer="prox_ed", max_rounds=1)
    with pytest.warns(ConvergenceWarning):
        own = lasso.fit(X, y, nodes=["q", "p", "r", "p"]).result_.nodes
        turns = lasso.fit(X, y).result_.nodes
        order = [1, 0, 2, 3]  # dealt in turn, node 0 has rows 0 and 3
        dealt = lasso.fit(X[order], y[order]).result_.nodes
    assert torch.equal(own, dealt) and not torch.equal(own, turns)


def test_they_work_in_a_grid_search() -> None:
    X, y = standardized(load_diabetes)
    lasso = DecentralizedLasso(network="complete", optimizer="prox_ed", tol=1e-4)
    search = GridSearchCV(lasso, {"alpha": [1.0, 1000.0]}, cv=2).fit(X, y, nodes=None)
    assert search.best_params_ == {"alpha": 1.0}


def test_a_fit_that_ends_early_warns() -> None:
    X, y = standardized(load_diabetes)
    with pytest.warns(ConvergenceWarning, match="stopped before it converged, after 3 rounds"):
        assert DecentralizedLasso(max_rounds=3).fit(X, y).n_iter_ == 3


@pytest.mark.parametrize(
    ("estimator", "nodes", "message"),
    [
        (DecentralizedLasso(), [0, 1, 2], r"the node of each of the 6 rows; got shape \(3,\)"),
        (DecentralizedLasso(), 7, "at least one row for each of the 7 nodes, got n_samples = 6"),
        (DecentralizedLasso(), 2, "a ring needs at least 3 nodes, got 2"),
        (DecentralizedLasso(network=nx.path_graph(3)), 4, "the network has 3 nodes, but there is data of 4"),
        (DecentralizedLasso(alpha=-1.0), None, "L1 needs a finite weight >= 0"),
        (DecentralizedLogisticRegression(C=0.0), None, "C must be positive, got 0"),
    ],
)
def test_wrong_arguments_are_explained(estimator: Any, nodes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        estimator.fit(np.eye(6, 2), np.arange(6) % 2, nodes)


def test_without_scikit_learn_the_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "gnn_l2o.applications.estimators")
    assert gnn_l2o.minimize and "DecentralizedLasso" in dir(gnn_l2o)
    with pytest.raises(InputError, match=r"^scikit-learn is missing; pip install 'gnn-l2o\[data\]' installs it$"):
        _ = gnn_l2o.DecentralizedLasso
