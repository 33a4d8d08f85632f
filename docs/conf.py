"""The documentation site: `make docs` builds it into build/site. It needs no network, and works from files, too."""

from __future__ import annotations

import os

import django

from heliostat import __version__

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()  # docstrings are read from modules that have models

project = "Heliostat"
author = "The authors of Heliostat"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
myst_heading_anchors = 4
exclude_patterns = ["images"]
html_theme = "furo"
html_title = f"Heliostat {__version__}"
html_show_sourcelink = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_default_options = {"members": True, "show-inheritance": True}
copybutton_exclude = ".linenos, .gp"
default_role = "code"  # docstrings write `names` so
suppress_warnings = ["misc.highlighting_failure"]  # JSON with placeholders, SQL with dollar quotes
