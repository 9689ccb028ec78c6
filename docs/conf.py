"""Settings of the documentation site; ``make docs`` builds it."""

import os
import sys
import warnings
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "_ext")]
os.environ.setdefault("OMP_NUM_THREADS", "1")  # examples are small: threads would only wait for each other
warnings.filterwarnings("ignore", r".torch\.jit\.script", DeprecationWarning)  # importing torch_geometric

from gnn_l2o import __version__  # noqa: E402  the path comes first

project = "gnn-l2o"
author = "gnn-l2o developers"
copyright = "gnn-l2o developers, MIT licence"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "method_pages",
]
exclude_patterns = ["_build", "_templates", "generated/**/*.ipynb", "generated/**/*.py"]
templates_path = ["_templates"]

# Pages
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

# Docstrings
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Shape", "notes_style")]
add_module_names = False
python_use_unqualified_type_names = True
nitpicky = False  # types of other packages have no page; tests/project/test_docs.py checks references in docstrings

# Tutorials
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "generated/tutorials",
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"(label_split|node_a_process)\.py",  # commands, not tutorials
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "within_subsection_order": "FileNameSortKey",
}

html_theme = "furo"
html_title = f"gnn-l2o {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
