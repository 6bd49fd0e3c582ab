"""What the checks of the data found about a row: its exact and near copies, among training and held-out rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from jointset.rundir import RunDirectory

CODES = ("exact_duplicate", "near_duplicate", "leak_source", "leaked_copy", "leaked_near_copy")
BACK = {
    "exact_duplicate": "exact_duplicate",
    "near_duplicate": "near_duplicate",
}  # as seen from the other row
MOST = 5
COLUMNS = ["code", "dataset", "row", "evidence"]


@dataclass(frozen=True)
class Twin:
    """Another row with the same inputs, or nearly: what was found, where, and how alike in [0, 1] (None: the same)."""

    code: str
    dataset: str
    row: str
    similarity: float | None


class Findings:
    """The findings of the last round that checked the data, read when they are first asked for."""

    def __init__(self, directory: RunDirectory) -> None:
        self._files = sorted((directory.path / "rounds").glob("*/data_issues.parquet"))

    def twins(self, dataset: str, row: str) -> tuple[Twin, ...]:
        """Up to five copies of a row; those that lie across the split first, each other row once."""
        if not self._files:
            return ()
        own = pc.and_(pc.equal(self._table["dataset"], dataset), pc.equal(self._table["row"], row))
        pointing = pc.match_substring(
            self._table["evidence"], json.dumps(f"{dataset}/{row}", ensure_ascii=False)
        )
        found: dict[tuple[str, str], Twin] = {}
        for mask, back in ((own, False), (pointing, True)):
            for line in self._table.filter(mask).to_pylist():
                twin = _back(line) if back else _twin(line)
                if twin is not None and (twin.dataset, twin.row) != (dataset, row):
                    known = found.setdefault((twin.dataset, twin.row), twin)
                    if CODES.index(twin.code) > CODES.index(known.code):
                        found[twin.dataset, twin.row] = twin
        return tuple(sorted(found.values(), key=lambda t: -CODES.index(t.code))[:MOST])

    @cached_property
    def _table(self) -> pa.Table:
        import pyarrow.parquet as pq

        return pq.read_table(self._files[-1], columns=COLUMNS, filters=[("code", "in", CODES)])


def _twin(line: dict[str, str]) -> Twin | None:
    facts = json.loads(line["evidence"])
    dataset, _, row = str(facts.get("copy_of", facts.get("like", ""))).partition("/")
    return Twin(line["code"], dataset, row, facts.get("similarity")) if row else None


def _back(line: dict[str, str]) -> Twin | None:
    """The same finding as seen from the row that it points to; across the split both sides have one of their own."""
    code = BACK.get(line["code"])
    similarity = json.loads(line["evidence"]).get("similarity")
    return Twin(code, line["dataset"], line["row"], similarity) if code else None
