#!/usr/bin/env python3
"""Run optimizers on unseen problems and networks and compare them. See ``python evaluate.py --help``."""

import sys

from gnn_l2o.cli.start import start

if __name__ == "__main__":
    sys.exit(start("evaluate", "evaluate.py"))
