"""How accurately sparse signals are recovered: unrolled networks, classical algorithms and optimizers, by their NMSE.

The first table has networks and classical algorithms on a single node, each network on the dataset it was trained on;
the second one the ways to average over the nodes of a ring, and what optimizers of a LASSO reach in as many rounds.
The NMSE in dB stands in both measures: over the set (LISTA-CPSS, ALISTA, LAMP), and as a mean over the signals
(Open-L2O). Step size and weight of the optimizers are the best of a grid, by the first measure, on other signals.
Run it with ``python benchmarks/recovery.py``; it takes minutes.

    python benchmarks/recovery.py --models models/mine alista

prints the first table for these networks alone, released ones or folders of others, beside the classical algorithms.

    python benchmarks/recovery.py --lasso --models models/mine

prints for each network the R of Open-L2O's LASSO benchmark (figure 6) after its last layer, mean(F(x) - F*) / mean(F*),
on the dataset it was trained on: ``sparse_recovery:features=50,measurements=25`` is the benchmark's, but for signals
without any entry, which it leaves out.
"""

import argparse
import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.open_l2o import above_optimum
from gnn_l2o import plugins
from gnn_l2o.algorithms.base import Algorithm, spent
from gnn_l2o.algorithms.driver import Driver
from gnn_l2o.graph.build import build_network
from gnn_l2o.graph.network import Network
from gnn_l2o.handcrafted import ProxED
from gnn_l2o.learned import load_model
from gnn_l2o.learned.model import model_folder, model_recipe
from gnn_l2o.learned.unrolled import ALISTAArchitecture, Unrolled
from gnn_l2o.limits import RECOVERY
from gnn_l2o.problems import L1, SparseRecovery
from gnn_l2o.problems.nmse import sample_nmse, set_nmse
from gnn_l2o.training import LayerwiseConfig
from gnn_l2o.training.layerwise.samples import Source, estimates

