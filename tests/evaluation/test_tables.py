"""Tables on a narrow screen, rows for machines, file names of cases, and docstrings as plain text."""

import pytest
from rich.console import Console

from gnn_l2o._utils.plain_text import plain
from gnn_l2o.evaluation import Case, Table
from gnn_l2o.evaluation.tables import optimality_gap

NAMES = ("milodo_local", "milodo_gnn", "erdos_renyi")


def table(rows: int = 2) -> Table:
    made = [
        {
            "dataset": "lasso:features=60,samples=8",
            "topology": NAMES[2],
            "model": NAMES[k % 2],
            "rounds": "157.5 / 256.5",
            "seconds": "0.0835 / 0.161",
            "tuned setting": "step_size 0.5/L, momentum 0.3",
        }
        for k in range(rows)
    ]
    return Table("Rounds", made, ("dataset", "topology", "model"), essential=("dataset", "topology", "model", "rounds"))


def printed(made: Table, width: int) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(made.rich(width))
    return capture.get()


@pytest.mark.parametrize("width", [40, 50, 60, 80, 100, 160])
def test_tables_break_no_word_and_fit(width: int) -> None:
    text = printed(table(), width)
    assert max(map(len, text.splitlines())) <= width
    for name in NAMES[:2]:
        assert name in text
    assert "rounds" in text and NAMES[2] in " ".join(text.split())


def test_a_wide_screen_shows_the_table_as_it_is() -> None:
    text = printed(table(), 160)
    assert "lasso:features=60,samples=8" in text and "step_size 0.5/L, momentum 0.3" in text
    assert "left out" not in text


def test_what_all_rows_share_goes_into_the_title_of_a_narrow_table() -> None:
    text = printed(table(), 80)
    assert text.startswith("lasso:features=60,samples=8, erdos_renyi: Rounds")
    assert "dataset" not in text and "left out" not in text


def test_a_narrow_table_says_what_it_leaves_out() -> None:
    text = " ".join(printed(table(), 34).split())
    assert "left out of 34 characters: seconds, tuned setting" in text
    assert "157.5 /" in text


@pytest.mark.parametrize(
    ("value", "text"), [(-9.7e-18, "<1e-12"), (0.0, "<1e-12"), (3e-12, "3.0e-12"), (0.25, "2.5e-01")]
)
def test_rounding_errors_are_no_optimality_gaps(value: float, text: str) -> None:
    assert optimality_gap(value) == text


def test_paths_in_specs_become_short_file_names() -> None:
    first, second = (Case(f"/tmp/{folder}/huber.py:delta=1", "ring", 10).file_name for folder in ("one", "two"))
    assert first.startswith("huber-") and first.endswith("_delta=1_ring_10") and "tmp" not in first
    assert first != second
    graph = Case("lasso", "from_file:path=/tmp/graph.npy", 10).file_name
    assert graph.startswith("lasso_from_file_path=graph-") and graph.endswith("_10")
    assert Case("lasso", "real:name=topozoo/Abilene", 11).file_name == "lasso_real_name=topozoo_Abilene_11"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r":class:`.ADMM` with ``x``", "ADMM with x"),
        (r"with :math:`\tilde W = (I + W)/2`", "with W\u0303 = (I + W)/2"),
        (r":math:`(I - W)^{1/2} x = 0`.", "(I - W)^(1/2) x = 0."),
        (r":math:`x_{\text{previous}}`", "x_previous"),
        ("over\n  lines", "over lines"),
    ],
)
def test_docstrings_become_plain_text(text: str, shown: str) -> None:
    assert plain(text) == shown
