"""Faults happen as described, and methods do what is said of them."""

from itertools import islice

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph import Network
from gnn_l2o.graph.faults import Faults, FaultyNetwork
from gnn_l2o.graph.faults.compression import quantize, sparsify
from gnn_l2o.graph.faults.draws import Draws
from gnn_l2o.handcrafted import HANDCRAFTED, RobustADMM
from gnn_l2o.learned import LocalMiLoDoArchitecture, available_models, load_model
from gnn_l2o.nn import PenaltyNetwork
from gnn_l2o.problems import L1, Zero
from gnn_l2o.testing.runs import small_problem
from tests.edge_admm import with_edge_variables

GRAPH = nx.gnp_random_graph(8, 0.5, seed=1)
NETWORK = Network.from_networkx(GRAPH)
LINKS = [(int(i), int(j)) for i, j in NETWORK.link_index.t()]


def arrivals(faults: str | Faults, rounds: int, network: Network = NETWORK, directed: bool = False) -> Tensor:
    """Return what arrives in each round, ``(rounds, R)``."""
    faulty = network.with_faults(faults)
    x = torch.zeros(network.num_nodes, 1)
    found = [faulty.neighbours(x, directed=directed)[0].arrived for _ in range(rounds)]
    return torch.stack([arrived[:, 0] for arrived in found if arrived is not None])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("drp=0.1", r"unknown fault 'drp'; did you mean 'drop'\? \(known: bits, burst, delay, drop, "),
        ("drop=1", "drop=1.0: expected a probability of at least 0 and below 1"),
        ("drop=nan", "drop=nan: expected a probability"),
        ("drop=often", "drop=often: expected a number"),
        ("drop", "expected a value of drop, as in 'drop=...', got 'drop'"),
        ("drop=0.1,drop=0.2", "drop is given twice"),
        ("burst=3", "burst needs a drop, as in 'drop=0.1,burst=5'"),
        ("drop=0.8,burst=2", "burst=2.0: expected at least 4 rounds"),
        ("links=0", "links=0: expected a whole number of rounds of at least 1"),
        ("bits=1", "bits=1: expected a whole number from 2 to 32"),
        ("bits=2.5", "bits=2.5: expected a whole number"),
        ("keep=0", "keep=0.0: expected a share above 0 and at most 1"),
        ("feedback=no", "feedback=no needs bits or keep"),
        ("keep=0.5,feedback=maybe", "feedback=maybe: expected yes or no"),
        ("noise=inf", "noise=inf: expected a finite number"),
        ("seed=-1", "seed=-1: expected a whole number of at least 0"),
    ],
)
def test_wrong_descriptions_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Faults.parse(text)
    with pytest.raises(InputError) as refused:
        NETWORK.with_faults(text)
    assert refused.value.given == {"faults": text}


def test_descriptions_are_read_back_as_they_are_written() -> None:
    text = "drop=0.1,burst=4.0,one_way=0.2,sleep=0.05,delay=0.3,links=2,bits=8,keep=0.5,feedback=no,noise=0.01,seed=7"
    assert str(Faults.parse(text)) == text
    assert Faults.parse(" drop = 0.1 , ") == Faults(drop=0.1)
    assert Faults.parse("") == Faults() and str(Faults()) == ""
    assert NETWORK.with_faults("drop=0.1").to(dtype=torch.float32).faults == Faults(drop=0.1)


def test_draws_depend_on_seed_round_and_number_only() -> None:
    some = torch.tensor([5, 0, 3])
    every, part = Draws(1, torch.arange(9), 9), Draws(1, some, 9)
    assert torch.equal(every.uniform("drop", 4)[some], part.uniform("drop", 4))
    assert torch.equal(every.normal("noise", 4, torch.ones(9, 2))[some], part.normal("noise", 4, torch.ones(3, 2)))
    for other in (Draws(2, every.number, 9).uniform("drop", 4), every.uniform("drop", 5), every.uniform("sleep", 4)):
        assert not torch.isclose(other, every.uniform("drop", 4)).any()
    assert torch.equal(arrivals("drop=0.5", 20), arrivals("drop=0.5", 20))
    assert not torch.equal(arrivals("drop=0.5", 20), arrivals("drop=0.5,seed=1", 20))


