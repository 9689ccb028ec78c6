"""Docs, docstrings, help texts and names use one word of the field for one thing."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

# A word that is not used (a regular expression), and what is.
WORDS = {
    r"gains?": "preconditioner, dual step size, mixing weight, edge weights or coefficients",
    r"longest steps?|steps? (?:too|so|as) long|how long steps": "maximal stable step size",
    r"pull": "relative shrinkage of the prox",
    r"evenness": "mean-to-maximal curvature ratio",
    r"swings?": "oscillation margin",
    r"ROOM|room for": "safety factor",
    r"what (?:a node|it) (?:really )?keeps": "effective self-weight",
    r"ahead": "extrapolated point, or faster",
    r"scout\w*": "grid search",
    r"curvatures? (?:just )?met": "secant curvature",
    r"held(?![\s-]+out)|refresh\w*": "frozen, recomputed",
    r"stretch\w*": "Chebyshev step-size schedule",
    r"cycles? of (?:held )?steps?|steps? cycles?|step_cycle": "Chebyshev step-size schedule",
    r"direct layers?": "skip connection",
    r"come to grief|came to grief|(?:is|are|was|were|be|been) lost": "diverged",
    r"taken back|setbacks?": "rolled back, rollback",
    r"rivals?": "learned baseline",
    r"yardsticks?": "reference",
    r"sites?": "case",
    r"(?<!LSTM )cells?": "case",
    r"least|greatest": "smallest, largest, min_, max_",
    r"most_\w+": "max_",
    r"gaps?": "optimality, spectral or duality gap",
    r"wants?|wanted": "the algorithm proposes, needs or requires",
}

# Uses of these words that are the field's, in lower case; what they match is taken out before the search.
ALLOWED = (
    r"\b(?:optimality|spectral|duality)[\s_]+gaps?",
    r"`+\w*gaps?\w*`+|\blog_gap\b|:func:`[^`]*`|:attr:`[^`]*`|:meth:`[^`]*`|:class:`[^`]*`",
    r"\bleast[\s_-]+squares\b|\bat(?:\s+|_)least\b",
    r"\bcycle graphs?\b|\bcycle_graph\b",
    r"\blstm cells?\b|lstmcell",
    r"\bcapital gain\b",
    r"\bdocumentation site\b",
)

# Parts of names in the code that are not used.
NAMES = re.compile(
    r"(?:^|_)(?:gains?|scout\w*|rivals?|yardsticks?|swings?|evenness|refresh\w*|held|longest|(?<!at_)least(?!_squares)|greatest"
    r"|setbacks?)(?:_|$)|^most_",
    re.IGNORECASE,
)
PATTERNS = [
    (re.compile(rf"\b(?:{word})\b", 0 if word.startswith("ROOM") else re.I), use) for word, use in WORDS.items()
]


def pages() -> list[Path]:
    folders = ("docs/**/*.md", "models/*/card.md")
    pages = sorted(path for folder in folders for path in PROJECT.glob(folder))
    return [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *pages]


def modules() -> list[Path]:
    return sorted((PROJECT / "gnn_l2o").rglob("*.py"))


def shown(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def findings(text: str, first_line: int = 1) -> Iterator[str]:
    """Yield ``line: word -> replacement`` for every word of the list; the text may break a use over lines."""
    for use in ALLOWED:
        text = re.sub(use, lambda match: re.sub(r"[^\n]", " ", match.group()), text, flags=re.IGNORECASE)
    for pattern, replacement in PATTERNS:
        for match in pattern.finditer(text):
            line = first_line + text.count("\n", 0, match.start())
            yield f"{line}: {' '.join(match.group().split())!r} -> {replacement}"


def public_docstrings(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the docstrings of a module and of its public classes, functions and methods, with their first lines."""

    def below(node: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | ast.FunctionDef]:
        for child in node.body:
            if isinstance(child, ast.ClassDef | ast.FunctionDef) and not child.name.startswith("_"):
                yield child
                if isinstance(child, ast.ClassDef):
                    yield from below(child)

    for node in (tree, *below(tree)):
        match node.body:
            case [ast.Expr(value=ast.Constant(value=str(text)) as constant), *_]:
                yield text, constant.lineno


def names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the names of functions, classes, arguments and fields."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.arg(arg=name):
                yield name, node.lineno
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, node.lineno


@pytest.mark.parametrize("path", pages(), ids=shown)
def test_pages_use_the_words_of_the_field(path: Path) -> None:
    found = sorted(findings(path.read_text(encoding="utf-8")))
    assert not found, "\n".join(f"{shown(path)}:{finding}" for finding in found)


@pytest.mark.parametrize("path", modules(), ids=shown)
def test_docstrings_and_names_use_the_words_of_the_field(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [finding for text, line in public_docstrings(tree) for finding in findings(text, line)]
    found += [f"{line}: name {name!r}" for name, line in names(tree) if NAMES.search(name)]
    assert not found, "\n".join(f"{shown(path)}:{finding}" for finding in found)


@pytest.mark.parametrize("script", ["train.py", "evaluate_flags.py"])
def test_help_texts_use_the_words_of_the_field(script: str) -> None:
    tree = ast.parse((PROJECT / "gnn_l2o" / "cli" / script).read_text(encoding="utf-8"))
    helps = [
        (constant.value, constant.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "help"
        for constant in ast.walk(node.value)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    ]
    assert helps
    found = [finding for text, line in helps for finding in findings(text, line)]
    assert not found, "\n".join(f"{script}:{finding}" for finding in found)


@pytest.mark.parametrize(
    "text",
    [
        "the held gains of a node",
        "a relative gap of 1e-3",
        "runs were lost",
        "the least value",
        "a cell of the table",
        "the greatest\nstep",
        "--init scouted",
    ],
)
def test_words_that_are_not_used_are_found(text: str) -> None:
    assert list(findings(text))


@pytest.mark.parametrize(
    "text",
    [
        "a relative optimality\ngap of 1e-3",
        "held-out problems",
        "at least two least-squares problems",
        "an LSTM cell of width 20",
        "the loss `log_gap`",
        "networkx.cycle_graph",
    ],
)
def test_words_of_the_field_are_not_found(text: str) -> None:
    assert not list(findings(text))


def test_names_that_are_not_used_are_found() -> None:
    assert all(
        map(NAMES.search, ("held_step", "edge_gains", "longest_step", "most_negative", "least", "refresh_every"))
    )
    assert not any(
        map(NAMES.search, ("LeastSquares", "require_at_least", "min_eigenvalue", "almost_equal", "withheld"))
    )


def test_a_finding_names_its_line() -> None:
    assert next(findings("all is well\nbut for gains", first_line=10)).startswith("11: 'gains' -> ")
