"""A check's ending, and what it was about; findings get the addresses of their rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from jointset.audit.findings import Checked
from jointset.data import Pool
from jointset.records import Ints, Issues

POINTERS = ("copy_of", "like", "with", "example_row")


@dataclass(frozen=True, eq=False)
class Section:
    """How a check ended on a part of the pool: ``rows`` ``(m,)`` are the pool's rows that the check's positions
    mean."""

    check: str
    checked: Checked
    rows: Ints
    dataset: str = ""
    task: str = ""

    def summary(self) -> dict[str, Any]:
        """What is kept of the section beside its findings, as JSON values."""
        return {
            "check": self.check,
            "dataset": self.dataset,
            "task": self.task,
            "outcome": self.checked.outcome,
            "reason": self.checked.reason,
            "findings": self.checked.by_code(),
        }

    def issues(self, pool: Pool) -> Issues:
        """The findings with the dataset and id of their rows; those about a group have no row."""
        found = self.checked.findings
        n = len(found)
        if not n:
            return Issues.empty()
        about_row = found.row >= 0
        place = self.rows[np.where(about_row, found.row, 0)] if len(self.rows) else np.zeros(n, np.int64)
        dataset = np.where(about_row, pool.dataset_names[place], self.dataset).astype(object)
        row = np.where(about_row, pool.row_ids[place].astype(str), "").astype(object)
        return Issues(
            found.code,
            dataset,
            row,
            np.full(n, self.task, object),
            found.subject,
            found.score,
            np.full(n, "", object),
            np.full(n, "", object),
            1 - found.score,
            np.array([self._addressed(e, pool) for e in found.evidence.tolist()], object),
        )

    def _addressed(self, evidence: str, pool: Pool) -> str:
        facts = json.loads(evidence)
        for key in POINTERS:
            if isinstance(facts.get(key), int):
                place = int(self.rows[facts[key]])
                facts[key] = f"{pool.dataset_names[place]}/{pool.row_ids[place]}"
        return json.dumps(facts, ensure_ascii=False)