def test_links_fail_as_often_and_as_long_as_described() -> None:
    independent, bursts = ~arrivals("drop=0.2", 2000), ~arrivals("drop=0.2,burst=6", 2000)
    for failed, length in ((independent, 1 / 0.8), (bursts, 6)):
        assert abs(failed.double().mean() - 0.2) < 0.02
        ends = (failed[:-1] & ~failed[1:]).sum()
        assert abs(failed.sum() / ends - length) < 0.1 * length
        together = (failed[:, 0] & failed[:, 1]).double().mean()
        assert abs(together - 0.04) < 0.02


def test_all_links_of_a_sleeping_node_fail_and_no_other() -> None:
    for arrived in arrivals("sleep=0.2", 200):
        awake = [any(n in link and ok for link, ok in zip(LINKS, arrived, strict=True)) for n in GRAPH]
        assert all(bool(ok) == (awake[i] and awake[j]) for (i, j), ok in zip(LINKS, arrived, strict=True))


def test_random_graphs_have_the_whole_graph_as_their_union() -> None:
    windows = arrivals("links=4", 200).reshape(50, 4, -1)
    assert (windows.sum(dim=1) == 1).all()
    assert len({tuple(w.flatten().tolist()) for w in windows}) == 50


def test_given_graphs_follow_each_other() -> None:
    first, second = [LINKS[0][::-1], LINKS[3]], [LINKS[1]]
    arrived = arrivals(Faults(links=(first, second)), 4)  # type: ignore[arg-type]  # any sequences do
    assert [row.nonzero().flatten().tolist() for row in arrived] == [[0, 3], [1], [0, 3], [1]]
    for links in ([[(0, 1, 2)]], [], 1.5, [[0, 1]]):
        with pytest.raises(InputError, match="expected a whole number, or for every round pairs of nodes"):
            Faults(links=links)  # type: ignore[arg-type]
    missing = next(e for e in nx.non_edges(GRAPH))
    with pytest.raises(InputError, match=r"links has \(\d, \d\), which is no link of the network"):
        NETWORK.with_faults(Faults(links=((missing,),)))


@pytest.mark.parametrize("faults", ["drop=0.4", "drop=0.3,burst=3", "sleep=0.3", "links=2"])
def test_mixing_moves_the_weight_of_failed_links_to_self_weights(faults: str) -> None:
    faulty, x = NETWORK.with_faults(faults), torch.randn(8, 3)
    for arrived in arrivals(faults, 10):
        matrix = torch.zeros(8, 8)
        for (i, j), weight, ok in zip(LINKS, NETWORK.weight[:, 0], arrived, strict=True):
            matrix[i, j] = matrix[j, i] = weight * ok
        matrix += torch.diag(1 - matrix.sum(dim=1))
        torch.testing.assert_close(faulty.mix(x), matrix @ x, rtol=0, atol=1e-14)
    assert faulty.traffic.rounds == faulty.traffic.vectors == 10
    assert faulty.traffic.failed == 2 * int((~arrivals(faults, 10)).sum())


def test_what_travels_together_fails_together_and_setup_is_reliable() -> None:
    faulty, x = NETWORK.with_faults("drop=0.5"), torch.randn(8, 3)
    first, second, numbers = faulty.neighbours(x, 2 * x, numbers=x[:, :1])
    assert first.arrived is not None and first.arrived.any() and not first.arrived.all()
    for ends, value in ((first, x), (second, 2 * x), (numbers, x[:, :1])):
        torch.testing.assert_close(ends.arrived, first.arrived)
        i, j = NETWORK.link_index
        assert torch.equal(ends.difference, first.arrived * (value[i] - value[j]))
    faulty = NETWORK.with_faults("drop=0.99,one_way=0.9")
    (ends,) = faulty.neighbours(numbers=x, setup=True)
    assert ends.arrived is None and torch.equal(ends.other, x[faulty.edge_index[0]])
    assert torch.equal(faulty.graph_min(x[:, :1]), x[:, :1].min().expand(8, 1))


@pytest.mark.parametrize("directed", [False, True])
def test_without_any_fault_exchanges_are_those_of_the_network(directed: bool) -> None:
    faulty, x = NETWORK.with_faults("seed=3"), torch.randn(8, 3)
    torch.testing.assert_close(faulty.mix(x), NETWORK.mix(x))
    torch.testing.assert_close(faulty.matrix(), NETWORK.matrix())
    own, other = NETWORK.neighbours(x, directed=directed)[0][:2]
    ends = faulty.neighbours(x, directed=directed)[0]
    assert torch.equal(ends.own, own) and torch.equal(ends.other, other)
    edges = torch.randn(NETWORK.num_edges, 2)
    assert torch.equal(faulty.swap(edges), NETWORK.swap(edges))


