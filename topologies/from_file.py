"""A graph from a file."""

from collections.abc import Callable
from pathlib import Path

import networkx as nx
import numpy as np

from gnn_l2o._utils.errors import InputError, unknown
from gnn_l2o.graph.generators import numbered


def generate(*, seed: int = 0, path: str) -> nx.Graph:
    """Graph from a file: GraphML, GML, a list of edges, or an adjacency matrix as .npy or .csv.

    The file determines the number of nodes. Nodes keep the order of the file, or are sorted if their names are
    integers. Parallel edges are merged, self-loops dropped, weights and other attributes ignored.

    Args:
        seed: not used.
        path: the suffix determines the format. ``.graphml``, ``.gml``: an undirected graph. ``.txt``, ``.edges``,
            ``.edgelist``: two nodes a line, separated by blanks; more columns are ignored, ``#`` begins a comment.
            ``.npy``, ``.csv``: a square symmetric matrix of numbers whose entries off the diagonal, where not zero, are
            edges.
    """
    file = Path(path)
    if file.suffix.lower() not in READERS:
        raise unknown("ending of a graph file", file.suffix, READERS)
    if not file.is_file():
        raise InputError(f"there is no graph file {path}")
    try:
        graph = READERS[file.suffix.lower()](file)
    except InputError:
        raise
    except Exception as error:  # for files with other content, the readers raise many kinds of exceptions
        raise InputError(f"cannot read {path} as {file.suffix} file: {error}") from error
    if graph.is_directed():
        raise InputError(f"{path} holds a directed graph; expected an undirected one")
    return numbered(_ordered(graph), graph.edges())


def _ordered(graph: nx.Graph) -> list[object]:
    try:
        return sorted(graph, key=int)
    except ValueError:
        return list(graph)


def _read_gml(file: Path) -> nx.Graph:
    return nx.read_gml(file, label=None)  # by id: labels may be missing or equal


def _read_edges(file: Path) -> nx.Graph:
    graph = nx.Graph()
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        ends = line.partition("#")[0].split()[:2]
        if len(ends) == 1:
            raise InputError(f"line {number} of {file} is {line.strip()!r}; expected two nodes, separated by blanks")
        if ends:
            graph.add_edge(*ends)
    return graph


def _read_matrix(file: Path) -> nx.Graph:
    matrix = np.load(file) if file.suffix.lower() == ".npy" else np.loadtxt(file, delimiter=",", ndmin=2)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise InputError(f"{file} holds an array of shape {matrix.shape}; expected a square adjacency matrix")
    if not np.isfinite(matrix).all():
        raise InputError(f"{file} holds numbers that are not finite; expected zeros where there is no edge")
    one_way = np.argwhere((matrix != 0) & (matrix.T == 0))
    if one_way.size:
        i, j = one_way[0]
        raise InputError(f"{file} has an edge {i}->{j} but not {j}->{i}; expected a symmetric adjacency matrix")
    graph = nx.empty_graph(len(matrix))
    graph.add_edges_from(np.argwhere(np.triu(matrix != 0, k=1)).tolist())
    return graph


READERS: dict[str, Callable[[Path], nx.Graph]] = {
    ".graphml": nx.read_graphml,
    ".gml": _read_gml,
    ".txt": _read_edges,
    ".edges": _read_edges,
    ".edgelist": _read_edges,
    ".npy": _read_matrix,
    ".csv": _read_matrix,
}
