"""Decentralized problems: the losses of all nodes at once, regularizers, and certified solutions."""

from gnn_l2o.problems.differentiable import Differentiable
from gnn_l2o.problems.finite_sum import FiniteSum
from gnn_l2o.problems.least_squares import LeastSquares
from gnn_l2o.problems.linear_model import LinearModel
from gnn_l2o.problems.logistic import Logistic
from gnn_l2o.problems.min_max import MinMax, QuadraticMinMax
from gnn_l2o.problems.neural import NeuralNetwork
from gnn_l2o.problems.neural_models import MLP, ResNet
from gnn_l2o.problems.open_l2o_models import ConvNet, LeNet, NASCell
from gnn_l2o.problems.problem import Problem
from gnn_l2o.problems.rastrigin import Rastrigin, rastrigin
from gnn_l2o.problems.regularizer import Regularizer
from gnn_l2o.problems.regularizers import L1, Box, ElasticNet, GroupL1, Zero
from gnn_l2o.problems.solve import NotCertifiedError, Solution, solve, starts_optimal
from gnn_l2o.problems.sparse_recovery import SparseRecovery
from gnn_l2o.problems.stochastic import Stochastic

__all__ = [
    "L1",
    "MLP",
    "Box",
    "ConvNet",
    "Differentiable",
    "ElasticNet",
    "FiniteSum",
    "GroupL1",
    "LeNet",
    "LeastSquares",
    "LinearModel",
    "Logistic",
    "MinMax",
    "NASCell",
    "NeuralNetwork",
    "NotCertifiedError",
    "Problem",
    "QuadraticMinMax",
    "Rastrigin",
    "Regularizer",
    "ResNet",
    "Solution",
    "SparseRecovery",
    "Stochastic",
    "Zero",
    "rastrigin",
    "solve",
    "starts_optimal",
]
