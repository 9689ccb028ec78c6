"""Runs that were cut off resume to the same weights, and damaged or foreign checkpoints are refused."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from gnn_l2o._utils.errors import InputError
from gnn_l2o._utils.fingerprint import fingerprint
from gnn_l2o.training import Stage, TrainingRun
from gnn_l2o.training.checkpoint import Checkpoint
from tests.training.small_training import TINY, assert_same_weights, cut_off, weights_of

pytestmark = pytest.mark.usefixtures("single_precision")


@pytest.mark.parametrize("killed_after", [1, 5, 9])
def test_a_killed_run_resumes_to_the_same_weights_bit_for_bit(tmp_path, killed_after):
    whole = TrainingRun(TINY, tmp_path / "whole")
    whole.run()
    calls = itertools.count()
    resumed = cut_off(TINY, tmp_path / "cut", when=lambda _: next(calls) == killed_after)
    assert 0 < resumed.progress.iterations < whole.progress.iterations
    resumed.run()
    assert_same_weights(weights_of(resumed), weights_of(whole))
    assert_same_weights(resumed.best_weights, whole.best_weights)
    untimed = [[dataclasses.replace(p, seconds=0) for p in r.progress.curve] for r in (resumed, whole)]
    assert untimed[0] == untimed[1]


def test_a_run_is_resumed_only_with_its_own_settings(tmp_path):
    TrainingRun(dataclasses.replace(TINY, stages=(Stage(1e-3, 3, 3, 1),)), tmp_path).run()
    with pytest.raises(InputError, match=r"batch_size = 3, got 2; a run is resumed with the settings"):
        TrainingRun(dataclasses.replace(TINY, batch_size=2), tmp_path, resume=True)
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match="cannot be read"):
        TrainingRun(TINY, tmp_path, resume=True)


def test_no_flipped_byte_of_a_checkpoint_is_taken_for_a_number(tmp_path):
    training = TrainingRun(dataclasses.replace(TINY, stages=(Stage(1e-3, 3, 3, 1),)), tmp_path)
    training.run()
    path, device = tmp_path / "checkpoint.pt", "cpu"
    content, settings = path.read_bytes(), training.config.to_dict()
    saved = fingerprint(Checkpoint.load(path, settings, device))
    random, refused = np.random.default_rng(0), []
    for place in random.choice(len(content), 60, replace=False):
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(random.integers(8))
        path.write_bytes(flipped)
        try:
            assert fingerprint(Checkpoint.load(path, settings, device)) == saved  # between the records
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 20 and not any("\n" in line for line in refused)
    assert any("is damaged: its record" in line for line in refused)


def test_checkpoints_of_earlier_versions_are_read_or_refused_in_one_line(tmp_path):
    training = TrainingRun(dataclasses.replace(TINY, stages=(Stage(1e-3, 3, 3, 1),)), tmp_path)
    training.run()
    path = tmp_path / "checkpoint.pt"
    content = torch.load(path, weights_only=True)
    progress = content["progress"]
    progress["setbacks"] = progress.pop("rollbacks") + 2
    progress["curve"] = [{("setbacks" if k == "rollbacks" else k): v for k, v in p.items()} for p in progress["curve"]]
    torch.save(content, path)
    resumed = TrainingRun(training.config, tmp_path, resume=True)
    assert resumed.progress.rollbacks == 2 and resumed.progress.curve == training.progress.curve
    for change, message in [
        ({"progress": {"curve": [], "unheard_of": 1}}, "is of another version of gnn-l2o"),
        ({"config": {}}, "is of another version of gnn-l2o"),
        ({"weights": {}}, "does not fit the architecture"),
        ({"optimizer": {"state": {}, "param_groups": []}}, "does not fit the architecture"),
    ]:
        torch.save({**content, **change}, path)
        with pytest.raises(InputError, match=message) as refused:
            TrainingRun(training.config, tmp_path, resume=True)
        assert "\n" not in str(refused.value)
