"""The communication graph, with faults."""

from __future__ import annotations

from typing import TypeVar

from gnn_l2o._utils.errors import about
from gnn_l2o.graph.faults.description import Faults
from gnn_l2o.graph.faults.links import FaultyLinks
from gnn_l2o.graph.network import Network


class FaultyNetwork(FaultyLinks, Network):
    """A :class:`~gnn_l2o.Network` whose links and nodes have faults; :meth:`.Network.with_faults` makes one.

    Its mixing matrix, spectrum and extents are those of the graph without faults. Copies (:meth:`to`) begin anew.

    Attributes:
        faults: which, see :class:`.Faults`.
    """

    @classmethod
    def of(cls, network: Network, faults: Faults | str) -> FaultyNetwork:
        """Return a copy of a network with faults, see :meth:`.Network.with_faults`."""
        return faulty(cls, network, faults)


Faulty = TypeVar("Faulty", bound=FaultyLinks)


def faulty(kind: type[Faulty], network: Network, faults: Faults | str) -> Faulty:
    """Return a copy of a network as one of a kind with faults.

    Raises:
        InputError: the faults cannot be read, or name a link that is not there.
    """
    if isinstance(faults, str):
        with about(faults=faults):
            faults = Faults.parse(faults)
    found = kind(**{**network.to_dict(), "faults": faults})
    _ = found._failures  # tells of links that the network does not have
    return found
