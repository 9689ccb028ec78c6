"""Runs over several processes give what a run in one process gives; all is counted, and misuse is told in a line."""

import json
from contextlib import nullcontext

import networkx as nx
import pytest
import torch

import gnn_l2o
from gnn_l2o.algorithms.stopping import MaxRounds
from gnn_l2o.applications.checkpoints import Checkpoints
from gnn_l2o.cli import evaluate
from gnn_l2o.distributed.partition import in_breadth_first_order, partition
from gnn_l2o.graph import Network
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.discovery import find_extents, find_spectrum
from tests.processes import WORKERS, environments, run_processes

ROUNDING = 1e-12
AMPLIFIED = {"dmbfgs": 1e-10}  # quasi-Newton updates divide by small differences


def outputs(script, count, *arguments):
    """Return what each process printed as its last line."""
    ended = run_processes([WORKERS / script, *arguments], environments(count))
    for process in ended:
        assert process.returncode == 0, process.stderr
    return [json.loads(process.stdout.splitlines()[-1]) for process in ended]


@pytest.mark.parametrize(("count", "graph"), [(2, "erdos_renyi:parts"), (2, "star:scattered"), (3, "hubs:scattered")])
def test_all_algorithms_give_the_iterates_of_one_process(count, graph):
    for results in outputs("equality.py", count, graph):
        assert len(results) > 60
        for run, found in results.items():
            assert found["apart"] <= AMPLIFIED.get(run.partition(",")[0], ROUNDING), (run, found)
            assert found["counted"], run
            assert found["repeated"], run


@pytest.mark.parametrize("count", [2, 3])
def test_applications_give_the_results_of_one_process(count, tmp_path):
    first, *others = outputs("applications.py", count, tmp_path)
    for results in (first, *others):
        assert max(results["minimize"].values()) <= ROUNDING
        assert results["train_module"] <= 1e-4  # float32, where losses are about 50
        if count == 2:
            assert results["evaluate"]["apart"] <= 1e-6  # six digits are recorded
    if count == 2:
        assert {"results.json", "report.md", "figures"} <= set(first["evaluate"]["written"])
        assert others[0]["evaluate"]["written"] is None


def test_messages_are_packed_and_counted(tmp_path):
    script = tmp_path / "traffic.py"
    script.write_text(
        "import torch, json\n"
        "from gnn_l2o.distributed import DistributedNetwork, Division, start\n"
        "from gnn_l2o.graph import Network\n"
        "processes = start()\n"
        "network = Network.from_edges([(0, 1), (1, 2), (2, 3), (3, 0), (0, 2)])\n"
        "division = Division(processes, torch.tensor([0, 0, 1, 1]))\n"
        "part = DistributedNetwork.part_of(network, division)\n"
        "x = division.nodes.double().unsqueeze(1) * torch.ones(1, 5).double()\n"
        "vectors, numbers = part.neighbours(x, numbers=x[:, :2])\n"
        "print(json.dumps([processes.messages, processes.bytes_sent, vectors.difference[:, 0].tolist()]))\n"
    )
    # Links by their ends: 0-1, 0-2, 0-3, 1-2 at process 0 and 0-2, 0-3, 1-2, 2-3 at process 1; two nodes have
    # neighbours elsewhere at each, and their 5 + 2 numbers of 8 bytes travel in one message.
    first, second = outputs(script, 2)
    assert first == [1, 2 * 7 * 8, [-1, -2, -3, -1]]
    assert second == [1, 2 * 7 * 8, [-2, -3, -1, -1]]


@pytest.mark.parametrize("topology", ["ring", "star", "complete", "erdos_renyi", "hubs", "grid"])
def test_nodes_find_the_facts_of_their_graph(topology):
    network = build_network(topology, 16)
    own = torch.arange(network.num_nodes)
    diameter, radius = find_extents(network, own)
    gap, smallest = find_spectrum(network, own)
    eigenvalues = torch.linalg.eigvalsh(network.matrix())
    lengths = dict(nx.all_pairs_shortest_path_length(nx.Graph(network.link_index.t().tolist())))
    farthest = [max(to.values()) for to in lengths.values()]
    assert (int(diameter), int(radius)) == (max(farthest), min(farthest))
    torch.testing.assert_close(gap.item(), (1 - eigenvalues[:-1].abs().max()).item(), rtol=0, atol=1e-12)
    torch.testing.assert_close(smallest.item(), eigenvalues[0].clamp(max=0).item(), rtol=0, atol=1e-12)
    assert network.traffic.setup_rounds > max(farthest)
    assert network.traffic.rounds == 0


def test_parts_are_equal_and_connected():
    network = build_network("grid", 36)
    owner = in_breadth_first_order(network, 5)
    assert sorted(torch.bincount(owner).tolist()) == [7, 7, 7, 7, 8]
    found = partition(network, 4)
    assert torch.bincount(found).min() >= 7
    crossing = (found[network.link_index[0]] != found[network.link_index[1]]).sum()
    assert crossing <= 24  # of 60 links, of which parts drawn at random would cut 45
    with pytest.raises(ValueError, match="3 processes for 2 nodes"):
        partition(Network.from_edges([(0, 1)]), 3)


