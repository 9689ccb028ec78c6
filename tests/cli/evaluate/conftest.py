from pathlib import Path

import pytest

from gnn_l2o.learned import MiLoDoArchitecture, save_weights


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, since evaluations write into the present one."""
    folder = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return the folder of an optimizer that was never trained."""
    folder = tmp_path / "mine"
    architecture = MiLoDoArchitecture(hidden_features=4)
    save_weights(folder, architecture.build(), architecture)
    (folder / "recipe.toml").write_text("[architecture]\nhidden_features = 4\n")
    return folder
