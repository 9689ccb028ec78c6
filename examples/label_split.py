"""How a dataset's classes spread over the nodes: stacked bars for several alphas of the Dirichlet split.

Run it with ``python examples/label_split.py --dataset census --alpha 100 10 1 0.1 --output out/split.png``.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import gnn_l2o
from gnn_l2o import plugins
from gnn_l2o._utils.errors import InputError, about
from gnn_l2o._utils.files import write_atomically

# The "muted" scheme of Tol 2021 ("Colour schemes", SRON technical note): colour-blind readers can tell them apart.
COLOURS = (
    *("#332288", "#DDCC77", "#88CCEE", "#882255", "#44AA99", "#CC6677", "#117733", "#AA4499", "#999933", "#DDDDDD"),
)
HATCHES = ("", "///", "...", "xxx")  # beyond ten classes colours come back with these


def class_counts(dataset: str, network: gnn_l2o.Network, alpha: float, seed: int) -> np.ndarray:
    """Return how many samples of each class every node holds: ``(nodes, classes)``.

    Args:
        dataset: the spec of a dataset with classes and a parameter ``alpha``, ``"census:samples=50"``.
        network: whose nodes hold the data.
        alpha: of the split.
        seed: of the draws.

    Raises:
        InputError: there is no such dataset, or it has no ``alpha``.
    """
    with about(dataset=dataset):
        if "alpha" not in plugins.load("dataset", dataset).defaults:
            raise InputError("has no labels to split by; expected a dataset with a parameter alpha, such as census")
    with about(alpha=f"{alpha:g}"):
        problem = plugins.load("dataset", f"{dataset}{',' if ':' in dataset else ':'}alpha={alpha}")(network, seed=seed)
    held = [t[:m].long() for t, m in zip(problem.targets, problem.count.flatten().tolist(), strict=True)]
    classes = 1 + max(int(labels.max()) for labels in held)
    return np.stack([labels.bincount(minlength=classes).numpy() for labels in held])


def draw(counts: Mapping[float, np.ndarray], title: str) -> Figure:
    """Return a figure with a panel of stacked bars for each alpha.

    Args:
        counts: for each alpha what :func:`class_counts` returns.
        title: stands above.
    """
    figure = Figure(figsize=(1.5 + 3 * len(counts), 3.6), layout="constrained")
    panels = figure.subplots(1, len(counts), sharey=True, squeeze=False)[0]
    for axes, (alpha, table) in zip(panels, counts.items(), strict=True):
        _bars(axes, table)
        axes.set(title=rf"$\alpha = {alpha:g}$", xlabel="node")
    figure.axes[0].set_ylabel("samples")
    handles, labels = max((axes.get_legend_handles_labels() for axes in figure.axes), key=lambda pair: len(pair[1]))
    figure.legend(handles[::-1], labels[::-1], title="class", loc="outside right center", frameon=False)
    figure.suptitle(title)
    return figure


def _bars(axes: Axes, table: np.ndarray) -> None:
    bottoms = np.cumsum(table, axis=1) - table
    for c in range(table.shape[1]):
        turn, position = divmod(c, len(COLOURS))
        axes.bar(
            np.arange(len(table)),
            table[:, c],
            bottom=bottoms[:, c],
            width=0.85,
            color=COLOURS[position],
            hatch=HATCHES[turn % len(HATCHES)],
            edgecolor="white",
            linewidth=0.4,
            label=str(c),
        )
    axes.spines[["top", "right"]].set_visible(False)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="census", help="with classes, perhaps with parameters: census:samples=50")
    parser.add_argument("--alpha", type=float, nargs="+", default=[100.0, 10.0, 1.0, 0.1], help="a panel for each")
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("out/split.png"), help="a .png, .svg or .pdf file")
    arguments = parser.parse_args(argv)
    try:
        with about(nodes=arguments.nodes):
            network = gnn_l2o.build_network("ring", arguments.nodes)
        counts = {a: class_counts(arguments.dataset, network, a, arguments.seed) for a in arguments.alpha}
    except InputError as error:
        parser.error(error.on_command_line())
    figure = draw(counts, f"{arguments.dataset}, {arguments.nodes} nodes")
    try:
        write_atomically(arguments.output, functools.partial(figure.savefig, dpi=150))
    except (OSError, ValueError) as error:
        parser.error(f"--output {arguments.output}: {error}")
    print(arguments.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