MISUSES = {
    "networks": (
        "minimize(f, [[1.0]], nx.path_graph(2) if rank == 0 else Network.from_mixing_matrix(W))",
        "processes 0 and 1 have different values of network",
    ),
    "sizes": ("minimize(f, [[1.0]], nx.path_graph(3))", "the network has 3 nodes, got 2 processes"),
    "one_sided": (
        "minimize(f, [[1.0]], [0] if rank else [])",
        "process 1 names 0 as its neighbour, but 0 does not name 1",
    ),
    "itself": ("minimize(f, [[1.0]], [rank])", "expected other processes, 0 to 1"),
    "regularizers": (
        "minimize(f, [[1.0]], nx.path_graph(2), regularizer=L1(0.1 * (1 + rank)))",
        "processes 0 and 1 have different values of regularizer",
    ),
    "long_regularizers": (  # whose texts begin alike
        "minimize(f, [[1.0]], nx.path_graph(2), regularizer=ElasticNet(0.12345678901234567, 0.1 * (1 + rank)))",
        "processes 0 and 1 have different values of regularizer",
    ),
    "optimizers": (
        "minimize(f, [[1.0]], nx.path_graph(2), optimizer='prox_ed' if rank else 'milodo_local')",
        "processes 0 and 1 have different values of optimizer",
    ),
    "stops": (
        "minimize(f, [[1.0]], nx.path_graph(2), stop=MaxRounds(5 + rank))",
        "processes 0 and 1 have different values of stopping rule",
    ),
    "dimensions": (
        "minimize(f, [[1.0] * (1 + rank)], nx.path_graph(2))",
        "processes 0 and 1 have different values of number of coordinates",
    ),
}


@pytest.fixture(scope="module")
def misuses(tmp_path_factory):
    """Make all mistakes in one pair of processes; return the errors by name."""
    script = tmp_path_factory.mktemp("misuse") / "misuse.py"
    lines = [f"    {name!r}: lambda: {call}," for name, (call, _) in MISUSES.items()]
    script.write_text(
        "import json\nimport networkx as nx\nfrom gnn_l2o.distributed import minimize, start\n"
        "import numpy as np\nfrom gnn_l2o import Network\nfrom gnn_l2o.algorithms.stopping import MaxRounds\n"
        "from gnn_l2o.problems import ElasticNet, L1\n"
        "W = np.array([[0.6, 0.4], [0.4, 0.6]])\n"
        "rank = start().rank\nerrors = {}\n"
        "def f(x, a):\n    return 0.5 * (x - a).square().sum()\n"
        "nearly = L1(0.1 * (1 + 1e-14 * rank))  # which is no mistake, as processors round differently\n"
        "minimize(f, [[1.0]], nx.path_graph(2), regularizer=nearly, stop=MaxRounds(2))\n"
        "calls = {\n" + "\n".join(lines) + "\n}\n"
        "for name, call in calls.items():\n"
        "    try:\n        call()\n    except ValueError as error:\n        errors[name] = str(error)\n"
        "print(json.dumps(errors))\n"
    )
    return outputs(script, 2)


@pytest.mark.parametrize("name", MISUSES)
def test_processes_that_disagree_are_told(misuses, name):
    expected = MISUSES[name][1]
    for errors in misuses:
        assert expected in errors[name]


def test_a_lone_process_is_told_how_to_start(capsys):
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--distributed", "--dataset", "lasso"])
    assert stop.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("evaluate.py: error: --distributed: this is a lone process; start")


def test_missing_processes_are_told(tmp_path):
    script = tmp_path / "lonely.py"
    script.write_text("from gnn_l2o.distributed import start\nstart(timeout=1)\n")
    [ended] = run_processes([script], environments(2)[:1])
    assert ended.returncode == 1
    assert "process 0 of 2 cannot join the others at 127.0.0.1" in ended.stderr
    assert "within 1 s" in ended.stderr


def test_the_example_of_a_node_a_process():
    first, second = run_processes(["examples/node_a_process.py"], environments(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout.startswith("node 0: x begins with 0.94")
    assert "converged after" in first.stdout
    assert second.stdout.removeprefix("node 1") == first.stdout.removeprefix("node 0")


def test_files_of_an_end_that_others_did_not_see_do_not_shift_those_to_come(tmp_path):
    def minimized(rounds, **options):
        checkpoints = Checkpoints(tmp_path, every=10, **options)
        return gnn_l2o.minimize(
            lambda x, a: 0.5 * (x - a).square().sum(),
            [[1.0], [2.0], [6.0]],
            "ring",
            x0=0.0,
            optimizer="prox_ed:step_size=0.5",
            stop=MaxRounds(rounds),
            checkpoints=checkpoints,
        )

    minimized(35)
    assert {path.name for path in tmp_path.iterdir()} == {"run-20.pt", "run-30.pt"}
    (tmp_path / "run-30.pt").rename(tmp_path / "run-33.pt")  # what a process has that outlived the others
    result = minimized(60, choose=min)
    assert {path.name for path in tmp_path.iterdir()} == {"run-50.pt", "run-60.pt"}
    assert result.trace["iteration"].tolist() == list(range(61))


@pytest.mark.parametrize(("scale", "refused"), [(1 + 1e-14, False), (1.01, True)])
def test_a_checkpoint_is_of_one_problem_up_to_rounding(scale, refused, tmp_path):
    def minimized(factor):
        gnn_l2o.minimize(
            lambda x, a: 0.5 * factor * (x - a).square().sum(),
            [[1.0], [2.0]],
            nx.path_graph(2),
            x0=0.0,
            optimizer="prox_ed:step_size=0.5",
            stop=MaxRounds(5),
            checkpoints=Checkpoints(tmp_path, every=1),
        )

    minimized(1.0)
    with pytest.raises(ValueError, match="of a run with another problem;") if refused else nullcontext():
        minimized(scale)
