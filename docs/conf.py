"""Configuration of the documentation: `make docs` builds it into docs/_build."""

from synthgen.version import __version__

project = "synthgen"
author = "the synthgen developers"
copyright = "the synthgen developers, Apache-2.0"
release = __version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.intersphinx"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
# Docstrings name parameters in single backquotes: that is no link.
default_role = "code"
intersphinx_mapping = {}

html_theme = "pydata_sphinx_theme"
html_title = "synthgen"
html_theme_options = {"show_prev_next": False, "secondary_sidebar_items": ["page-toc"]}
