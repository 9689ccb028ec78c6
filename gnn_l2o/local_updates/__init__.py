"""Centralized optimizers that every node can run on its own iterate, one file each."""
