from pathlib import Path

import pytest

from gnn_l2o.learned import MiLoDoArchitecture, save_weights


@pytest.fixture(autouse=True)
def away_from_here(elsewhere: Path) -> None:
    """Let every test work elsewhere."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return the folder of an optimizer that was never trained."""
    folder = tmp_path / "mine"
    architecture = MiLoDoArchitecture(hidden_features=4)
    save_weights(folder, architecture.build(), architecture)
    (folder / "recipe.toml").write_text("[architecture]\nhidden_features = 4\n")
    return folder
