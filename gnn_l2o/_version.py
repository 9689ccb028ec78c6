"""The version, in a module that imports nothing: every room may name it."""

__version__ = "0.13.0"
