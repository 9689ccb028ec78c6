"""Compares algorithms on datasets over networks: the whole evaluation, from specs to files."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gnn_l2o._utils.errors import InputError, about
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.evaluation.contestants import choose_methods, choose_models
from gnn_l2o.evaluation.figures import delete_figures, save_figures
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.plan import DTYPES, Plan, Site
from gnn_l2o.evaluation.record import TOLERANCES, Run
from gnn_l2o.evaluation.report import save_report
from gnn_l2o.evaluation.results import RESULTS, Results
from gnn_l2o.evaluation.runner import measure
from gnn_l2o.evaluation.tables import SHOWN
from gnn_l2o.evaluation.tuning import BUDGET, TOLERANCE
from gnn_l2o.evaluation.tuning_cache import tune_or_recall
from gnn_l2o.problems import Problem

Report = Callable[[str, float], None]


def evaluate(
    models: Sequence[str | Path | Algorithm[Any]] = (),
    datasets: Sequence[str] = ("lasso",),
    topologies: Sequence[str] = ("ring",),
    nodes: Sequence[int] = (10,),
    *,
    algorithms: Sequence[str] = ("all",),
    instances: int = 5,
    iterations: int = 2000,
    seed: int = 0,
    mixing: str = "metropolis",
    dtype: str = "float64",
    batch_size: int | None = None,
    tuning_budget: int = BUDGET,
    tuning_instances: int = 3,
    tuning_tolerance: float = TOLERANCE,
    tolerances: Sequence[float] = SHOWN,
    output: str | Path | None = None,
    overwrite: bool = False,
    resume: bool = False,
    command: str = "gnn_l2o.evaluate",
    check_only: bool = False,
    report: Report | None = None,
) -> Results:
    """Run learned and tuned optimizers on unseen problems and measure them.

    Everything is checked before anything is written. Every instance has data of its own and, where its topology is
    random, a graph of its own. Methods are tuned for each dataset, topology and size on other instances
    (:func:`~gnn_l2o.evaluation.tuning.tune`); who does not apply to some of them is left out there, and the results say
    why. Results are saved all the time; an evaluation that was cut short goes on with ``resume=True`` and gives the
    same results, wall times apart, as one that was not.

    Args:
        models: names or paths of trained optimizers, or algorithms of any kind; they are not tuned. Those with a
            method ``to`` are moved to ``dtype`` by it.
        datasets: specs, ``"lasso:features=300"``.
        topologies: specs, ``"erdos_renyi:p=0.3"``.
        nodes: sizes; a topology of fixed size is run once, at its own.
        algorithms: names of methods, or of groups of them
            (:data:`~gnn_l2o.evaluation.contestants.GROUPS`); all by default.
        instances: problems for each dataset, topology and size.
        iterations: of each run.
        seed: of everything.
        mixing: the mixing weights of all networks.
        dtype: precision of the runs, ``"float64"`` or ``"float32"``; distances from an optimum are measured in float64.
        batch_size: samples that a node draws for a gradient; by default all it has. Methods are tuned and run with
            such gradients, and measured on the whole problem.
        tuning_budget: settings tried for each method.
        tuning_instances: problems they are tried on.
        tuning_tolerance: the relative gap that they are tuned to reach in the fewest rounds, and that the overview
            compares at.
        tolerances: the gaps that the report's tables show.
        output: folder for ``results.json``, ``summary.csv``, ``report.md`` and ``figures/``; without it nothing is
            written.
        overwrite: replace the results that ``output`` holds.
        resume: continue them; without any, begin.
        command: what the results file says was called.
        check_only: check everything, then stop.
        report: is told what is being done, and which fraction of all is behind.

    Raises:
        InputError: an argument is wrong; its ``given`` says which.
    """
    for name, tolerance in (("tuning_tolerance", tuning_tolerance), *(("tolerance", t) for t in tolerances)):
        if tolerance not in TOLERANCES:
            with about(**{name: tolerance}):
                raise InputError(f"expected one of 1e-1, 1e-2, ... 1e-15, got {tolerance:g}")
    plan = Plan(
        models=choose_models(models),
        methods=choose_methods(algorithms),
        datasets=tuple(dict.fromkeys(datasets)),
        topologies=tuple(dict.fromkeys(topologies)),
        nodes=tuple(dict.fromkeys(nodes)),
        instances=instances,
        iterations=iterations,
        seed=seed,
        mixing=mixing,
        dtype=dtype,
        batch_size=batch_size,
        tuning_budget=tuning_budget,
        tuning_instances=tuning_instances,
        tuning_tolerance=tuning_tolerance,
    )
    folder = None if output is None else Path(output)
    results = _open(Results(command, seed, plan.settings), folder, overwrite=overwrite, resume=resume)
    sites = plan.sites()
    results.sources = {site.cell.dataset: site.source for site in sites if site.source}
    results.skipped = [
        {"algorithm": name, "cell": site.cell._asdict(), "reason": reason}
        for site in sites
        for name, reason in site.refusals.items()
    ]
    if check_only:
        return results
    if folder is not None:
        results.save(folder)
        if not resume:
            delete_figures(folder)
    _Evaluation(plan, results, folder, tolerances, report).run(sites)
    return results


def _open(fresh: Results, folder: Path | None, *, overwrite: bool, resume: bool) -> Results:
    """Return the results to go on with: those in the folder, or none yet.

    Raises:
        InputError: the folder cannot be used.
    """
    if overwrite and resume:
        with about(resume=True):
            raise InputError("cannot be combined with overwrite")
    if folder is None:
        if overwrite or resume:
            with about(**{"resume" if resume else "overwrite": True}):
                raise InputError("needs an output folder")
        return fresh
    with about(output=folder):
        _check_writable(folder)
        if overwrite or not (folder / RESULTS).exists():
            return fresh
        if not resume:
            raise InputError("holds another run already; resume continues it, overwrite replaces it")
        kept = Results.load(folder)
        for name, value in fresh.settings.items():
            if kept.settings.get(name) != value:
                raise InputError(f"holds a run with {name} {kept.settings.get(name)}, not {value}; cannot resume it")
        return kept


def _check_writable(folder: Path) -> None:
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    if not existing.is_dir():
        raise InputError(f"{existing} is not a folder")
    if not os.access(existing, os.W_OK):
        raise InputError(f"cannot write into {existing}")


class _Evaluation:
    """Fills results with what they lack, saving them on the way."""

    def __init__(
        self,
        plan: Plan,
        results: Results,
        folder: Path | None,
        tolerances: Sequence[float],
        report: Report | None,
    ) -> None:
        self._plan, self._results, self._folder, self._report = plan, results, folder, report
        self._tolerances = tolerances
        self._steps = self._done = 0
        self._saving, self._saved = 0.0, -math.inf

    def run(self, sites: Sequence[Site]) -> None:
        self._steps = sum(
            len(site.select(self._plan.methods)) + self._plan.instances * len(site.select(self._plan.contestants))
            for site in sites
        )
        try:
            for site in sites:
                self._tune(site)
                for number in range(self._plan.instances):
                    self._run_instance(site, number)
                self._show(site)
        finally:
            self._save()

    def _show(self, site: Site) -> None:
        if self._folder is not None and self._results.cells:
            save_figures(self._results, self._folder, [site.cell], tolerances=self._tolerances)
            save_report(self._results, self._folder, tolerances=self._tolerances)

    def _tune(self, site: Site) -> None:
        methods = site.select(self._plan.methods)
        missing = [name for name in methods if self._results.find_tuning(site.cell, name) is None]
        self._done += len(methods) - len(missing)
        instances = site.tuning_instances() if missing else []
        for name in missing:
            self._tell(site, f"tuning {name}")
            tuning = tune_or_recall(
                self._plan.methods[name],
                instances,
                iterations=self._plan.iterations,
                budget=self._plan.tuning_budget,
                tolerance=self._plan.tuning_tolerance,
                dtype=DTYPES[self._plan.dtype],
            )
            self._results.add_tuning(site.cell, name, tuning)
            self._save_unless_slow()

    def _run_instance(self, site: Site, number: int) -> None:
        names = site.select(self._plan.contestants)
        missing = [name for name in names if self._results.find(site.cell, name, number) is None]
        self._done += len(names) - len(missing)
        if not missing:
            return
        instance = site.instance(number)
        for name in missing:
            self._tell(site, f"{name}, instance {number + 1} of {self._plan.instances}")
            self._results.runs.append(self._measure(site, instance, number, name))
            self._save_unless_slow()

    def _measure(self, site: Site, instance: Instance, number: int, name: str) -> Run:
        dtype = DTYPES[self._plan.dtype]
        problem, network, x0 = instance.cast(dtype)
        algorithm, chosen = self._algorithm(site, name, problem)
        metrics = instance.metrics(dtype)
        trace = measure(algorithm, problem, network, x0, metrics=metrics, iterations=self._plan.iterations)
        return Run.from_trace(trace, algorithm.cost, algorithm=name, cell=site.cell, instance=number, **chosen)

    def _algorithm(self, site: Site, name: str, problem: Problem) -> tuple[Algorithm[Any], dict[str, Any]]:
        """Return an algorithm, and what the record says of its parameters."""
        if name in self._plan.models:
            model = self._plan.models[name]
            return model.to(dtype=DTYPES[self._plan.dtype]) if hasattr(model, "to") else model, {}
        tuning = self._results.find_tuning(site.cell, name)
        assert tuning is not None  # each cell is tuned before it is run
        method = self._plan.methods[name].from_setting(problem, tuning["setting"])
        return method, {"step_size": getattr(method, "step_size", None), "parameters": tuning["setting"]}

    def _tell(self, site: Site, what: str) -> None:
        """Report the step that begins now."""
        if self._report is not None:
            self._report(f"{site.cell}: {what}", self._done / self._steps)
        self._done += 1

    def _save_unless_slow(self) -> None:
        """Save what was found, unless that would take more than a twentieth of the time."""
        if time.monotonic() - self._saved >= 20 * self._saving:
            self._save()

    def _save(self) -> None:
        if self._folder is not None:
            start = time.monotonic()
            self._results.save(self._folder)
            self._saved = time.monotonic()
            self._saving = self._saved - start
