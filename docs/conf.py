"""Sphinx: ``make docs`` builds these pages, with every warning an error. It reads nothing from the network."""

from __future__ import annotations

from catmaid_notify import __version__

project = "catmaid_notify"
author = "the authors of catmaid_notify"
project_copyright = f"2026, {author}"
release = version = __version__

extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4  # so that pages can link to each other's headings
nitpicky = True

html_theme = "furo"
html_title = f"catmaid_notify {release}"
html_copy_source = False
html_show_sphinx = False
