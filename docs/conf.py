"""How Sphinx builds the documentation: ``make docs``.

The root of the repository is Sphinx's source folder, so that links between pages, results and examples are the same on
the site as in the repository. Nothing is fetched, neither while building nor by the pages: the theme brings its fonts
and scripts along.
"""

from __future__ import annotations

import re
from importlib.metadata import version as installed
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]

project = "jointset"
author = "the jointset developers"
release = version = installed("jointset")
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["docs/**", "bench/RESULTS.md", "examples/README.md", "CHANGELOG.md", "CONTRIBUTING.md"]
exclude_patterns = [".??*", ".??*/**", "**/.*", "docs/_site/**", "runs", "audits"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "jointset"
html_static_path = ["_static"]
html_extra_path = ["_root"]  # the site begins at docs/index.html; who opens its root is sent there
html_css_files = ["pictures.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"top_of_page_buttons": []}
highlight_language = "none"
pygments_style = "friendly"
pygments_dark_style = "monokai"

STYLE = re.compile(
    r"<style>.*?</style>", re.DOTALL
)  # for readers of the bare file; here the page has its own
PICTURE = re.compile(r"^!\[([^\]]*)\]\((images/concepts/[\w-]+\.svg)\)$", re.MULTILINE)


def pictures_inline(app: Sphinx, page: str, source: list[str]) -> None:
    """The drawings of the concepts stand in the page itself, where they take its colours."""

    def drawn(found: re.Match[str]) -> str:
        svg = (ROOT / "docs" / found[2]).read_text(encoding="utf-8")
        return "\n".join(line for line in STYLE.sub("", svg).splitlines() if line.strip())

    source[0] = PICTURE.sub(drawn, source[0])


def setup(app: Sphinx) -> None:
    """Register what this project adds."""
    app.connect("source-read", pictures_inline)
