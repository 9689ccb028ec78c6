"""Backbones of real networks."""

import difflib
import warnings

import networkx as nx

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.optional import optional
from gnn_l2o.graph.generators import numbered
from gnn_l2o.graph.real_networks import real_networks


def generate(*, seed: int = 0, name: str = "topozoo/Abilene") -> nx.Graph:
    """Real network: a backbone of the Internet Topology Zoo, SNDlib or CAIDA, by name, from the package topohub.

    The network determines the number of nodes, 3 to 594 (synthetic ``backbone/...`` up to 3,815). Parallel cables are
    merged into one edge, self-loops are dropped, positions and names ignored.

    Args:
        seed: not used.
        name: the group and the name, such as ``topozoo/Geant2012``, ``sndlib/germany50`` or ``caida/2024-08/5384``.
            ``evaluate.py --list real`` prints all.
    """
    with optional("real"):
        import topohub
    known = real_networks()
    if name not in known:
        raise _unknown(name, known)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # topohub does not close its file
        source = nx.node_link_graph(topohub.get(name), edges="edges")
    return numbered(source.nodes, source.edges())


def _unknown(name: str, known: list[str]) -> InputError:
    # Hundreds of names do not fit on one line; where the group is left out, only the names are compared.
    spelled = {(path if "/" in name else path.rpartition("/")[2]).lower(): path for path in known}
    close = spelled[difflib.get_close_matches(name.lower(), spelled, n=1, cutoff=0)[0]]
    return InputError(f"unknown real network {name!r}; did you mean {close!r}? (topohub has {len(known)})")
