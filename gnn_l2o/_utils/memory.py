"""Refusing what cannot fit into memory, before it is begun."""

import psutil

from gnn_l2o._utils.errors import InputError

GIB = 2**30


def require_memory(what: str, size: int) -> None:
    """Raise an :class:`InputError` if there is less free memory than needed.

    Args:
        what: needs it; the error begins with it, ``"1000 nodes"``.
        size: an estimate in bytes.

    Example:
        >>> require_memory("10^15 numbers", 8 * 10**15)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        gnn_l2o._utils.errors.InputError: 10^15 numbers would take about 7.45e+06 GiB of memory; ... are free
    """
    free = psutil.virtual_memory().available
    if size > free:
        raise InputError(f"{what} would take about {size / GIB:.3g} GiB of memory; {free / GIB:.3g} GiB are free")
