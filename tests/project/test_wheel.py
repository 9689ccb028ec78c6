"""The wheel is the product: what it holds, and what an installation of it gives in an empty folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("topologies", "datasets", "models", "presets")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    [path] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    return Path(path)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a folder of its own, over the dependencies that are there: torch would take minutes."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, wheel]
    subprocess.run(pip, check=True)
    return target


def run(installed: Path, folder: Path, *command: str | Path) -> list[str]:
    """Run a command in a folder, with the installation; return the lines that it prints."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_it_holds_one_package_with_all_plug_in_files_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert top == {"gnn_l2o"}
    assert "gnn_l2o/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    content = {name.removeprefix("gnn_l2o/_content/") for name in names if name.startswith("gnn_l2o/_content/")}
    files = (file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if file.is_file())
    expected = {file.relative_to(ROOT).as_posix() for file in files if file.suffix != ".pyc"}
    assert content == expected
    assert {"topologies/ring.py", "models/milodo_gnn/weights.safetensors", "presets/fig2.toml"} <= content


NAMES = """
import gnn_l2o
import gnn_l2o.cli.train  # with all that it imports
from gnn_l2o import plugins
print(gnn_l2o.__file__)
for kind in plugins.FOLDERS:
    print(*plugins.available(kind))
network = gnn_l2o.build_network("ring", 4)
print(plugins.load("dataset", "lasso:features=6")(network, seed=0).dim, gnn_l2o.load_model("milodo_gnn").name)
"""


def test_an_installation_has_everything_by_name(installed: Path, tmp_path: Path) -> None:
    file, topologies, datasets, models, presets, loaded = run(installed, tmp_path, sys.executable, "-c", NAMES)
    assert file == str(installed / "gnn_l2o" / "__init__.py")
    assert topologies.split() == sorted(path.stem for path in (ROOT / "topologies").glob("*.py"))
    assert datasets.split() == sorted(path.stem for path in (ROOT / "datasets").glob("*.py"))
    assert models.split() == sorted(path.parent.name for path in (ROOT / "models").glob("*/recipe.toml"))
    assert presets.split() == sorted(path.stem for path in (ROOT / "presets").glob("*.toml"))
    assert loaded == "6 milodo_gnn"


def test_an_installation_has_both_commands(installed: Path, tmp_path: Path) -> None:
    assert run(installed, tmp_path, installed / "bin" / "gnn-l2o-train", "--version")[0].startswith("gnn-l2o ")
    listing = "\n".join(run(installed, tmp_path, installed / "bin" / "gnn-l2o-evaluate", "--list"))
    assert "milodo_local" in listing and "erdos_renyi" in listing
    assert not list(tmp_path.iterdir())
