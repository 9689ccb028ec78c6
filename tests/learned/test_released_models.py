"""Released models give the iterates that were recorded when they were released, see oracles/README.md."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from gnn_l2o.learned import available_models

ORACLES = Path(__file__).parents[1] / "oracles"


def recorder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recorder", ORACLES / "record_released_models.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RECORDER = recorder()
CASES = {name: (problem, network) for name, problem, network in RECORDER.cases()}
with np.load(RECORDER.RECORD) as _file:
    RECORDS = dict(_file)


def test_every_released_model_is_recorded() -> None:
    assert {key.split("/")[1] for key in RECORDS} == set(available_models())


@pytest.mark.parametrize("key", sorted(RECORDS))
def test_a_released_model_gives_its_recorded_iterates(key: str) -> None:
    case, name = key.split("/")
    found, expected = RECORDER.iterates(name, *CASES[case]), RECORDS[key]
    assert found is not None, "the model refuses the problem"
    assert len(expected) > 0, "rounding decides all of the record"
    size = np.abs(expected).max()
    for k, now, then in zip(RECORDER.ITERATIONS, found, expected, strict=False):
        assert np.abs(now - then).max() <= RECORDER.tolerance(k) * size, k
