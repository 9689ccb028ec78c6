"""Spectra of mixing matrices against dense eigenvalues and formulas, by all the ways in which they are found."""

import math

import networkx as nx
import numpy as np
import pytest
import torch

from gnn_l2o.graph import spectrum
from gnn_l2o.graph.mixing import mixing_weights
from gnn_l2o.graph.network import Network
from gnn_l2o.graph.spectrum import TOLERANCE, MixingSpectrum

GRAPHS = {
    "ring": nx.cycle_graph(60),
    "grid": nx.convert_node_labels_to_integers(nx.grid_2d_graph(7, 9)),
    "tree": nx.random_labeled_tree(70, seed=1),
    "star": nx.star_graph(40),
    "expander": nx.random_regular_graph(4, 80, seed=0),
    "hubs": nx.barabasi_albert_graph(90, 2, seed=0),
    "complete": nx.complete_graph(30),
    "two sides": nx.complete_bipartite_graph(25, 25),  # lambda_N decides the spectral gap
}


def of(graph: nx.Graph, rule: str = "metropolis") -> MixingSpectrum:
    """The spectrum of the mixing matrix by a rule."""
    links = np.array([(min(e), max(e)) for e in graph.edges])
    return MixingSpectrum(links, mixing_weights(rule, links, len(graph)), len(graph))


def dense(graph: nx.Graph, rule: str) -> tuple[float, float]:
    """The spectral gap and 1 + min(lambda_N, 0), from all eigenvalues."""
    values = np.linalg.eigvalsh(Network.from_networkx(graph, mixing=rule).matrix().numpy())
    return 1 - np.abs(values[:-1]).max(), 1 + min(values[0], 0)


@pytest.mark.parametrize("restarts", [spectrum.RESTARTS, 1], ids=["Lanczos", "elimination"])
@pytest.mark.parametrize("rule", ["metropolis", "lazy", "max_degree"])
@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_the_bounds_of_large_graphs_are_safe_and_near(
    graph: nx.Graph, rule: str, restarts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spectrum, "DENSE", 10)
    monkeypatch.setattr(spectrum, "RESTARTS", restarts)
    found = of(graph, rule)
    for bound, value in zip((found.spectral_gap, 1 + found.min_eigenvalue), dense(graph, rule), strict=True):
        assert (1 - 2 * TOLERANCE) * value <= bound <= value * (1 + 1e-12)


def test_the_ways_differ_in_the_last_digits_only(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = of(GRAPHS["hubs"]).spectral_gap
    monkeypatch.setattr(spectrum, "DENSE", 10)
    lanczos = of(GRAPHS["hubs"]).spectral_gap
    assert lanczos == of(GRAPHS["hubs"]).spectral_gap  # from the same start
    monkeypatch.setattr(spectrum, "RESTARTS", 1)
    eliminated = of(GRAPHS["hubs"]).spectral_gap
    assert exact > lanczos and exact > eliminated  # bounds
    assert lanczos != eliminated


def test_the_gap_of_a_large_ring_is_a_bound_of_the_formula() -> None:
    nodes = 3000
    gap = 2 / 3 * (1 - math.cos(2 * math.pi / nodes))
    assert (1 - 1.1 * TOLERANCE) * gap < of(nx.cycle_graph(nodes)).spectral_gap < gap


def test_no_spectrum_is_found_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    monkeypatch.setattr(MixingSpectrum, "_by_lapack", lambda self: read.append(self.num_nodes) or (-0.25, 0.5))
    networks = [Network.from_networkx(nx.cycle_graph(n)) for n in (5, 6)]
    joined = Network.concatenate([*networks, networks[0]]).to(dtype=torch.float32)
    joined.mix(torch.ones(16, 2, dtype=torch.float32))
    assert joined.num_graphs == 3 and not read
    assert joined.spectral_gap.flatten().tolist() == [0.5, 0.5, 0.5]
    assert joined.min_eigenvalue.flatten().tolist() == [-0.25, -0.25, -0.25]
    assert read == [5, 6]  # the third is the first again


def test_single_precision_rounds_the_spectrum_of_double_precision() -> None:
    network = Network.from_networkx(GRAPHS["hubs"])
    assert torch.equal(network.to(dtype=torch.float32).spectral_gap, network.spectral_gap.float())
