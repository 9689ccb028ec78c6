"""A whole evaluation: what it runs, measures and writes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.stopping import MaxRounds
from gnn_l2o.evaluation import cases as cases_module, experiment
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted.prox_ed import ProxEDState
from gnn_l2o.learned import load_model
from gnn_l2o.problems import Problem
from tests.evaluation.learned_step import Learned
from tests.evaluation.small_cases import SMALL
from tests.evaluation.small_evaluation import small
from tests.evaluation.small_results import COSTS


def test_an_evaluation_in_a_few_lines(tmp_path: Path) -> None:
    results = small(output=tmp_path / "out")
    assert [c.nodes for c in results.cases] == [4, 6]
    names = [(r.nodes, r.instance, r.algorithm) for r in results.runs]
    assert names == [(n, k, a) for n in (4, 6) for k in (0, 1) for a in ("prox_ed", "pg_extra", "learned")]
    content = json.loads((tmp_path / "out/results.json").read_text())
    assert set(content) == {
        *("schema", "command", "seed", "versions", "settings", "methods", "metrics", "tuning", "redrawn", "skipped"),
        *("sources", "networks", "published", "runs", "summary"),
    }
    assert set(content["runs"][0]) == {
        *("algorithm", "dataset", "topology", "nodes", "instance", "step_size", "parameters", "diverged", "final_gap"),
        *("final_consensus", "seconds", "rounds_per_iteration", "vectors_per_edge_per_iteration", "reached", "trace"),
        *("reached_worst", "setup_rounds", "setup_numbers", "weights", "node_distances"),
    }
    assert set(content["runs"][0]["trace"]) == {*("iteration", "gap", "worst_node_gap", "consensus", *COSTS, "seconds")}
    assert {r["step_size"] is None for r in content["runs"] if r["algorithm"] == "learned"} == {True}
    files = sorted(p.name for p in (tmp_path / "out").rglob("*") if p.is_file())
    stems = [f"lasso_features=6_samples=4_erdos_renyi_p=0.6_{n}" for n in (4, 6)]
    stems += [f"front_{s}" for s in stems]
    assert files == sorted(
        [
            *(f"{s}.{e}" for s in stems for e in ("png", "svg")),
            "report.md",
            "results.json",
            "summary.csv",
            "report.html",
            "algorithms.csv",
        ]
    )
    tuned = [(t["algorithm"], t["case"]["nodes"]) for t in content["tuning"]]
    assert tuned == [(a, n) for n in (4, 6) for a in ("prox_ed", "pg_extra")]
    for t in content["tuning"]:
        assert len(t["trials"]) == 6 + sum(warning.endswith("the grid is widened") for warning in t["warnings"])
    for r in content["runs"]:
        if r["algorithm"] != "learned":
            chosen = next(
                t for t in content["tuning"] if (t["algorithm"], t["case"]["nodes"]) == (r["algorithm"], r["nodes"])
            )
            assert r["parameters"] == chosen["setting"]
            assert r["step_size"] != chosen["setting"]["step_size"]  # the one is absolute, the other times L


def test_what_is_measured_is_the_certified_gap() -> None:
    results = small(nodes=[4], instances=1, iterations=400, algorithms=["prox_ed"])
    assert all(abs(r.final_gap) < 1e-9 and r.final_consensus < 1e-6 for r in results.runs)  # type: ignore[arg-type, operator]


def test_methods_end_once_every_node_is_done_and_models_do_not() -> None:
    results = small(nodes=[4], algorithms=["prox_ed"], instances=1, iterations=3000)
    method, model = (results.find(results.cases[0], name, 0) for name in ("prox_ed", "learned"))
    assert method is not None
    assert model is not None
    worst = method.trace["worst_node_gap"]
    assert worst[-1] <= 1e-10 < worst[-2]
    assert method.iterations < model.iterations == 3000


@pytest.mark.usefixtures("quick_figures")
def test_stopping_rules_end_the_runs_of_an_evaluation(tmp_path: Path) -> None:
    results = small(nodes=[4], stop=[MaxRounds(20)], output=tmp_path)
    assert {r.iterations for r in results.runs} == {20}
    assert "Runs end where a rule holds: MaxRounds(rounds=20)." in (tmp_path / "report.md").read_text()
    with pytest.raises(InputError, match="stop"):
        small(nodes=[4], output=tmp_path, resume=True)


@dataclass(frozen=True, eq=False)
class WithModule(Learned):
    """A model whose ``to`` changes its module in place, as that of shipped models does."""

    module: Any = None

    def to(self, dtype: torch.dtype) -> "WithModule":
        self.module.to(dtype=dtype)
        return self


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_models_of_the_caller_keep_their_precision(dtype: str) -> None:
    module = torch.nn.Linear(1, 1, dtype=torch.bfloat16)
    parameter = module.weight
    small(models=[WithModule(torch.tensor(0.9), module=module)], nodes=[4], algorithms=[], dtype=dtype)
    assert module.weight is parameter and module.weight.dtype == module.bias.dtype == torch.bfloat16
    shipped: Any = load_model("milodo_gnn").to(dtype=torch.float16)  # type: ignore[attr-defined]
    small(models=[shipped], nodes=[4], algorithms=[], dtype=dtype, instances=1, iterations=3)
    modules = [m for m in vars(shipped).values() if isinstance(m, torch.nn.Module)]
    assert {p.dtype for module in modules for p in module.parameters()} == {torch.float16}


def test_single_precision_runs() -> None:
    dtypes = set()

    @dataclass(frozen=True, eq=False)
    class Watched(Learned):
        def step(self, problem: Problem, network: Network, state: ProxEDState) -> ProxEDState:
            dtypes.add(state.x.dtype)
            return super().step(problem, network, state)

    results = small(models=[Watched(torch.tensor(0.9))], nodes=[4], dtype="float32")
    assert dtypes == {torch.float32}
    assert all(r.final_gap is not None and r.final_gap < 0.1 for r in results.runs)


def test_instances_differ_in_graph_and_data_and_never_meet_those_of_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, str]] = []
    original = cases_module.build_network

    def watched(*args: Any, seed: int, **kwargs: Any) -> Network:
        network = original(*args, seed=seed, **kwargs)
        seen.append((seed, str(network.link_index.tolist())))
        return network

    monkeypatch.setattr(cases_module, "build_network", watched)
    results = small(nodes=[8], instances=3)
    seeds, graphs = zip(*seen, strict=True)
    assert len(set(seeds[5:])) == len(seeds[5:]) == 7  # three to evaluate on, two to tune on, two for stability
    assert seeds[:5] == (0, 1, 2, 3, 4)  # which tell that the topology is random
    assert len(set(graphs)) > 1
    assert all(2**31 <= s < 2**32 for s in seeds[5:])
    assert len({r.final_gap for r in results.runs}) == len(results.runs)


def test_nothing_is_written_without_an_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small(nodes=[4], algorithms=[])
    assert list(tmp_path.iterdir()) == []


def test_checking_only_writes_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "measure", None)
    results = small(output=tmp_path / "out", check_only=True)
    assert results.runs == [] and not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="unknown dataset"):
        small(datasets=["laso"], check_only=True)


def test_progress_is_reported() -> None:
    told: list[tuple[str, float]] = []
    small(report=lambda what, done: told.append((what, done)))
    assert len(told) == 2 * (2 + 2 * 3)
    assert [done for _, done in told] == pytest.approx([k / len(told) for k in range(len(told))])
    assert told[0][0] == f"{SMALL}, erdos_renyi:p=0.6, 4 nodes: tuning prox_ed"
