"""Docstrings as a terminal shows them."""

import inspect
import re

ROLE = re.compile(r":[\w:]+:`[~.]*([^`]*)`")
TEX = (
    (r"\\t?frac(\d)(\d)", r"\1/\2"),
    (r"\\(?:text|mathbf|mathrm)\s*\{?(\w+)\}?", r"\1"),
    (r"\\tilde\s*(\w)", "\\1\u0303"),
    (r"\\hat\s*(\w)", "\\1\u0302"),
    (r"\\bar\s*(\w)", "\\1\u0304"),
    (r"\\alpha", "\u03b1"),
    (r"\^\{([^{}]*)\}", r"^(\1)"),
    (r"[{}]|\\,", ""),
)
"""What stands for TeX commands: regular expressions, and their replacements."""


def summary_of(kind: object) -> str:
    """Return the first paragraph of a docstring, whose first sentence may run over lines, as plain text."""
    return plain((inspect.getdoc(kind) or "").split("\n\n")[0])


def plain(text: str) -> str:
    r"""Return reStructuredText on one line without roles, and its formulas in Unicode.

    Example:
        >>> plain(r":class:`.ADMM` with :math:`\alpha = \tfrac12`, ``x`` and" + "\n" + r":math:`x^*`")
        'ADMM with α = 1/2, x and x^*'
    """
    text = " ".join(ROLE.sub(lambda match: _formula(match[1]), text).split())
    return text.replace("`", "")


def _formula(text: str) -> str:
    for pattern, replacement in TEX:
        text = re.sub(pattern, replacement, text)
    return text
