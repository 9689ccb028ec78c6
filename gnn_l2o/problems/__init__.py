"""Decentralized problems: the losses of all nodes at once."""

from gnn_l2o.problems.finite_sum import FiniteSum
from gnn_l2o.problems.least_squares import LeastSquares
from gnn_l2o.problems.linear_model import LinearModel
from gnn_l2o.problems.logistic import Logistic
from gnn_l2o.problems.neural import NeuralNetwork
from gnn_l2o.problems.neural_models import MLP, ResNet
from gnn_l2o.problems.problem import Problem
from gnn_l2o.problems.solve import NotCertifiedError, Solution, solve
from gnn_l2o.problems.stochastic import Stochastic

__all__ = [
    "MLP",
    "FiniteSum",
    "LeastSquares",
    "LinearModel",
    "Logistic",
    "NeuralNetwork",
    "NotCertifiedError",
    "Problem",
    "ResNet",
    "Solution",
    "Stochastic",
    "solve",
]
