"""Cases to speak of."""

from gnn_l2o.evaluation.record import Case

RING, STAR, PATH = Case("lasso", "ring", 10), Case("lasso", "star", 10), Case("linear", "path", 50)
