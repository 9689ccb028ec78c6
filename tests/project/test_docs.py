"""Links and references lead somewhere: in the pages as a plain repository shows them, and in all docstrings."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob(".github/*.md")])
PAGES = [page for page in PAGES if not {"_build", "generated"} & set(page.relative_to(PROJECT).parts)]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
ROLE = re.compile(r":(?:class|func|meth|attr|data|exc|mod):`(?:[^`<]*<)?[~!.]*([\w.]+)>?`")


def shown(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def anchor(heading: str) -> str:
    """The anchor that repository browsers, and the site, give to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {anchor(heading) for heading in re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)}


def dead_links(page: Path) -> Iterator[str]:
    for target in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"https?:", target):
            continue
        name, _, part = target.partition("#")
        file = page.parent / name if name else page
        if not file.exists() or (part and part not in anchors(file)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    assert not list(dead_links(page))


def test_dead_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `heading`, here\n[a](page.md#a-heading-here) [b](#there) [c](no.md) `[d](no.md)`")
    assert list(dead_links(page)) == ["#there", "no.md"]


def definitions(tree: ast.Module) -> Iterator[str]:
    """Yield what a module names: classes, functions, variables and attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name


def dead_references(text: str, names: set[str]) -> list[str]:
    """Return the targets of roles whose last name is not among the names; those in other packages are left out."""
    targets = [target.split(".") for target in ROLE.findall(text)]
    return [".".join(t) for t in targets if t[-1] not in names and (len(t) == 1 or t[0] in names)]


def test_references_in_docstrings_name_something() -> None:
    # Whether the last name exists anywhere in the package: enough to find what was renamed.
    texts = {path: path.read_text(encoding="utf-8") for path in sorted((PROJECT / "gnn_l2o").rglob("*.py"))}
    names = {name for text in texts.values() for name in definitions(ast.parse(text))}
    names |= {part for path in texts for part in path.relative_to(PROJECT).with_suffix("").parts}
    assert {shown(path): dead for path, text in texts.items() if (dead := dead_references(text, names))} == {}


def test_dead_references_are_found() -> None:
    text = (
        ":meth:`.Network.gone`, :meth:`.Network.mix`, :func:`mixer`, :class:`~torch.nn.Linear`, :func:`x <gnn_l2o.y>`"
    )
    assert dead_references(text, {"gnn_l2o", "Network", "mix"}) == ["Network.gone", "mixer", "gnn_l2o.y"]
