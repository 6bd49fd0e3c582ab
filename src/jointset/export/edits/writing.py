"""Writes open edits into a folder, in one of the formats that other programs read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from jointset.errors import DataError
from jointset.export.edits import argilla, label_studio, table
from jointset.export.edits.base import MEDIA
from jointset.export.folder import manifest, replacing, safe_names
from jointset.records import Question

Writer = Callable[[Iterable[Question], Path], Sequence[str]]
Save = Callable[[str, bytes], str]

WRITERS: dict[str, Writer] = {
    "edits-csv": table.write_csv,
    "edits-jsonl": table.write_jsonl,
    "label-studio": label_studio.write,
    "argilla": argilla.write,
}
TABLES = ("edits-csv", "edits-jsonl")  # take questions without labels to choose from, too


def write(folder: str | Path, format: str, ask: Callable[[Save], Iterable[Question]]) -> int:
    """Write the questions that ``ask`` makes, and return how many there were.

    ``ask`` is given a function that takes the name and the bytes of a picture or a sound and returns the path at which
    it stands in the folder. The folder is whole or not there at all; an earlier one is replaced unless it was worked in
    (RunError). DataError for an unknown format, or when there is nothing to ask.
    """
    if format not in WRITERS:
        raise DataError(f"no format of edits is called {format!r}; known: {', '.join(WRITERS)}")
    folder, count = Path(folder), 0
    names: set[str] = set()

    with replacing(folder) as partial:

        def save(name: str, content: bytes) -> str:
            stem, suffix = safe_names([name])[0].rsplit(".", 1)
            free, i = f"{stem}.{suffix}", 2
            while free.casefold() in names:
                free, i = f"{stem}-{i}.{suffix}", i + 1
            names.add(free.casefold())
            (partial / MEDIA).mkdir(exist_ok=True)
            (partial / MEDIA / free).write_bytes(content)
            return f"{MEDIA}/{free}"

        def counted() -> Iterator[Question]:
            nonlocal count
            for question in ask(save):
                count += 1
                yield question

        written = WRITERS[format](counted(), partial)
        if not count:
            raise DataError(f"{folder}: no open edit matches, so there is nothing to write")
        manifest(partial, format, precious=written if format.startswith("edits-") else ())
    return count
