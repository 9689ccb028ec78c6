"""Graphs that are read from files."""

from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from gnn_l2o._utils.errors import InputError
from gnn_l2o.graph.build import build_network
from tests.graph.generated import edges, generate

GRAPH = nx.Graph([(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (3, 10), (10, 11)])
NUMBERED = {(0, 1), (1, 2), (2, 3), (0, 3), (0, 2), (3, 4), (4, 5)}


def write_graphml(path: Path) -> None:
    nx.write_graphml(GRAPH, path)


def write_gml(path: Path) -> None:
    nx.write_gml(GRAPH, path)


def write_edges(path: Path) -> None:
    path.write_text("# from to weight\n10 11 0.5\n\n" + "".join(f"{u} {v}  # a comment\n" for u, v in GRAPH.edges))


def write_npy(path: Path) -> None:
    np.save(path, nx.to_numpy_array(GRAPH) * 0.3 + np.eye(6))


def write_csv(path: Path) -> None:
    np.savetxt(path, nx.to_numpy_array(GRAPH, weight=None), delimiter=",", fmt="%d")


@pytest.mark.parametrize(
    ("ending", "write"),
    [
        ("graphml", write_graphml),
        ("gml", write_gml),
        ("edges", write_edges),
        ("edgelist", write_edges),
        ("TXT", write_edges),
        ("npy", write_npy),
        ("csv", write_csv),
    ],
)
def test_a_graph_comes_back_from_its_file(ending: str, write, tmp_path: Path) -> None:
    path = tmp_path / f"graph.{ending}"
    write(path)
    graph = generate(f"from_file:path={path}")
    assert list(graph) == list(range(6))
    assert edges(graph) == NUMBERED


def test_parallel_edges_and_loops_of_a_file_are_left_out(tmp_path: Path) -> None:
    nx.write_graphml(nx.MultiGraph([("a", "b"), ("a", "b"), ("b", "b"), ("b", "c")]), tmp_path / "graph.graphml")
    assert edges(generate(f"from_file:path={tmp_path}/graph.graphml")) == {(0, 1), (1, 2)}


def test_labels_of_a_gml_file_may_be_missing_or_double(tmp_path: Path) -> None:
    for label in ("", ' label "None"'):
        nodes = "".join(f" node [ id {k}{label} ]" for k in (7, 3, 5))
        (tmp_path / "graph.gml").write_text(f"graph [{nodes} edge [ source 7 target 3 ] edge [ source 3 target 5 ] ]")
        assert edges(generate(f"from_file:path={tmp_path}/graph.gml")) == {(0, 1), (0, 2)}


def test_nodes_with_names_keep_the_order_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "graph.txt").write_text("rome oslo\noslo bern\n")
    assert edges(generate(f"from_file:path={tmp_path}/graph.txt")) == {(0, 1), (1, 2)}
    (tmp_path / "graph.txt").write_text("2 10\n10 1\n")
    assert edges(generate(f"from_file:path={tmp_path}/graph.txt")) == {(0, 2), (1, 2)}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("graph.xls", b"", "unknown ending of a graph file '.xls'; did you mean '.txt'? (known: .csv, "),
        ("graph.txt", b"0 1\n2\n", "line 2 of PATH is '2'; expected two nodes, separated by blanks"),
        ("graph.txt", b"0,1\n1,2\n", "line 1 of PATH is '0,1'; expected two nodes, separated by blanks"),
        ("graph.txt", b"\xff\xfe\x00", "cannot read PATH as .txt file: "),
        ("graph.graphml", b"<no", "cannot read PATH as .graphml file: "),
        ("graph.gml", b"graph [ node", "cannot read PATH as .gml file: "),
        ("graph.npy", b"0 1", "cannot read PATH as .npy file: "),
        ("graph.csv", b"0,x\n1,0\n", "cannot read PATH as .csv file: "),
        ("graph.csv", b"0,1,0\n1,0,1\n", "PATH holds an array of shape (2, 3); expected a square adjacency matrix"),
        ("graph.csv", b"0,nan\nnan,0\n", "PATH holds numbers that are not finite; expected zeros"),
        ("graph.csv", b"0,1\n0,0\n", "PATH has an edge 0->1 but not 1->0; expected a symmetric adjacency matrix"),
    ],
)
def test_files_that_hold_something_else_are_refused_in_one_line(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        generate(f"from_file:path={path}")
    assert str(error.value).startswith(message.replace("PATH", str(path)))
    assert "\n" not in str(error.value)


def test_missing_and_directed_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^there is no graph file nowhere\.gml$"):
        generate("from_file:path=nowhere.gml")
    nx.write_graphml(nx.DiGraph([(0, 1)]), tmp_path / "graph.graphml")
    with pytest.raises(InputError, match=r"holds a directed graph; expected an undirected one$"):
        generate(f"from_file:path={tmp_path}/graph.graphml")
    (tmp_path / "graph.txt").write_text("0 1\n2 3\n")
    with pytest.raises(InputError, match=r"^the graph falls into 2 parts; expected a connected one$"):
        build_network(f"from_file:path={tmp_path}/graph.txt")
