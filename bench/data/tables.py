"""Tables with planted problems, and clean shuffles that should raise no alarm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bench.datasets import data_file
from jointset import audit

SHUFFLES = 20
SITE, BLOCK = 2000, 400


def _adult() -> tuple[dict[str, np.ndarray], np.ndarray]:
    frame = pd.read_parquet(data_file("adult", "adult.parquet"))
    y = (frame["income"] == ">50K").to_numpy().astype(int)
    return _columns(frame.drop(columns=["income", "split"])), y


def _diabetes() -> tuple[dict[str, np.ndarray], np.ndarray]:
    frame = pd.read_parquet(data_file("diabetes130", "diabetes130.parquet"))
    y = (frame["readmitted"] == "<30").to_numpy().astype(int)
    return _columns(frame.drop(columns=["readmitted", "patient_nbr"])), y


def _columns(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    return {
        c: frame[c].to_numpy(float)
        if pd.api.types.is_numeric_dtype(frame[c])
        else frame[c].astype(object).to_numpy()
        for c in frame
    }


SETS = {"adult": _adult, "diabetes130": _diabetes}


def natural(name: str, seed: int) -> dict[str, Any]:
    """Missing values, said and disguised, and the imbalance, as the set has them."""
    columns, y = SETS[name]()
    gone = audit.find_missing_values(columns)
    tail = audit.long_tail(y, 2, names=["no", "yes"])
    much = {c: round(s, 2) for c, s in gone.missing.items() if s > 0}
    return {
        "missing": ", ".join(f"{c} {s:.0%}" for c, s in sorted(much.items(), key=lambda i: -i[1])[:4]),
        "disguised": ", ".join(f"{c} {'/'.join(map(str, v))}" for c, v in gone.disguised.items()) or "–",
        "rarer class": float(tail.counts.min() / tail.counts.sum()),
    }


def planted(name: str, seed: int) -> dict[str, Any]:
    """One of each kind of damage on 10,000 rows: is it found, and nothing beside it?"""
    columns, y = SETS[name]()
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(y))[:10_000]
    columns, y = {c: v[rows] for c, v in columns.items()}, y[rows]
    before = set(audit.find_shortcuts(columns, y, seed=seed).findings.subject)
    out: dict[str, Any] = {}
    leak = np.where(rng.random(len(y)) < 0.02, 1 - y, y) * 3.0 + rng.normal(0, 0.3, len(y))
    found = set(audit.find_shortcuts({**columns, "note_code": leak}, y, seed=seed).findings.subject)
    out["leaking column"] = (
        f"{'found' if 'note_code' in found else 'missed'}, {len(found - before - {'note_code'})} others"
    )

    numeric = [c for c, v in columns.items() if v.dtype.kind == "f"]
    moved = numeric[int(rng.integers(len(numeric)))]
    site = {c: v[:SITE].copy() for c, v in columns.items()}
    site[moved] = site[moved] + 0.5 * np.nanstd(columns[moved])
    rest = {c: v[SITE:] for c, v in columns.items()}
    shift = audit.column_shift(rest, site)
    points = audit.table_features({c: np.concatenate([rest[c], site[c]]) for c in columns})
    p = audit.covariate_shift(points[:-SITE], points[-SITE:], seed=seed).p_value
    named = shift.findings.subject.tolist()
    out["shifted site"] = (
        f"{'found' if p < 0.01 else 'missed'} (p {p:.1g}); columns {', '.join(named)} (moved {moved})"
    )

    copied = {c: np.concatenate([v, v[1000 : 1000 + BLOCK]]) for c, v in columns.items()}
    base = audit.find_duplicates(columns, kind="tabular").facts["exact"]
    again = audit.find_duplicates(copied, kind="tabular")
    last = again.findings.row[again.findings.code == "exact_duplicate"] >= len(y)
    out["repeated block"] = f"{int(last.sum())} of {BLOCK} ({base} copies before)"

    odd = rng.permutation(len(y))[: len(y) // 100]
    spoilt = {c: v.copy() for c, v in columns.items()}
    for i in odd:
        for c in rng.permutation(list(columns))[:4]:
            if spoilt[c].dtype.kind == "f":
                spoilt[c][i] = np.nanmean(columns[c]) + (6 + 4 * rng.random()) * np.nanstd(columns[c])
            else:
                spoilt[c][i] = f"zz{rng.integers(1000)}"
    points = audit.table_features(spoilt)
    outliers = audit.find_outliers(points, seed=seed)
    truth = np.zeros(len(y), bool)
    truth[odd] = True
    out["1 % outliers: AUC"] = audit.area(truth.astype(int), -outliers.score)
    return out


def shuffles(name: str, seed: int) -> dict[str, Any]:
    """The share of clean shuffles in which each check raises an alarm at 0.05."""
    columns, y = SETS[name]()
    rng = np.random.default_rng(seed)
    counts = dict.fromkeys(("inputs", "columns", "concept", "order", "shares"), 0)
    for i in range(SHUFFLES):
        rows = rng.permutation(len(y))[:1600]
        part = {c: v[rows] for c, v in columns.items()}
        points = audit.table_features(part, width=32)
        a, b, target = points[:800], points[800:], y[rows]
        counts["inputs"] += audit.covariate_shift(a, b, seed=i).p_value < 0.05
        halves = ({c: v[s] for c, v in part.items()} for s in (slice(0, 800), slice(800, None)))
        counts["columns"] += len(audit.column_shift(*halves, level=0.05).findings) > 0
        counts["concept"] += audit.concept_shift(a, target[:800], b, target[800:], seed=i).p_value < 0.05
        counts["order"] += audit.find_order(points, seed=i).p_value < 0.05
        probs = audit.cross_fitted(points, target, 2, seed=i)
        found = audit.label_shift(target[:800], probs[:800], probs[800:])
        counts["shares"] += found.p_value < 0.05
    return {f"false alarms, {k}": v / SHUFFLES for k, v in counts.items()}
