"""What is installed beside it: extras that may be missing, one list of versions."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gnn_l2o

FOLDERS = ("topologies", "datasets", "models", "presets")
OPTIONAL = ("matplotlib", "rich", "altair", "vl_convert", "sklearn", "PIL", "topohub", "torch_scatter")
ROOT = Path(__file__).resolve().parents[2]
CONDA_NAMES = {"torch": "pytorch", "torch-geometric": "pytorch_geometric", "torch-scatter": "pytorch_scatter"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def dependencies(*extras: str) -> dict[str, str]:
    """Names and lower bounds from pyproject.toml."""
    return dict(text.split(">=") for text in PROJECT["dependencies"] + [t for extra in extras for t in texts(extra)])


def texts(extra: str) -> list[str]:
    """The requirements of an extra, and those of the extras that it names."""
    found = []
    for text in PROJECT["optional-dependencies"][extra]:
        named = re.fullmatch(r"gnn-l2o\[([\w,]+)\]", text)
        found += [t for other in named[1].split(",") for t in texts(other)] if named else [text]
    return found


def environment() -> dict[str, str]:
    """Names and lower bounds from environment.yml, both of conda's section and pip's."""
    lines = (ROOT / "environment.yml").read_text().splitlines()
    return {m[1]: m[2] for line in lines if (m := re.fullmatch(r"\s+- ([\w-]+)>=([\d.]+)", line))}


@pytest.mark.parametrize("folder", FOLDERS)
def test_plug_in_folders_are_no_packages(folder: str) -> None:
    # With an __init__.py, `import datasets` in this folder would find ours before Hugging Face's.
    assert (ROOT / folder).is_dir()
    assert not list((ROOT / folder).rglob("__init__.py"))


def test_conda_and_pip_install_the_same() -> None:
    found = environment()
    expected = {CONDA_NAMES.get(name, name): bound for name, bound in dependencies("all", "scatter").items()}
    expected["python"] = PROJECT["requires-python"].removeprefix(">=")
    assert found == expected


def test_every_dependency_has_a_tested_version() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    for name, bound in dependencies("test", "docs").items():
        assert name in pins, f"constraints.txt has no {name}"
        assert version(pins[name]) >= version(bound), f"constraints.txt has {name} {pins[name]}, below {bound}"
    assert all(re.fullmatch(r"[\d.]+(b\d+)?", pin) for pin in pins.values())  # no local versions, no addresses
    assert "gnn-l2o" not in pins


WITHOUT_EXTRAS = f"""
import sys
sys.modules.update(dict.fromkeys({OPTIONAL}))
import gnn_l2o, gnn_l2o.nn, gnn_l2o.problems, gnn_l2o.handcrafted, gnn_l2o.learned
from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
network = gnn_l2o.build_network("ring", 3)
for name in ("lasso", "linear", "logistic"):
    print(plugins.load("dataset", name)(network, seed=0).dim)
assert plugins.overview()
for make in (
    lambda: gnn_l2o.build_network("real"),
    lambda: plugins.load("dataset", "breast_cancer")(network, seed=0),
    lambda: plugins.load("dataset", "bsds500")(network, seed=0),
    lambda: plugins.load("dataset", "mlp:stand_in=true")(network, seed=0),
    lambda: gnn_l2o.evaluate(output="nowhere"),
):
    try:
        make()
    except InputError as error:
        print(error)
import gnn_l2o.training
small = dict(datasets=["lasso:features=4,samples=2"], nodes=[3], instances=1, iterations=5)
print(len(gnn_l2o.evaluate(algorithms=["prox_ed"], limits=[], tuning_budget=2, tuning_instances=1, **small).runs))
import sys
from gnn_l2o.cli.start import start
sys.exit(start("evaluate", "evaluate.py"))
"""


def test_the_core_works_without_the_extras() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2, done.stderr  # of evaluate.py, which draws and shows tables
    assert done.stderr == "evaluate.py: error: rich is missing; pip install 'gnn-l2o[report]' installs it\n"
    matplotlib = "matplotlib is missing; pip install 'gnn-l2o[report]' installs it"
    scikit_learn = "scikit-learn is missing; pip install 'gnn-l2o[data]' installs it"
    topohub = "topohub is missing; pip install 'gnn-l2o[real]' installs it"
    assert done.stdout.splitlines() == ["300", "50", "50", topohub, *[scikit_learn] * 3, matplotlib, "1"]


def test_the_citation_names_this_version() -> None:
    assert f"\nversion: {gnn_l2o.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
