"""The datasets of a run as its accepted edits leave them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jointset import notebook
from jointset.data import Overlay
from jointset.errors import DataError, UnknownName, nearest
from jointset.export.columns import TaskColumns, columns
from jointset.prepare import Work, own_label_columns
from jointset.rundir import RunDirectory

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SHOWN = 5  # rows in a notebook


class RepairedDataset:
    """One dataset of a run: all original columns, and per task the final label and what is known of it."""

    def __init__(self, name: str, table: pa.Table) -> None:
        self.name = name
        self._table = table

    def to_arrow(self) -> pa.Table:
        """As an Arrow table."""
        return self._table

    def to_pandas(self) -> pd.DataFrame:
        """As a pandas frame."""
        return self._table.to_pandas()

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        return f"RepairedDataset({self.name!r}, {len(self):,} rows, columns={self._table.column_names})"

    def _repr_html_(self) -> str:
        shown = self._table.slice(0, SHOWN).to_pandas().map(notebook.brief)
        return notebook.table(repr(self).split(", columns=")[0] + ")", list(shown), shown.to_numpy().tolist())


class RepairedDatasets(Mapping[str, RepairedDataset]):
    """The datasets of a run, made when asked for."""

    def __init__(self, work: Work, overlay: Overlay, directory: RunDirectory) -> None:
        self._work = work
        self._overlay = overlay
        self._audit = _last_audit(directory)

    def __iter__(self) -> Iterator[str]:
        return (d.name for d in self._work.pool.datasets)

    def __len__(self) -> int:
        return len(self._work.pool.datasets)

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{n}: {rows:,} rows' for n, rows in self._told())}}}"

    def _repr_html_(self) -> str:
        return notebook.table("Datasets as the edits leave them", ["dataset", "rows"], self._told())

    def _told(self) -> list[tuple[str, int]]:
        return [(d.name, len(d.row_ids)) for d in self._work.pool.datasets]

    def __getitem__(self, name: str) -> RepairedDataset:
        work = self._work
        dataset = next((d for d in work.pool.datasets if d.name == name), None)
        if dataset is None:
            raise UnknownName(f"no dataset {name!r}{nearest(name, list(self))}; one of {', '.join(self)}")
        rows = work.pool.rows_of(name)
        tasks = []
        for i, task in enumerate(work.tasks):
            given, final = work.given[task.name][rows], self._overlay.labels[task.name][rows]
            empty = np.full(given.shape, np.nan, np.float32)
            found = {
                k: self._audit[f"{k}.{i}"][rows] if f"{k}.{i}" in self._audit else None
                for k in ("quality", "suggested", "confidence")
            }
            tasks.append(
                TaskColumns(
                    task=task,
                    final=final,
                    given=given,
                    source=self._overlay.source[task.name][rows],
                    quality=empty if found["quality"] is None else found["quality"],
                    suggested=task.missing(len(given)) if found["suggested"] is None else found["suggested"],
                    confidence=empty if found["confidence"] is None else found["confidence"],
                    weight=self._overlay.weights[task.name][rows],
                )
            )
        table = dataset.table.drop_columns(own_label_columns(work.config, name, dataset.table.column_names))
        return RepairedDataset(
            name, columns(table, tasks, rows=dataset.row_ids, keep=self._overlay.keep[rows])
        )


def _last_audit(directory: RunDirectory) -> dict[str, Any]:
    files = sorted((directory.path / "rounds").glob("*/audit.npz"))
    if not files:
        return {}
    with np.load(files[-1], allow_pickle=False) as stored:
        return dict(stored)


def base_table(directory: RunDirectory, name: str, fingerprint: str) -> pa.Table:
    """A dataset as the run took it in; DataError when the run's copy is gone."""
    import pyarrow.parquet as pq

    file = directory.data / "base" / f"{fingerprint}.parquet"
    if not file.is_file():
        raise DataError(
            f"{directory.path}: the run's copy of dataset {name!r} is gone ({file.name}); repeat jointset run"
        )
    return pq.read_table(file)
