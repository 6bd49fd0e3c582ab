"""The report as one page that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from jointset.ledger import Ledger
from jointset.report.html import element, join, paragraph
from jointset.report.material import Material, read
from jointset.report.sections import SECTIONS, Section
from jointset.rundir import RunDirectory, write_text

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write(directory: RunDirectory) -> Path:
    """Write ``report.html`` of a run whose rows are laid out (:func:`~jointset.report.rows.write_rows`).

    Raises :class:`~jointset.errors.RunError` when there is no ledger, or the rows are not there.
    """
    with Ledger(directory.ledger, create=False) as ledger:
        page = render(read(directory, ledger))
    write_text(directory.report, page)
    return directory.report


def render(material: Material) -> Markup:
    """The page."""
    sections = [s for make in SECTIONS.values() if (s := make(material)) is not None]
    name = str(material.config.get("name", material.directory.path.name))
    style = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{name}: report of a run of jointset"),
        element("style", Markup(style)),
    )
    top = element(
        "header",
        element("h1", name),
        paragraph(
            f"{len(material.rows):,} rows in {len(material.rows.datasets)} datasets, {len(material.tasks)} tasks; "
            f"jointset {material.summary.get('version', '')}"
        ),
        element("nav", [element("a", s.title, href=f"#{s.anchor}") for s in sections], aria_label="sections"),
    )
    body = element("body", top, element("main", [_section(s) for s in sections]))
    return join([Markup("<!doctype html>\n"), element("html", head, body, lang="en"), "\n"])


def _section(section: Section) -> Markup:
    heading = element("h2", section.title, id=f"{section.anchor}-title")
    return element(
        "section", heading, section.body, id=section.anchor, aria_labelledby=f"{section.anchor}-title"
    )
