"""Our methods against iterates that other people's implementations produced, see oracles/README.md."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from gnn_l2o.algorithms.driver import run
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import HANDCRAFTED
from gnn_l2o.problems import LeastSquares
from gnn_l2o.problems.regularizers import Zero

ORACLES = Path(__file__).parents[1] / "oracles"
RECORDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in ORACLES.glob("*.json")}
CASES = [(record, theirs) for record, contents in sorted(RECORDS.items()) for theirs in contents["iterates"]]
OURS = {
    "DGD": "prox_dgd",
    "ATC": "diffusion",
    "EXTRA": "pg_extra",
    "NIDS": "nids",
    "ED": "prox_ed",
    "ATC_Tracking": "atc_tracking",
    "AugDGM": "prox_atc",
    "GradientTracking": "diging",
}


def test_every_oracle_is_compared() -> None:
    assert sorted(RECORDS) == ["decent_bench", "disropt"]
    assert sorted(theirs for _, theirs in CASES) == sorted(OURS)


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_our_mixing_matrix_is_theirs(name: str) -> None:
    ours = Network.from_edges(RECORDS[name]["edges"]).matrix()
    torch.testing.assert_close(ours, torch.tensor(RECORDS[name]["mixing"]), rtol=0, atol=1e-15)


@pytest.mark.parametrize(("name", "theirs"), CASES)
def test_our_iterates_are_theirs(name: str, theirs: str) -> None:
    record = RECORDS[name]
    network = Network.from_edges(record["edges"])
    problem = LeastSquares.from_nodes(record["features"], record["targets"], Zero())
    method: Any = HANDCRAFTED[OURS[theirs]]
    states = run(method(step_size=record["step_size"]), problem, network, torch.tensor(record["x0"]))
    iterates = [state.x for state in islice(states, max(record["recorded"]) + 1)]
    ours = torch.stack([iterates[k] for k in record["recorded"]])
    torch.testing.assert_close(ours, torch.tensor(record["iterates"][theirs]), rtol=1e-10, atol=1e-10)
