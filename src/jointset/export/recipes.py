"""Derived rows in an export: the recipes, from which anybody can make the rows again."""

from __future__ import annotations

from pathlib import Path

from jointset.records import Edits

COLUMNS = {"dataset": "dataset", "row": "jointset_row", "task": "task", "new": "recipe", "weight": "weight"}


def with_recipes(folder: Path, added: Edits) -> Path:
    """Write ``added.parquet`` beside the datasets, where rows were added: source row, recipe (JSON) and weight."""
    if len(added):
        import pyarrow.parquet as pq

        from jointset.data.storage import write_atomically

        table = added.to_arrow().select(list(COLUMNS)).rename_columns(list(COLUMNS.values()))
        write_atomically(
            folder / "added.parquet", lambda file: pq.write_table(table, file, compression="zstd")
        )
    return folder
