"""The released unrolled networks recover new signals."""

import numpy as np
import pytest
import torch

from gnn_l2o import plugins
from gnn_l2o.graph.network import Network
from gnn_l2o.learned import load_model
from gnn_l2o.learned.model import model_folder, model_recipe
from gnn_l2o.learned.unrolled import Unrolled
from gnn_l2o.problems import SparseRecovery
from gnn_l2o.problems.nmse import sample_nmse, set_nmse
from tests.learned.small_unrolled import LONE, RING, after

GATES = {  # NMSE in dB over a set, and as a mean over the signals
    "alista": (-33.0, -55.0),
    "lista_cpss": (-32.0, -52.0),
    "lamp": (-23.0, -48.0),
    "lfista": (-15.0, -16.0),
    "lista": (-14.0, -15.0),
    "lista_cp": (-14.0, -17.0),
    "glista": (-32.0, -48.0),
    "step_lista": (-7.5, -8.5),
    "alista_noisy": (-18.0, -20.0),
    "lista_cpss_noisy": (-19.0, -21.5),
    "glista_noisy": (-19.0, -21.5),
    "lista_cpss_ill": (-15.0, -30.0),
    "glista_ill": (-15.0, -30.0),
    "lamp_ill": (-15.0, -22.0),
}


@pytest.mark.parametrize("name", GATES)
def test_released_networks_recover_new_signals(name: str) -> None:
    (dataset,) = model_recipe(model_folder(name))["training"]["dataset"]
    network, problem = load_model(name), plugins.load("dataset", dataset)(LONE, seed=0)
    assert isinstance(network, Unrolled) and isinstance(problem, SparseRecovery)
    network = network.to(dtype=torch.float64)
    given, target = problem.samples_of(512, np.random.default_rng(11))
    graph = Network.concatenate([LONE] * 512)
    with torch.no_grad():
        state = network.first_state(given, graph, torch.zeros_like(target))
        for _ in range(network.depth):
            state = network.next_state(given, graph, state)
    over_set, of_signals = GATES[name]
    assert set_nmse(state.x, target) < over_set
    assert sample_nmse(state.x, target).mean() < of_signals


def test_the_network_for_a_ring_recovers_over_a_ring() -> None:
    network, problem = load_model("alista_ring"), plugins.load("dataset", "sparse_recovery")(RING, seed=0)
    assert isinstance(network, Unrolled) and isinstance(problem, SparseRecovery)
    assert (network.sums, network.depth) == ("exact_diffusion", 60)
    problems = [plugins.load("dataset", "sparse_recovery")(RING, seed=900 + k) for k in range(20)]
    many, graphs = SparseRecovery.concatenate(problems), Network.concatenate([RING] * 20)
    x = after(network.to(dtype=torch.float64), many, graphs, 60)
    assert graphs.traffic.rounds == 60
    assert set_nmse(x, many.target.repeat_interleave(8, dim=0)) < -15
