"""Learned decentralized optimization as a message-passing graph neural network."""

__version__ = "0.1.0"
