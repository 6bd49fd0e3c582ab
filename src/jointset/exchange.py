"""A run's open edits and pictures, written for other programs, and the decisions that people made there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jointset import review
from jointset.export import edits, fiftyone

if TYPE_CHECKING:
    from jointset.project import Run


def write_edits(run: Run, folder: Path, format: str, filters: Mapping[str, Any]) -> int:
    """Write the open edits that match as one of ``edits.WRITERS``; how many there were."""
    with _desk(run) as desk:
        items = review.asked(desk, review.Filters(**filters), derived=format in edits.TABLES)
        return edits.write(folder, format, lambda save: review.questions(desk, items, save))


def read_decisions(run: Run, file: Path, reviewer: str) -> review.Taken:
    """Write the decisions of a file into the ledger; ``reviewer`` stands where it names nobody."""
    answers = edits.read(file)
    with _desk(run) as desk:
        return review.take(desk, answers, reviewer=reviewer or review.user())


def write_pictures(run: Run, folder: Path) -> Path:
    """Write the datasets that have pictures as a folder that FiftyOne reads."""
    work = run.work
    pictures = {
        d.name: fiftyone.Pictures(
            d.table.column(c), d.table.schema.field(c), d.root, work.pool.split[work.pool.rows_of(d.name)]
        )
        for d in work.pool.datasets
        for c in d.inputs.get("image", ())[:1]
    }
    tables = {n: d.to_arrow() for n, d in run.datasets.items() if n in pictures}
    inputs = {d.name: [c for cs in d.inputs.values() for c in cs] for d in work.pool.datasets}
    return fiftyone.write(folder, tables, work.tasks, pictures, inputs=inputs, name=work.config.name)


@contextmanager
def _desk(run: Run) -> Iterator[review.Desk]:
    run.lay_out()
    with closing(review.open_desk(run.directory)) as desk:
        yield desk
