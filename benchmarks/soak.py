"""Many small random experiments, in each of which is checked what must hold whatever is combined.

An experiment is a topology, a dataset and an optimizer, each with options, drawn from everything that is registered,
so that what is added later takes part. Checked is: no error but a refusal in one line, nothing but finite numbers,
equal results when all is built and run again, arguments unchanged, counts as declared, dual variables that sum to zero
over the nodes, and, where it is promised (:func:`falls`), an objective below that of the initial point. Run it with
``python benchmarks/soak.py --runs 1000``, which takes some minutes; every violation is printed with the command that
shows it alone.
"""

from __future__ import annotations

import argparse
import functools
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.algorithms.tunable import Choice, Tunable
from gnn_l2o.evaluation.plan import DTYPES
from gnn_l2o.evaluation.selection import why_not
from gnn_l2o.graph import MIXING, Network, build_network
from gnn_l2o.graph.build import has_own_size
from gnn_l2o.learned import available_models, load_model
from gnn_l2o.problems import Problem, Stochastic
from gnn_l2o.testing import HiddenNetwork
from gnn_l2o.testing.expect import expect
from gnn_l2o.testing.runs import STEPS, check_cost, check_dual, check_purity, states, tensors

UNPROMISED = ("prox_mudag",)  # converges with enough mixing rounds an iteration, which a choice may not have
ITERATIONS = 60
WIDE, FEW = 20_000, 12  # with more numbers than this at all nodes together, fewer iterations
TOO_WIDE = 100_000  # with more, no experiment
MAX_NODES = 20
SMALL = {"features": 12, "samples": 8, "test_samples": 8, "patch": 5, "atoms": 30}
"""Parameters of datasets that decide how long an experiment takes."""
VARIED = 0.3  # the probability that another parameter differs from its default
MANY = 10_000  # a tuning budget from which every range has its lowest value

T = TypeVar("T")

listing = functools.cache(plugins.listing)
load = functools.cache(load_model)


@dataclass(frozen=True)
class Experiment:
    """What is run.

    Attributes:
        topology: as on the command line.
        nodes: the number of nodes, for topologies that do not determine it.
        mixing: the name of the mixing weights.
        dataset: as on the command line.
        batch_size: samples a node draws for a gradient; ``None`` for all.
        optimizer: a model or a handcrafted method, as on the command line.
        choice: a whole number that decides between the values of a method's parameters that are choices.
        dtype: the precision.
        seed: of graph, data and draws.
    """

    topology: str
    nodes: int
    mixing: str
    dataset: str
    batch_size: int | None
    optimizer: str
    choice: int
    dtype: str
    seed: int


def draw(seed: int, number: int, datasets: Sequence[str]) -> Experiment:
    """Return an experiment.

    Args:
        seed: of all experiments.
        number: which one.
        datasets: names to draw from.
    """
    rng = np.random.default_rng([seed, number])
    topology = pick(rng, listing("topology"))
    dataset = pick(rng, [plugin for plugin in listing("dataset") if plugin.name in datasets])
    return Experiment(
        topology=spec(rng, topology),
        nodes=int(rng.integers(2, MAX_NODES + 1)),
        mixing=pick(rng, sorted(MIXING)),
        dataset=spec(rng, dataset),
        batch_size=int(rng.integers(1, 5)) if rng.random() < VARIED else None,
        optimizer=model_spec(rng) if rng.random() < 0.5 else pick(rng, METHODS.names()),
        choice=int(rng.integers(100)),
        dtype=pick(rng, sorted(DTYPES)),
        seed=int(rng.integers(1000)),
    )


def pick(rng: np.random.Generator, members: Sequence[T]) -> T:
    """Return one of the members."""
    return members[int(rng.integers(len(members)))]


def spec(rng: np.random.Generator, plugin: plugins.Plugin) -> str:
    """Return a plug-in with some of its numbers and truth values changed, as on the command line."""
    given = []
    for name, default in plugin.defaults.items():
        if name in SMALL:
            given.append(f"{name}={SMALL[name]}")
        elif isinstance(default, int | float) and rng.random() < VARIED:
            if isinstance(default, bool):
                value: object = str(not default).lower()
            elif isinstance(default, int):
                value = int(rng.integers(2 * default + 2))
            else:
                value = round(float(rng.uniform(0, 2 * default or 1)), 3)
            given.append(f"{name}={value}")
    return f"{plugin.name}:{','.join(given)}" if given else plugin.name


def model_spec(rng: np.random.Generator) -> str:
    """Return a trained optimizer, perhaps with settings of its run, as on the command line."""
    name = pick(rng, available_models())
    settings = load(name).run_settings if rng.random() < VARIED else ()
    return ":".join([name, *(f"{setting}={int(rng.integers(1, 5))}" for setting in settings)])


