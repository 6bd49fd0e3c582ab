"""The survey: every check over the pool, its issues, and a quality score for every dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jointset.audit.data_quality import DataQuality, data_quality
from jointset.audit.findings import plain
from jointset.prepare import Work
from jointset.records import TRAIN, Issues, is_labelled
from jointset.survey.alone import InputChecks, check_inputs
from jointset.survey.inputs import PoolInputs, read_inputs
from jointset.survey.labelled import LabelsNow, check_labels
from jointset.survey.sections import Section

WANTED_IN_FULL = (
    "shift between datasets",
    "shift between sites",
    "long tail",
    "diversity",
    "shares of classes",
)


@dataclass(frozen=True, eq=False)
class Survey:
    """What every check found: ``sections`` in the order they are told, ``issues`` with the addresses of their rows, and
    ``quality`` by dataset. ``inputs`` and ``alone`` serve further rounds."""

    sections: tuple[Section, ...]
    issues: Issues
    quality: Mapping[str, DataQuality]
    inputs: PoolInputs
    alone: InputChecks

    def facts(self) -> dict[str, Any]:
        """The survey as JSON values: the sections' endings, what figures they have, and the quality with its parts."""
        sections = []
        for section in self.sections:
            told = section.summary()
            if section.check in WANTED_IN_FULL:
                told["facts"] = plain(section.checked.facts)
            sections.append(told)
        quality = {n: {"score": plain(q.score), "parts": plain(q.parts)} for n, q in self.quality.items()}
        return {"sections": sections, "quality": quality}


def survey(
    work: Work,
    *,
    now: LabelsNow | None = None,
    noise: Mapping[str, float] | None = None,
    before: Survey | None = None,
) -> Survey:
    """Run every check of the data over ``work``.

    ``now`` holds the labels as they stand and the joint model's predictions; without it the labels are those given,
    and a linear model of a cheap embedding stands in. ``noise`` is task → estimated share of wrong labels. ``before``
    is an earlier survey of the same work, whose checks of the inputs alone are taken over.
    """
    inputs = before.inputs if before else read_inputs(work.pool, seed=work.config.seed)
    alone = before.alone if before else check_inputs(work, inputs)
    now = now or LabelsNow(work.given)
    sections = (*alone.sections, *check_labels(work, inputs, alone, now))
    issues = Issues.concat([s.issues(work.pool) for s in sections])
    quality = {d.name: _quality(work, alone, sections, now, noise or {}, d.name) for d in work.pool.datasets}
    return Survey(sections, issues, quality, inputs, alone)


def _quality(
    work: Work,
    alone: InputChecks,
    sections: tuple[Section, ...],
    now: LabelsNow,
    noise: Mapping[str, float],
    dataset: str,
) -> DataQuality:
    rows = np.arange(len(work.pool))[work.pool.rows_of(dataset)]
    n = len(rows)
    own = [s for s in sections if s.dataset == dataset]
    tasks = [t for t in work.tasks if dataset in work.config.tasks[t.name].labels]
    held = work.pool.split[rows] != TRAIN
    dirty = (alone.leaks.leaked | alone.leaks.near | alone.leaks.shared)[rows]
    far = [s for s in own if s.check == "outliers" and s.checked.outcome != "not applicable"]
    broken = [s for s in own if s.check == "media" and s.checked.outcome != "not applicable"]
    gone = [v for s in own if s.check == "missing values" for v in s.checked.facts["missing"].values()]
    best = [s.checked.findings.score.min() for s in own if s.check == "shortcuts" and len(s.checked.findings)]
    wrong = [noise[t.name] for t in tasks if np.isfinite(noise.get(t.name, np.nan))]
    parts = {
        "labels_right": 1 - float(np.mean(wrong)) if wrong else float("nan"),
        "labels_given": _mean([float(is_labelled(now.labels[t.name][rows]).mean()) for t in tasks]),
        "values_given": 1 - _mean(gone),
        "media_sound": 1 - _mean([len(np.unique(s.checked.findings.row)) / n for s in broken]),
        "distinct": len(np.unique(alone.duplicates.near[rows])) / max(n, 1),
        "split_clean": 1 - float(dirty[held].mean()) if held.any() else float("nan"),
        "balanced": _mean([_evenness(now.labels[t.name][rows]) for t in tasks if t.kind != "regression"]),
        "not_given_away": float(min(best)) if best else 1.0,
        "in_place": 1 - _mean([len(s.checked.findings) / n for s in far]),
    }
    return data_quality({k: min(max(v, 0.0), 1.0) if v == v else v for k, v in parts.items()})


def _mean(values: list[float]) -> float:
    known = [v for v in values if v == v]
    return float(np.mean(known)) if known else float("nan")


def _evenness(labels: Any) -> float:
    """Entropy of the class shares over that of equal shares, among the classes that occur."""
    counts = np.bincount(labels[labels >= 0]) if labels.ndim == 1 else (labels == 1).sum(axis=0)
    share = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(share * np.log(share)).sum() / np.log(len(share))) if len(share) > 1 else float("nan")
