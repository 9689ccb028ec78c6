"""Methods and models that do not apply are left out, those of users take part, and gradients may be stochastic."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.evaluation import Results, summary
from gnn_l2o.evaluation.figures import draw
from gnn_l2o.evaluation.selection import members
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import ProxED
from gnn_l2o.problems import Problem
from tests.evaluation.learned_step import Learned
from tests.evaluation.small_cases import SMALL
from tests.evaluation.small_evaluation import MINE, small
from tests.evaluation.small_results import COSTS


@dataclass(frozen=True, eq=False)
class Picky(Learned):
    """Runs on networks of four nodes only."""

    def refusal(self, problem: Problem, network: Network) -> str | None:
        return None if network.num_nodes == 4 else f"it wants 4 nodes, not {network.num_nodes}"


@dataclass(frozen=True, eq=False)
class Smooth(ProxED):
    name = "smooth"
    composite = False


@pytest.mark.usefixtures("quick_figures")
def test_what_does_not_apply_is_left_out_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS._members, "smooth", Smooth)
    results = small(
        models=[Picky(torch.tensor(0.9), name="picky")],
        datasets=["linear:features=4", SMALL],
        algorithms=["prox_ed", "smooth"],
        instances=1,
        output=tmp_path,
    )
    ran = {(r.dataset, r.nodes): [] for r in results.runs}
    for r in results.runs:
        ran[r.dataset, r.nodes].append(r.algorithm)
    assert ran == {
        ("linear:features=4", 4): ["prox_ed", "smooth", "picky"],
        ("linear:features=4", 6): ["prox_ed", "smooth"],
        (SMALL, 4): ["prox_ed", "picky"],
        (SMALL, 6): ["prox_ed"],
    }
    cases = [(s["algorithm"], s["case"]["dataset"], s["case"]["nodes"]) for s in results.skipped]
    assert cases == [
        ("picky", "linear:features=4", 6),
        ("smooth", SMALL, 4),
        ("smooth", SMALL, 6),
        ("picky", SMALL, 6),
    ]
    assert results.skipped[0]["reason"] == "it wants 4 nodes, not 6"
    assert results.skipped[1]["reason"].startswith("Prox-ED is for smooth problems")
    assert len([t for t in results.tuning if t["algorithm"] == "smooth"]) == 2
    assert Results.load(tmp_path).skipped == results.skipped


def test_if_nothing_applies_anywhere_that_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^nothing to evaluate: it wants 4 nodes, not 6$"):
        small(models=[Picky(torch.tensor(0.9))], algorithms=[], nodes=[6], output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_methods_for_stochastic_gradients_take_part_only_with_such() -> None:
    stochastic = [name for name in members("all") if METHODS[name].stochastic]
    results = small(nodes=[4], algorithms=["prox_ed", *stochastic], instances=1)
    assert {s["algorithm"] for s in results.skipped} == set(stochastic)
    assert all("exact" in s["reason"] for s in results.skipped)


def test_gradients_may_come_from_a_few_samples() -> None:
    exact, noisy = (small(nodes=[4], algorithms=["prox_ed"], batch_size=b) for b in (None, 2))
    assert noisy.settings["batch_size"] == 2
    for one, other in zip(exact.runs, noisy.runs, strict=True):
        assert one.final_gap != other.final_gap
        assert other.trace["gap"][0] == one.trace["gap"][0] == 1.0  # measured on the whole problem
        assert other.trace["rounds"] == other.trace["iteration"]
    again = small(nodes=[4], algorithms=["prox_ed"], batch_size=2)
    for r in (*again.runs, *noisy.runs):
        r.trace.pop("seconds")
    assert [r.trace for r in again.runs] == [r.trace for r in noisy.runs]


def test_methods_and_metrics_of_a_file_stand_in_results_tables_and_figures(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    file, out = str(tmp_path / "mine.py"), tmp_path / "out"
    results = small(
        nodes=[4],
        instances=1,
        algorithms=["prox_ed", f"{file}::Mine"],
        references=[f"{file}::Mine", "prox_ed"],
        metrics=[file],
        output=out,
    )
    assert results.handcrafted == ["prox_ed", "mine"]
    row = results.summary()[0]
    names = ["mine_rounds", "speedup_vs_mine", "prox_ed_rounds", "speedup_vs_prox_ed"]
    assert [name for name in row if name in names] == names
    assert row["mine_rounds"] == row["prox_ed_rounds"] is not None
    assert summary(results).rows[0]["over my own method"] == summary(results).rows[0]["over Prox-ED"]
    for r in results.runs:
        assert set(r.trace) == {"iteration", "gap", "support", *COSTS, "seconds"}
        assert r.final_consensus is None and r.trace["support"][0] == 0 < r.trace["support"][-1] <= 6
    page = (out / "report.md").read_text()
    assert "final nonzero coordinates" in page and "| my own method |" in page and "final consensus" not in page
    assert [ax.get_ylabel() for ax in draw(Results.load(out), results.cases[0]).axes][2] == "nonzero coordinates"
    assert Results.load(out).label("mine") == "my own method"  # without the file
