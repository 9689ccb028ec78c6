#!/usr/bin/env python3
"""Train a decentralized optimizer on a mixture of problems and graphs. See ``python train_gnn.py --help``."""

import sys

from gnn_l2o.cli.start import start

if __name__ == "__main__":
    sys.exit(start("train", "train_gnn.py"))