def test_one_way_losses_are_independent_in_both_directions() -> None:
    arrived = arrivals("one_way=0.3", 1000, directed=True)
    reverse = arrived[:, NETWORK.reverse]
    assert abs(arrived.double().mean() - 0.7) < 0.02
    assert abs((arrived & reverse).double().mean() - 0.49) < 0.02
    assert torch.equal(arrived, arrivals("one_way=0.3", 1000))  # rows are directed edges in any case


def test_delayed_messages_are_replaced_by_the_last_ones() -> None:
    faulty, last = NETWORK.with_faults("delay=0.5"), torch.full((NETWORK.num_edges, 1), torch.nan)
    own = faulty.edge_index[1]
    reused = 0
    for k in range(20):
        x = torch.full((8, 1), float(k)) + 0.01 * torch.arange(8).unsqueeze(1)
        (ends,) = faulty.neighbours(x)
        assert torch.equal(ends.own, x[own]) and ends.arrived is not None
        new = ends.arrived & (ends.other == x[faulty.edge_index[0]])
        last = torch.where(new, ends.other, last)
        assert torch.equal(ends.arrived, ~last.isnan())
        assert torch.equal(ends.other[ends.arrived], last[ends.arrived])
        reused += int((ends.arrived & ~new).sum())
    assert 0.3 < reused / (20 * NETWORK.num_edges) < 0.6


def test_noise_is_relative_to_what_is_sent_and_spares_numbers() -> None:
    x = 10.0 ** torch.arange(8).unsqueeze(1) * torch.randn(8, 2000).sign()
    vector, numbers = NETWORK.with_faults("noise=0.1").neighbours(x, numbers=x)
    sender = x[NETWORK.edge_index[0]]
    noise = (vector.other - sender) / sender.abs()
    assert torch.equal(numbers.other, sender) and torch.equal(vector.own, x[NETWORK.edge_index[1]])
    torch.testing.assert_close(noise.std(dim=1), torch.full((NETWORK.num_edges,), 0.1), rtol=0.1, atol=0)
    assert torch.corrcoef(noise).fill_diagonal_(0).abs().max() < 0.12


def test_compressed_vectors() -> None:
    v = torch.randn(5, 50)
    for bits in (2, 3, 8):
        found = quantize(v, bits)
        assert ((found - v).abs() <= v.abs().amax(dim=1, keepdim=True) / (2**bits - 1) + 1e-12).all()
        assert all(len(set(row.tolist())) <= 2**bits for row in found)
        assert torch.equal(found.abs().amax(dim=1), v.abs().amax(dim=1))
    assert torch.equal(quantize(torch.zeros(2, 3), 4), torch.zeros(2, 3))
    found = sparsify(v, 0.21)
    assert ((found != 0).sum(dim=1) == 11).all()
    smallest_sent = torch.where(found == 0, torch.inf, found.abs()).amin(dim=1)
    assert (smallest_sent > (v - found).abs().amax(dim=1)).all()
    assert ((found == v) | (found == 0)).all()


def test_error_feedback_makes_the_error_of_what_is_repeated_vanish() -> None:
    x = torch.randn(8, 40)
    i, j = NETWORK.link_index
    for faults in ("bits=3", "keep=0.1", "bits=3,keep=0.3"):
        plain, fed = NETWORK.with_faults(f"{faults},feedback=no"), NETWORK.with_faults(faults)
        errors = [
            float((n.neighbours(x)[0].difference - (x[i] - x[j])).norm()) for n in (plain, fed) for _ in range(40)
        ]
        assert errors[0] == errors[39] > 0.1
        assert errors[40] == errors[0] and errors[79] < 1e-6 * errors[0]


