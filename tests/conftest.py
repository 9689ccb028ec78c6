import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from matplotlib.figure import Figure

from gnn_l2o._utils.files import write_text
from gnn_l2o.evaluation import Case, Results, experiment, overview_report
from gnn_l2o.evaluation.report_page import page
from gnn_l2o.training import curve
from gnn_l2o.training.curve import _draw

# The tensors here are small: a second thread costs more than it brings, above all on a busy machine.
torch.set_num_threads(1)

# Nor does a busy machine keep the deadline that examples have by default.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_number = itertools.count()


@pytest.fixture(autouse=True)
def double_precision_and_a_fixed_seed() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(autouse=True)
def a_cache_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("GNN_L2O_CACHE", str(tmp_path_factory.getbasetemp() / f"cache_{next(_number)}"))


@pytest.fixture(autouse=True)
def pages_without_vega(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out of pages what takes seconds to be put together."""
    monkeypatch.setattr(page, "library", str)


@pytest.fixture(autouse=True)
def curves_without_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the picture of the training curve empty: drawn after every epoch, it takes longer than the training."""
    monkeypatch.setattr(curve, "_draw", lambda *_: Figure())


@pytest.fixture
def drawn_curves(monkeypatch: pytest.MonkeyPatch, curves_without_lines: None) -> None:
    """Draw the training curve as outside of tests."""
    monkeypatch.setattr(curve, "_draw", _draw)


@pytest.fixture
def quick_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write files where figures would be, without drawing, and no page."""

    def save(results: Results, folder: Path, cases: list[Case], *, tolerances: Sequence[float]) -> None:
        for case in cases:
            write_text(folder / f"figures/{case.file_name}.png", "a figure")

    monkeypatch.setattr(experiment, "save_figures", save)
    monkeypatch.setattr(experiment, "save_page", lambda *_, **__: None)
    monkeypatch.setattr(overview_report, "save_figure", lambda *_, **__: [])


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, since evaluations write into the present one."""
    folder = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(folder)
    return folder
