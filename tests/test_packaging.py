"""What is shipped: one package in the wheel, plug-in folders that are no packages, one list of dependencies."""

import re
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

import gnn_l2o

ROOT = Path(__file__).resolve().parent.parent
CONDA_NAMES = {"torch": "pytorch", "torch-geometric": "pytorch_geometric", "torch-scatter": "pytorch_scatter"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def dependencies(*extras: str) -> dict[str, str]:
    """Names and lower bounds from pyproject.toml."""
    texts = PROJECT["dependencies"] + [text for extra in extras for text in PROJECT["optional-dependencies"][extra]]
    return dict(text.split(">=") for text in texts)


def environment() -> dict[str, str]:
    """Names and lower bounds from environment.yml, both of conda's section and pip's."""
    lines = (ROOT / "environment.yml").read_text().splitlines()
    return {m[1]: m[2] for line in lines if (m := re.fullmatch(r"\s+- ([\w-]+)>=([\d.]+)", line))}


def test_the_wheel_holds_exactly_one_top_level_package(tmp_path: Path) -> None:
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert top == {"gnn_l2o"}
    assert "gnn_l2o/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


@pytest.mark.parametrize("folder", ["topologies", "datasets", "models"])
def test_plug_in_folders_are_no_packages(folder: str) -> None:
    # With an __init__.py, `import datasets` in this folder would find ours before Hugging Face's.
    assert (ROOT / folder).is_dir()
    assert not list((ROOT / folder).rglob("__init__.py"))


def test_conda_and_pip_install_the_same() -> None:
    found = environment()
    expected = {CONDA_NAMES.get(name, name): bound for name, bound in dependencies("scatter").items()}
    expected["python"] = PROJECT["requires-python"].removeprefix(">=")
    assert found == expected


def test_every_dependency_has_a_tested_version() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    for name, bound in dependencies("test").items():
        assert name in pins, f"constraints.txt has no {name}"
        assert version(pins[name]) >= version(bound), f"constraints.txt has {name} {pins[name]}, below {bound}"
    assert all(re.fullmatch(r"[\d.]+", pin) for pin in pins.values())  # no local versions, no addresses
    assert "gnn-l2o" not in pins


def test_the_citation_names_this_version() -> None:
    assert f"\nversion: {gnn_l2o.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
