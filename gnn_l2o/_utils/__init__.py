"""Errors, files, caches, hashes and linear algebra that all rooms share; not for users."""
