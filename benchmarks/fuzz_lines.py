"""Random command lines for ``fuzz.py``: a short run of a command, in which one to three arguments are changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

Line = list[tuple[str, list[str]]]  # flags with their values

EVALUATE: Line = [
    ("--dataset", ["lasso:features=6,samples=4"]),
    ("--topology", ["path"]),
    ("--nodes", ["4"]),
    ("--instances", ["1"]),
    ("--iterations", ["5"]),
    ("--limits", ["none"]),
    ("--model", ["none"]),
    ("--algorithms", ["prox_ed"]),
    ("--tuning_budget", ["1"]),
    ("--tuning_instances", ["1"]),
]
TRAIN: Line = [
    ("--dataset", ["lasso:features=6,samples=4"]),
    ("--topology", ["path"]),
    ("--nodes", ["3"]),
    ("--problems", ["2"]),
    ("--validation_problems", ["1"]),
    ("--validation_iterations", ["3"]),
    ("--hidden_features", ["2"]),
    ("--warmup", ["1"]),
    ("--init", ["random"]),
    ("--stages_config", ["stages.json"]),
]
STAGES = [{"lr": 1e-3, "truncation_length": 2, "iterations": 2, "epochs": 1}]

LONG = "n" * 300
NUMBERS = ["0", "-1", "1.5", "nan", "inf", "-inf", "9" * 20, "9" * 5000, "", " ", "ten", "0x10", "2"]
NAMES = [
    "",
    " ",
    ":",
    "none",
    "all",
    "no_such",
    "prox_ed",
    LONG,
    f"{LONG}.py",
    "/",
    "/dev/null",
    "nowhere.py",
    "a\nb",
    "ü",
]
PATHS = ["", "nowhere", LONG, "/proc/self/mem", "/dev/null", "stages.json", "plugins", "stages.json/x"]
SPECS = [
    *NAMES,
    *(f"lasso:{item}" for item in ("features", "features=", "features=0", "features=-1", "features=x", "fetures=1")),
    *(f"lasso:{item}" for item in (f"features={'9' * 12}", f"samples={'9' * 30}", "noise=nan", "noise=1e300")),
    *(f"lasso:features=6,samples=4,{item}" for item in ("l1_weight=-1", "l1_weight=1e9", "correlation=1", "spikes=7")),
    *(f"lasso:features=6,samples=4,{item}" for item in ("imbalance=1e9", "node_scales=400", "degrees_of_freedom=1")),
    *("ring:p=1", "erdos_renyi:p=2", "erdos_renyi:p=0", "complete", "grid:rows=3", "real:name=x", "real"),
    *("from_file", "from_file:path=", "from_file:path=nowhere.npy", f"from_file:path={LONG}.gml"),
    *("mlp", f"mlp:width={'9' * 9},stand_in=true", "bsds500:path=nowhere", f"bsds500:path={LONG}", "census:path=/"),
]
VALUES: dict[str, list[str]] = {
    "--dataset": SPECS,
    "--topology": SPECS,
    **dict.fromkeys(("--nodes", "--instances", "--iterations", "--tuning_budget", "--tuning_instances"), NUMBERS),
    **dict.fromkeys(("--problems", "--validation_problems", "--validation_iterations", "--hidden_features"), NUMBERS),
    **dict.fromkeys(("--seed", "--threads", "--batch_size", "--warmup"), NUMBERS),
    **dict.fromkeys(("--model", "--algorithms", "--limits", "--init"), NAMES),
    "--stages_config": PATHS,
}
OTHERS: dict[str, dict[str, list[str]]] = {  # flags that the lines above do not have
    "evaluate.py": {
        **dict.fromkeys(("--references", "--metrics", "--mixing", "--dtype", "--measure", "--tuning"), NAMES),
        **dict.fromkeys(("--tolerance", "--tuning_tolerance"), NUMBERS),
        "--preset": [name for name in [*NAMES, *PATHS] if name != "none"],
    },
    "train_gnn.py": {
        **dict.fromkeys(("--weight_decay", "--clip", "--ema", "--initial_step_size", "--gradient_samples"), NUMBERS),
        **dict.fromkeys(("--loss", "--mixing", "--architecture", "--precision", "--optimizer", "--from"), NAMES),
        "--device": ["cuda", "meta", "", "no_such", "cpu:x"],
        "--recipe": PATHS,
    },
}
SWITCHES = ["--resume", "--overwrite", "--quick", "--no_such", "-x", "--", "stray", "--full", "--paper"]

SAMPLE = "def sample(network, *, seed: int, k: float = 1.0):\n    "
GENERATE = "import networkx as nx\ndef generate(nodes: int, *, seed: int):\n    "
METHOD = """
from dataclasses import dataclass
from gnn_l2o.handcrafted import ProxED
@dataclass(frozen=True)
class Mine(ProxED):
    name = "mine"
    def step(self, problem, network, state):
        """
METRIC = """
from gnn_l2o.evaluation import Metric
class Mine(Metric):
    name = label = "mine"
    def values(self, reference, x):
        """
LOSS = """
from gnn_l2o.training import MetaLoss
class Mine(MetaLoss):
    name = "mine"
    def segment_loss(self, *given):
        """
PLUGINS = {
    "--dataset": [
        *(
            SAMPLE + body
            for body in ("return 1 / 0", "return None", "raise SystemExit(0)", "raise OSError", "return k.x")
        ),
        *("def sample(", "x = 1", "import no_such", "raise SystemExit(0)", "def sample(network, *, seed: int, k): ..."),
    ],
    "--topology": [
        *(
            GENERATE + body
            for body in ("raise KeyError(nodes)", "return None", "return [1] * nodes", "return nx.Graph()")
        ),
        *(GENERATE + body for body in ("return nx.empty_graph(nodes)", "return nx.path_graph(nodes, nx.DiGraph)")),
    ],
    "--algorithms": [
        METHOD + "return None",
        METHOD + "raise ValueError('two\\nlines')",
        METHOD + "return [][1]",
        "1 / 0",
    ],
    "--metrics": [METRIC + body for body in ("return 1.0", "return x", "raise AttributeError")],
    "--loss": [LOSS + body for body in ("return 1.0", "raise TypeError", "return None")],
}


def prepare(folder: Path) -> None:
    """Write what random lines name."""
    (folder / "stages.json").write_text(json.dumps(STAGES))
    (folder / "plugins").mkdir()
    for flag, texts in PLUGINS.items():
        for number, text in enumerate(texts):
            (folder / _plugin(flag, number)).write_text(f"{text}\n")


def random_line(random: np.random.Generator) -> tuple[str, list[str]]:
    """Return a command and its arguments, without ``--output``; paths are relative to the prepared folder."""
    command, line = [("evaluate.py", EVALUATE), ("train_gnn.py", TRAIN)][random.integers(2)]
    values = {**{flag: VALUES[flag] for flag, _ in line}, **OTHERS[command], "--seed": NUMBERS, "--threads": NUMBERS}
    plugins = [flag for flag in PLUGINS if flag in values]
    changed = dict(line)
    extra: list[str] = []
    for _ in range(random.integers(1, 4)):
        kind = random.random()
        if kind < 0.15:
            flag = str(random.choice(plugins))
            changed[flag] = [_plugin(flag, int(random.integers(len(PLUGINS[flag]))))]
        elif kind < 0.25:
            extra.append(str(random.choice(SWITCHES)))
        elif kind < 0.3:
            changed.pop(str(random.choice(list(changed))), None)
        elif kind < 0.4:
            flag = str(random.choice([flag for flag in changed if flag != "--stages_config"]))
            changed[flag] = [_with_an_error(value, random) for value in changed[flag]]
        else:
            flag = str(random.choice(list(values)))
            count = int(random.choice([0, 1, 1, 1, 1, 2]))
            changed[flag] = [str(value) for value in random.choice(np.array(values[flag], dtype=object), count)]
    return command, [*(part for flag, given in changed.items() for part in (flag, *given)), *extra]


def _plugin(flag: str, number: int) -> str:
    return f"plugins/{flag.strip('-')}{number}.py"


def _with_an_error(text: str, random: np.random.Generator) -> str:
    """Return a text with a character that is missing, or is another one."""
    if not text:
        return text
    place = int(random.integers(len(text)))
    return text[:place] + str(random.choice(["", "=", ":", ",", "x", "-", "'", "%", "\\"])) + text[place + 1 :]