def build(experiment: Experiment) -> tuple[Algorithm[Any], Problem, Network]:
    """Return what an experiment runs, in its precision.

    Raises:
        InputError: the parts do not fit together.
    """
    own_size = has_own_size(plugins.load("topology", experiment.topology))
    nodes = None if own_size else experiment.nodes
    network = build_network(experiment.topology, nodes, seed=experiment.seed, mixing=experiment.mixing)
    problem: Problem = plugins.load("dataset", experiment.dataset)(network, seed=experiment.seed)
    if problem.num_nodes * problem.dim > TOO_WIDE:
        raise InputError(f"the nodes hold more than {TOO_WIDE} numbers together, which takes too long here")
    if experiment.batch_size is not None:
        problem = Stochastic(problem, batch_size=experiment.batch_size, seed=experiment.seed)
    dtype = DTYPES[experiment.dtype]
    problem, network = problem.to(dtype=dtype), network.to(dtype=dtype)
    algorithm: Any
    if experiment.optimizer in METHODS:
        algorithm = METHODS[experiment.optimizer]
    else:
        algorithm = load(experiment.optimizer).to(dtype=dtype)
    reason = why_not(algorithm, problem, network, stochastic=experiment.batch_size is not None)
    if reason is not None:
        raise InputError(reason)
    return (
        with_lowest_steps(algorithm, problem, experiment) if isinstance(algorithm, type) else algorithm,
        problem,
        network,
    )


def with_lowest_steps(method: type[Tunable[Any]], problem: Problem, experiment: Experiment) -> Tunable[Any]:
    """Return a method with the lowest values of its grid and some of its choices."""
    setting = method.settings(MANY)[0]
    choices = {name: axis.values for name, axis in method.grid.items() if isinstance(axis, Choice)}
    chosen = {name: values[experiment.choice % len(values)] for name, values in choices.items()}
    return method.from_setting(problem, setting | chosen)


def falls(experiment: Experiment, algorithm: Algorithm[Any], problem: Problem) -> bool:
    """Tell whether the objective must fall.

    That is promised of exact methods with short steps, and of learned optimizers whose rule has dual variables, on
    convex problems with exact gradients. With local solves the lowest penalty is the longest step.
    """
    if experiment.optimizer in UNPROMISED:
        return False
    short = isinstance(algorithm, Tunable) and algorithm.exact and not algorithm.cost.solves
    promised = short or (not isinstance(algorithm, Tunable) and algorithm.dual is not None)
    return promised and experiment.batch_size is None and problem.lower_bound() is None


def check(experiment: Experiment) -> None:
    """Run an experiment.

    Raises:
        InputError: its parts do not fit together.
        AssertionError: something that must hold does not.
    """
    algorithm, problem, network = build(experiment)
    x0 = problem.initial_point().to(DTYPES[experiment.dtype])
    iterations = ITERATIONS if x0.numel() <= WIDE else FEW
    steps = min(iterations, algorithm.depth or iterations)
    found = states(algorithm, problem, network, x0, steps)
    bad = [k for k, state in enumerate(found) if not all(bool(t.isfinite().all()) for t in values(state))]
    expect(not bad, f"numbers that are not finite in {len(bad)} of {steps} steps, from step {min(bad, default=0)} on")
    again = states(*build(experiment), x0, steps)
    same = all(torch.equal(a, b) for a, b in zip(values(found[-1]), values(again[-1]), strict=True))
    expect(same, f"built and run again, the state after {steps} steps differs")
    check_dual(algorithm, found)
    check_purity(algorithm, problem, network, HiddenNetwork)
    check_cost(algorithm, problem, network, HiddenNetwork, min(STEPS, steps))
    if falls(experiment, algorithm, problem):
        exact = problem.to(dtype=torch.float64)
        first, last = (float(exact.objective(exact.average(s.x.double()))) for s in (found[0], found[-1]))
        expect(last <= first, f"after {steps} steps the objective is {last:.6g}, above the {first:.6g} it started from")


def values(state: Any) -> list[torch.Tensor]:
    """Return all numbers of a state, of sparse matrices those that are stored."""
    return [t.values() if t.layout == torch.sparse_csr else t for t in tensors(state)]


def soak(seed: int, numbers: Sequence[int], datasets: Sequence[str], report: Callable[[str], object]) -> int:
    """Run experiments, report violations, then the refusals by reason and the totals; return the number of violations.

    Args:
        seed: of the draws.
        numbers: of the experiments.
        datasets: names to draw from.
        report: takes each line.
    """
    refused: Counter[str] = Counter()
    violations = 0
    for number in numbers:
        experiment = draw(seed, number, datasets)
        try:
            check(experiment)
        except InputError as error:
            refused[re.sub(r"\d[\d.e+-]*", "#", str(error))] += 1
        except Exception as error:  # whatever it is, the experiments after it are run
            violations += 1
            kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            report(f"violation: {kind}{error}")
            report(f"    {experiment}")
            report(f"    python benchmarks/soak.py --seed {seed} --first {number} --runs 1")
    for reason, count in refused.most_common():
        report(f"refused {count}: {reason}")
    report(f"runs {len(numbers)}, violations {violations}")
    return violations


def main(argv: list[str] | None = None) -> int:
    """Run what the arguments ask for; return 1 if something was violated."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=int, default=1000, help="number of experiments (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first experiment (default: %(default)s)")
    parser.add_argument("--dataset", nargs="+", default=plugins.available("dataset"), help="names to draw from")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    begun = time.perf_counter()
    numbers = range(args.first, args.first + args.runs)
    violations = soak(args.seed, numbers, args.dataset, lambda line: print(line, flush=True))
    print(f"{(time.perf_counter() - begun) / max(args.runs, 1):.2f} s a run", file=sys.stderr)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