def test_edge_variables_of_failed_exchanges_are_kept() -> None:
    """The rule with frozen penalties is ADMM with edge variables, of which those of failed links stay as they are."""
    graph = nx.gnp_random_graph(6, 0.6, seed=1)
    network, problem = Network.from_networkx(graph), small_problem(6, L1(0.2))
    weights = PenaltyNetwork(8)
    with torch.no_grad():
        for parameter in weights.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    optimizer = LocalMiLoDoArchitecture(warmup=0).algorithm(weights)
    with torch.no_grad():
        found = list(islice(run(optimizer, problem, network.with_faults("drop=0.4"), torch.zeros(6, 4)), 9))
    number = {frozenset(link): k for k, link in enumerate(network.link_index.t().tolist())}
    arrived = arrivals("drop=0.4", 8, network)
    expected = with_edge_variables(
        problem,
        graph,
        lambda i, j: found[0].penalty[number[frozenset((i, j))]].numpy(),
        float(found[0].relaxation[0]),
        np.zeros((6, 4)),
        8,
        lambda k, i, j: bool(arrived[k, number[frozenset((i, j))]]),
    )
    for state, x in zip(found[1:], expected, strict=True):
        torch.testing.assert_close(state.x, torch.from_numpy(x), rtol=1e-8, atol=1e-8)


def test_penalties_and_memories_of_failed_exchanges_are_kept() -> None:
    weights = PenaltyNetwork(8)
    with torch.no_grad():
        for parameter in weights.parameters():
            parameter.add_(torch.randn_like(parameter))
    optimizer = LocalMiLoDoArchitecture(warmup=9).algorithm(weights)
    with torch.no_grad():
        x0 = torch.zeros(8, 4)
        states = list(islice(run(optimizer, small_problem(8, L1(0.2)), NETWORK.with_faults("drop=0.5"), x0), 9))
    for before, after, arrived in zip(states, states[1:], arrivals("drop=0.5", 8), strict=False):
        edges = [(s.penalty, s.memory.edge[0].squeeze(2).t(), s.memory.edge[1].squeeze(2).t()) for s in (before, after)]
        for old, new in zip(*edges, strict=True):
            assert torch.equal(old[~arrived], new[~arrived])
            assert (old[arrived] != new[arrived]).any(dim=1).all()
        alone = torch.ones(8, dtype=torch.bool).index_fill(0, NETWORK.link_index[:, arrived].flatten(), value=False)
        assert torch.equal(before.memory.heard[alone], after.memory.heard[alone])
        assert torch.equal(before.y[alone], after.y[alone])


@pytest.mark.parametrize("faults", ["", "drop=0.4", "one_way=0.4", "sleep=0.3"])
def test_robust_admm_is_admm_with_edge_variables_that_wait_for_their_message(faults: str) -> None:
    problem = small_problem(8, L1(0.2))
    edges = map(tuple, NETWORK.edge_index.t().tolist())
    arrived = dict(zip(edges, arrivals(faults, 8, directed=True).t(), strict=True))
    expected = with_edge_variables(
        problem, GRAPH, lambda i, j: np.full(4, 0.7), 0.8, np.ones((8, 4)), 8, lambda k, i, j: bool(arrived[j, i][k])
    )
    states = run(RobustADMM(0.7, 0.8), problem, NETWORK.with_faults(faults), torch.ones(8, 4))
    for state, x in zip(islice(states, 1, 9), expected, strict=True):
        torch.testing.assert_close(state.x, torch.from_numpy(x), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("faults", ["drop=0.3,burst=4,sleep=0.1,bits=8,keep=0.9", "one_way=0.1,delay=0.1,noise=0.001"])
def test_every_algorithm_runs_with_faults(faults: str) -> None:
    methods = [method.from_setting(small_problem(10, Zero()), method.settings(1)[0]) for method in HANDCRAFTED.values()]
    network = Network.from_networkx(nx.cycle_graph(10))  # to which some released models are bound
    for algorithm in [*methods, *(load_model(name).to(dtype=torch.float64) for name in available_models())]:
        problem = small_problem(10, Zero())
        if algorithm.refusal(problem, network) is None:
            with torch.no_grad():
                x = next(islice(run(algorithm, problem, network.with_faults(faults), torch.zeros(10, 4)), 4, None)).x
            assert x.isfinite().all(), algorithm.name


def test_a_faulty_network_tells_what_it_is() -> None:
    faulty = NETWORK.with_faults("drop=0.1")
    assert isinstance(faulty, FaultyNetwork) and isinstance(faulty, Network)
    assert torch.equal(faulty.spectral_gap, NETWORK.spectral_gap)
    assert faulty.with_faults(Faults(sleep=0.1)).faults == Faults(sleep=0.1)
