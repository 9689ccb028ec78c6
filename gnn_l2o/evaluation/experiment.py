"""Compares algorithms on datasets over networks: the whole evaluation, from a plan to files."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from gnn_l2o._utils.optional import require
from gnn_l2o._utils.output_folder import OutputFolder, claimed
from gnn_l2o.algorithms.base import Algorithm
from gnn_l2o.algorithms.stopping import Below, StoppingRule
from gnn_l2o.algorithms.tunable import Method
from gnn_l2o.evaluation.cases import PlannedCase, plan_cases
from gnn_l2o.evaluation.figures import FOLDER, delete_figures, save_figures
from gnn_l2o.evaluation.instances import Instance
from gnn_l2o.evaluation.metrics import Metrics, OptimalityGap, WorstNodeGap
from gnn_l2o.evaluation.node_distances import MAX_NODES, NodeDistances
from gnn_l2o.evaluation.opening import announce, check_output, open_results
from gnn_l2o.evaluation.plan import DTYPES, Models, Plan, make_plan
from gnn_l2o.evaluation.published import Published
from gnn_l2o.evaluation.record import Run
from gnn_l2o.evaluation.report import save_report
from gnn_l2o.evaluation.report_page.page import PAGE, missing, save_page
from gnn_l2o.evaluation.results import Results
from gnn_l2o.evaluation.runner import measure
from gnn_l2o.evaluation.team import ALONE, Team
from gnn_l2o.evaluation.tuning import Tuning
from gnn_l2o.evaluation.tuning_cache import tune_or_recall
from gnn_l2o.evaluation.tuning_check import MARGIN
from gnn_l2o.problems import Problem

SOLVED = 1e-10  # a hundredth of the tightest tolerance of the tables; some optimality gaps end at 1e-12 by rounding

Report = Callable[[str, float], None]


def evaluate(
    plan: Plan | Models | None = None,
    *,
    output: str | Path | None = None,
    overwrite: bool = False,
    resume: bool = False,
    command: str = "gnn_l2o.evaluate",
    check_only: bool = False,
    report: Report | None = None,
    team: Team = ALONE,
    published: Sequence[Published] = (),
    **settings: Any,
) -> Results:
    """Run learned and tuned optimizers on unseen problems and measure them.

    Everything is checked before anything is written. Methods are tuned in each case
    (:func:`~gnn_l2o.evaluation.tuning.tune`). Results are saved all the time; an evaluation that was interrupted can be
    continued with ``resume=True`` and then gives the same results, wall times apart, as one that was not. Runs of tuned
    methods and of limits end once the optimality gap of every node is below 1e-10 (or the tightest
    tolerance that is shown, if that is smaller); those of models do not.

    Args:
        plan: what is evaluated, a :class:`~gnn_l2o.evaluation.Plan`; or its models, or its model, alone.
        output: folder for ``results.json``, ``summary.csv``, ``algorithms.csv``, ``report.md``, ``figures/`` and, where
            its packages are installed, ``report.html``; without a folder nothing is written.
        overwrite: replace the results that ``output`` holds.
        resume: continue the results that ``output`` holds; if there are none, begin.
        command: what the results file says was called.
        check_only: check everything, then stop.
        report: is told what is being done, and which fraction of the whole is done.
        team: who does the work; :func:`gnn_l2o.distributed.team` are several processes, each with a part of the nodes,
            all of which call this function. The first one writes.
        published: values that papers report, which figures of their cases and the reports show beside the results.
        **settings: the attributes of the :class:`~gnn_l2o.evaluation.Plan`, where ``plan`` is none.

    Raises:
        InputError: an argument is wrong; its ``given`` says which. Or another process writes into ``output``, or
            ``output`` was deleted meanwhile.
        OSError: a file cannot be written.

    Example:
        >>> from gnn_l2o.evaluation import Plan
        >>> plan = Plan(datasets=["lasso:features=6,samples=4"], nodes=[4], algorithms=["prox_ed"], instances=1)
        >>> evaluate(plan, check_only=True).cases
        []
    """
    plan = make_plan(plan, settings)
    team.agree(plan.settings)
    folder = None if output is None or not team.writes else Path(output)
    if folder is not None:
        require("report", "matplotlib")
    if team.writes:
        check_output(folder, overwrite=overwrite, resume=resume)
    with nullcontext() if folder is None or check_only else claimed(folder, FOLDER) as claim:
        results = open_results(Results.begin(plan, command), folder, overwrite=overwrite, resume=resume)
        if team is not ALONE:
            results = Results.from_json(team.from_first(results.to_json))
        cases = plan_cases(plan, team)
        results.sources = {case.case.dataset: case.source for case in cases if case.source}
        results.published = [value.model_dump() for value in published]
        results.skipped = [
            {"algorithm": name, "case": case.case._asdict(), "reason": reason}
            for case in cases
            for name, reason in case.left_out.items()
        ]
        if check_only:
            return results
        if claim is not None:
            announce(claim.path, begins=resume and not results.runs)
            if not resume:
                delete_figures(claim.path)  # first: figures of results that are no longer there, nothing would delete
            results.save(claim.path)
        _Evaluation(plan, results, claim, report, team).run(cases)
    return results


class _Evaluation:
    """Adds the tunings and runs that results lack, saving them on the way."""

    def __init__(
        self, plan: Plan, results: Results, output: OutputFolder | None, report: Report | None, team: Team
    ) -> None:
        self._plan, self._results, self._output, self._report, self._team = plan, results, output, report, team
        self._dtype = DTYPES[plan.dtype]
        self._steps = self._done = 0
        self._saving, self._saved = 0.0, -math.inf

    def run(self, cases: Sequence[PlannedCase]) -> None:
        self._steps = sum(
            len(case.select(self._plan.chosen_methods))
            + self._plan.instances * len(case.select(self._plan.participants))
            for case in cases
        )
        try:
            for case in cases:
                self._tune(case)
                for number in range(self._plan.instances):
                    self._run_instance(case, number)
                self._results.set_redrawn(case.case, case.redrawn)
                self._show(case)
        finally:
            self._save()
        if self._output is not None and not missing():  # once, since Vega takes seconds to be put together
            save_page({"": self._results}, self._output.path / PAGE, tolerances=self._plan.tolerances)

    def _show(self, case: PlannedCase) -> None:
        if self._output is not None and self._results.cases:
            self._output.check()
            save_figures(self._results, self._output.path, [case.case], tolerances=self._plan.tolerances)
            save_report(self._results, self._output.path, tolerances=self._plan.tolerances)

    def _tune(self, case: PlannedCase) -> None:
        methods = case.select(self._plan.chosen_methods)
        missing = [name for name in methods if self._results.find_tuning(case.case, name) is None]
        self._done += len(methods) - len(missing)
        instances, stability = (case.tuning_instances(), case.stability_instances()) if missing else ([], [])
        for name in missing:
            self._tell(case, f"tuning {name}")
            method = self._plan.chosen_methods[name]
            found = self._team.from_first(partial(self._tuning, method, instances, stability))
            self._results.add_tuning(case.case, name, Tuning.from_json(found))
            self._save_unless_slow()

    def _tuning(self, method: Method, instances: list[Instance], stability: list[Instance]) -> dict[str, Any]:
        if not method.tuned:
            return Tuning(method.settings(1)[0], trials=[], warnings=[]).to_json()
        tuning = tune_or_recall(
            method,
            instances,
            iterations=self._plan.iterations,
            stability=stability,
            margin=1.0 if self._plan.tuning == "oracle" else MARGIN,
            budget=self._plan.tuning_budget,
            tolerance=self._plan.tuning_tolerance,
            dtype=self._dtype,
            measure=self._plan.measure,
        )
        return tuning.to_json()

    def _run_instance(self, case: PlannedCase, number: int) -> None:
        names = case.select(self._plan.participants)
        missing = [name for name in names if self._results.find(case.case, name, number) is None]
        self._done += len(names) - len(missing)
        if not missing:
            return
        whole = case.instance(number)
        if number == 0 and whole.network.num_nodes <= MAX_NODES:
            self._results.note_network(case.case, whole.network)
        part = self._team.part_of_instance(whole)
        for name in missing:
            self._tell(case, f"{name}, instance {number + 1} of {self._plan.instances}")
            # Limits are computed from the whole network; nodes do not run them.
            instance = whole if name in self._plan.chosen_limits else part
            self._results.runs.append(self._measure(case, instance, number, name))
            self._save_unless_slow()

    def _measure(self, case: PlannedCase, instance: Instance, number: int, name: str) -> Run:
        problem, network, x0 = instance.cast(self._dtype)
        network = case.with_faults(network, number)
        algorithm, chosen = self._algorithm(case, name, problem)
        self._results.note_class(name, algorithm)
        metrics = Metrics(instance.reference(self._dtype), list(self._plan.chosen_metrics.values()))
        stop = self._plan.stop if name in self._plan.chosen_models else (*self._plan.stop, self._solved(metrics))
        iterations = self._plan.iterations
        distances = NodeDistances(metrics.reference) if number == 0 and case.case.nodes <= MAX_NODES else None
        trace = measure(
            algorithm, problem, network, x0, metrics=metrics, iterations=iterations, stop=stop, distances=distances
        )
        trace = self._team.slowest(trace)
        record = {"algorithm": name, "case": case.case, "instance": number, "distances": distances, **chosen}
        return Run.from_trace(trace, trace.iteration_cost, **record)

    def _solved(self, metrics: Metrics) -> StoppingRule:
        """Return the rule that ends runs of methods and limits: what they do after that, tuning has seen.

        Models are not tuned, so that their runs go on to the last iteration, where they might diverge.
        """
        worst = any(metric.name == WorstNodeGap.name for metric in metrics.metrics)
        return Below(WorstNodeGap.name if worst else OptimalityGap.name, min(SOLVED, *self._plan.tolerances))

    def _algorithm(self, case: PlannedCase, name: str, problem: Problem) -> tuple[Algorithm[Any], dict[str, Any]]:
        """Return an algorithm, and what the record says of its parameters."""
        if name in self._untuned:
            return self._untuned[name], {}
        tuning = self._results.find_tuning(case.case, name)
        assert tuning is not None  # methods are tuned before they run
        method = self._plan.chosen_methods[name].from_setting(problem, tuning["setting"])
        return method, {"step_size": getattr(method, "step_size", None), "parameters": tuning["setting"]}

    @cached_property
    def _untuned(self) -> dict[str, Algorithm[Any]]:
        """Limits, and models in the precision of the runs; copies, because modules change their precision in place."""
        models = {
            name: copy.deepcopy(model).to(dtype=self._dtype) if hasattr(model, "to") else model
            for name, model in self._plan.chosen_models.items()
        }
        return {**models, **self._plan.chosen_limits}

    def _tell(self, case: PlannedCase, what: str) -> None:
        """Report the step that begins now."""
        if self._report is not None:
            self._report(f"{case.case}: {what}", self._done / self._steps)
        self._done += 1

    def _save_unless_slow(self) -> None:
        """Save the results, unless that would take more than a twentieth of the time."""
        if time.monotonic() - self._saved >= 20 * self._saving:
            self._save()

    def _save(self) -> None:
        if self._output is not None:
            self._output.check()
            start = time.monotonic()
            self._results.save(self._output.path)
            self._saved = time.monotonic()
            self._saving = self._saved - start