ALONE = (
    *("alista", "step_lista", "lista", "lista_cp", "lista_cpss", "lamp", "lfista", "glista", "alista_512"),
    *("alista_noisy", "lista_cpss_noisy", "glista_noisy", "lista_cpss_ill", "glista_ill", "lamp_ill"),
)
SMALL, LARGE = "sparse_recovery", "sparse_recovery:features=512,measurements=256"
SHORT = {"features": "n", "measurements": "m", "condition_number": "kappa"}
LAYERS, ROUNDS = 16, (60, 128)
STEPS, WEIGHTS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 1.9), (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
TEST, TUNING = 10**6, 2 * 10**6  # the first seeds of signals
TUNED_ON = 32
CLASSICAL = 200  # signals of the classical algorithms at most, which take them one by one


def row(name: str, more: str, x: Tensor, target: Tensor) -> None:
    """Print a line with the NMSE of estimates in both measures."""
    print(
        f"{name:36} {more:>24} {float(set_nmse(x, target)):9.1f} {float(sample_nmse(x, target).mean()):9.1f}",
        flush=True,
    )


def unrolled(network: Unrolled, dataset: str, topology: str, nodes: int, samples: int) -> tuple[Tensor, Tensor, int]:
    """Return estimates, signals and the rounds of a run of a network over a graph."""
    any_kind = ALISTAArchitecture()  # it decides nothing here
    config = LayerwiseConfig(
        dataset=(dataset,), architecture=any_kind, topology=(topology,), nodes=(nodes,), precision="double"
    )
    source = Source(config, "cpu")
    drawn = source.draw("test", samples, 1)
    network = network.to(dtype=torch.float64)
    before = drawn.network.traffic.rounds
    x = estimates(network, drawn, network.depth)
    return x, drawn.targets_at_nodes, drawn.network.traffic.rounds - before


def problems(dataset: str, network: Network, first: int, count: int, weight: float | None = None) -> SparseRecovery:
    """Return signals side by side, for a LASSO of this weight."""
    sample = plugins.load("dataset", dataset)
    drawn = [sample(network, seed=first + k) for k in range(count)]
    if weight is not None:
        drawn = [dataclasses.replace(p, regularizer=L1(weight)) for p in drawn]
    return SparseRecovery.concatenate(drawn)


@torch.no_grad()
def optimized(algorithm: Algorithm[Any], many: SparseRecovery, network: Network, rounds: int) -> Tensor:
    """Return the estimates of all nodes after so many rounds."""
    graphs = Network.concatenate([network] * many.num_problems)
    driver = Driver(algorithm, many, graphs, many.initial_point().double())
    while spent(many, graphs).rounds < rounds:
        driver.advance(driver.iteration + 1)
    return driver.x


def described(dataset: str) -> str:
    """Return what sets a dataset apart, in short."""
    settings = [setting.split("=") for setting in dataset.partition(":")[2].split(",") if setting]
    return ", ".join(f"{SHORT.get(name, name)}={value}" for name, value in settings) or "n=128, m=64"


def classical(dataset: str, samples: int) -> None:
    """Print the lines of the classical algorithms."""
    one = build_network("complete", 1)
    drawn = [problems(dataset, one, TEST + k, 1) for k in range(samples)]
    for name, limit in RECOVERY.items():
        drivers = [Driver(limit, problem, one, problem.initial_point().double()) for problem in drawn]
        for driver in drivers:
            driver.advance(LAYERS)
        estimate = torch.cat([driver.x for driver in drivers])
        row(name, described(dataset), estimate, torch.cat([problem.target for problem in drawn]))


def alone(models: Sequence[str], samples: int, *, elsewhere: Sequence[tuple[str, str]] = ()) -> None:
    """Print the table of a single node.

    Args:
        models: names or folders of networks, each of which runs on the dataset it was trained on.
        samples: how many signals.
        elsewhere: networks that run on another dataset, with that.
    """
    print(f"a single node, {LAYERS} layers or iterations\n{'':36} {'dataset':>24} {'set':>9} {'signals':>9}")
    own = [(name, str(model_recipe(model_folder(name))["training"]["dataset"][0])) for name in models]
    for dataset in dict.fromkeys(dataset for _, dataset in own):
        classical(dataset, min(samples, CLASSICAL))
    for name, dataset in [*own, *elsewhere]:
        network = load_model(name)
        assert isinstance(network, Unrolled)
        x, target, _ = unrolled(network, dataset, "complete", 1, samples)
        row(Path(name).name, described(dataset), x, target)


@torch.no_grad()
def lasso(models: Sequence[str], samples: int) -> None:
    """Print the distance of networks from the optimal values of the LASSO, relative to these."""
    one = build_network("complete", 1)
    for name in models:
        network = load_model(name)
        assert isinstance(network, Unrolled)
        (dataset,) = model_recipe(model_folder(name))["training"]["dataset"]
        many = problems(dataset, one, TEST, samples).to(dtype=torch.float64)
        graphs = Network.concatenate([one] * samples)
        driver = Driver(network.to(dtype=torch.float64), many, graphs, many.initial_point().double())
        driver.advance(network.depth)
        distance = above_optimum(many)
        found, at_zero = distance(driver.x), distance(torch.zeros_like(driver.x))
        print(f"{Path(name).name:36} {described(dataset):>24} R = {found:.2g}, at x = 0 {at_zero:.4g}", flush=True)


def on_a_ring(samples: int, nodes: int) -> None:
    """Print the table of a ring."""
    print(f"\nring of {nodes} nodes, 64 x 128, noiseless\n{'':36} {'rounds':>24} {'set':>9} {'signals':>9}")
    ring = build_network("ring", nodes)
    settings = [
        "alista:sums=sum",
        *(f"alista:rounds={r}" for r in (2, 4, 8, 12, 16)),
        "alista_ring",
        "lista_cpss:rounds=8",
        "lista_cpss",
        "lamp",
        "lista",
    ]
    for name in settings:
        network = load_model(name)
        assert isinstance(network, Unrolled)
        x, target, rounds = unrolled(network, SMALL, "ring", nodes, samples)
        row(name, str(rounds), x, target)
    for rounds in ROUNDS:
        for name in ("prox_ed", "milodo_local"):
            tuned_and_run(name, ring, rounds, samples)


def tuned_and_run(name: str, ring: Network, rounds: int, samples: int) -> None:
    """Tune an optimizer by the NMSE after so many rounds, and print what it reaches on other signals."""
    found: dict[tuple[float, float], float] = {}
    largest = float(problems(SMALL, ring, TUNING, 1).smoothness().max())

    def algorithm(step: float) -> Algorithm[Any]:
        return ProxED(step / largest) if name == "prox_ed" else load_model(name).to(dtype=torch.float64)

    for step, weight in itertools.product(STEPS if name == "prox_ed" else STEPS[:1], WEIGHTS):
        many = problems(SMALL, ring, TUNING, TUNED_ON, weight)
        value = float(set_nmse(optimized(algorithm(step), many, ring, rounds), many.spread(many.target)))
        found[step, weight] = value if value == value else float("inf")
    step, weight = min(found, key=lambda setting: found[setting])
    many = problems(SMALL, ring, TEST, min(samples, 128), weight)
    x = optimized(algorithm(step), many, ring, rounds)
    which = f"step {step:g}/L, weight {weight:g}" if name == "prox_ed" else f"weight {weight:g}"
    row(f"{name}, {which}", str(rounds), x, many.spread(many.target))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1024, help="signals of the networks (default: 1024)")
    parser.add_argument("--nodes", type=int, default=8, help="of the ring (default: 8)")
    parser.add_argument("--ring", action="store_true", help="the table of the ring only")
    parser.add_argument("--models", nargs="+", help="names or folders; only the table of a single node, of these")
    parser.add_argument("--lasso", action="store_true", help="print R of the LASSO for the models, not the NMSE")
    args = parser.parse_args()
    if args.lasso and not args.models:
        parser.error("--lasso needs --models")
    if args.models:
        (lasso if args.lasso else alone)(args.models, args.samples)
        return
    if not args.ring:
        alone(ALONE, args.samples, elsewhere=[("alista", LARGE), ("alista_512", SMALL)])  # far from what they know
    on_a_ring(args.samples, args.nodes)


if __name__ == "__main__":
    main()
