"""Cases to speak of, and data to run on."""

from gnn_l2o.evaluation.record import Case

RING, STAR, PATH = Case("lasso", "ring", 10), Case("lasso", "star", 10), Case("linear", "path", 50)
SMALL = "lasso:features=6,samples=4"
