"""The documentation: Markdown, and a reference made from docstrings."""

from encore._version import __version__

project = "ENCORE"
author = "The ENCORE maintainers"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types in words
html_theme = "furo"
html_title = f"ENCORE {release}"
# Formulas are drawn as SVG by one script beside the pages: no font, no network. MathJax 4 would
# fetch parts of its font as it needs them.
html_static_path = ["../web/node_modules/mathjax/es5/tex-svg.js"]
mathjax_path = "tex-svg.js"
suppress_warnings = ["myst.header"]
exclude_patterns = ["_build"]
