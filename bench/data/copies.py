"""Copies, leaks, contradictions and what gives labels away, on sets that have them by nature."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bench.datasets import data_file
from jointset import audit


def fdu_mtl(seed: int) -> dict[str, Any]:
    """Test reviews that stand in some train file, against a plain comparison of strings."""
    frame = pd.read_parquet(data_file("fdu_mtl", "labelled.parquet"))
    copies = audit.find_duplicates(frame["text"].tolist(), kind="text", seed=seed)
    test = (frame["split"] == "test").to_numpy()
    leaks = audit.find_leaks(test.astype(int), exact=copies.exact, pairs=copies.pairs)
    truth = test & frame["text"].isin(set(frame["text"][~test])).to_numpy()
    return {
        "truly copied": int(truth.sum()),
        "recall": float(leaks.leaked[truth].mean()),
        "precision": float(truth[leaks.leaked].mean()),
        "near copies beyond": int(leaks.near.sum()),
    }


def sentences(seed: int) -> dict[str, Any]:
    """Sentences that MR and SST share, their contradictions, and which side is held to be wrong."""
    frame = pd.read_parquet(data_file("sentence_cls", "sentence_cls.parquet"))
    frame = frame[frame["task"].isin(["MR", "SST5"])].reset_index(drop=True)
    five = frame["label"].to_numpy()
    polarity = np.where(frame["task"] == "MR", five, np.select([five < 2, five > 2], [0, 1], -1))
    copies = audit.find_duplicates(frame["text"].tolist(), kind="text", seed=seed)
    mr = (frame["task"] == "MR").to_numpy()
    shared = np.intersect1d(copies.near[mr], copies.near[~mr])
    points = audit.text_features(frame["text"].tolist(), width=256, seed=seed)
    probs = audit.cross_fitted(points, polarity, 2, groups=copies.near, seed=seed)
    found = audit.find_conflicts(copies.near, polarity, probs=probs, source=frame["task"].to_numpy())
    both = np.isin(copies.near[found.rows], shared)
    rows, wrong = found.rows[both], found.likelier_wrong[both]
    # strength of the five-step label of the pair: "very" positive or negative is further from a mistake
    mild = np.isin(five, [1, 3]) & ~mr
    group = pd.Series(mild[rows], index=copies.near[rows]).groupby(level=0).max()
    blamed = pd.Series(wrong & ~mr[rows], index=copies.near[rows]).groupby(level=0).max()
    polar = polarity >= 0
    compared = np.intersect1d(copies.near[mr & polar], copies.near[~mr & polar])
    return {
        "sentences of MR that stand in SST": int(np.isin(copies.near[mr], shared).sum()),
        "sentences of SST that stand in MR": int(np.isin(copies.near[~mr], shared).sum()),
        "contradicting": len(np.unique(copies.near[rows])),
        "of those compared": len(np.unique(copies.near[rows])) / len(compared),
        "MR likelier wrong": float(1 - blamed.mean()),
        "SST blamed where its label is mild": float(blamed[group].mean()),
        "SST blamed where its label is strong": float(blamed[~group].mean()),
    }


def molecules(seed: int) -> dict[str, Any]:
    """Tasks that the style of the formula gives away: clintox is one by nature, side effects and assays are none."""
    out = {}
    flagged = total = 0
    for name, limit in (("clintox", 2), ("sider", 27), ("tox21", 12)):
        frame = pd.read_parquet(data_file("molecules", f"{name}.parquet"))
        features = audit.simple_texts(frame["smiles"].tolist())
        tasks = [c for c in frame.columns if c not in ("smiles", "mol_id")][:limit]
        for task in tasks:
            y = frame[task].fillna(-1).astype(int).to_numpy()
            found = audit.find_shortcuts(features, y, together=True, level=0.95, task=task, seed=seed)
            if name == "clintox":
                out[f"clintox {task}: area of the style"] = found.together
                out[f"clintox {task}: flagged"] = found.outcome == "found"
            else:
                total += 1
                flagged += found.outcome == "found"
    return {**out, "flagged elsewhere": f"{flagged} of {total}"}


def wine(seed: int) -> dict[str, Any]:
    """Copies, the columns in which red and white differ, and what one says about the other."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    frame = pd.read_parquet(data_file("wine", "wine.parquet"))
    columns = {c: frame[c].to_numpy() for c in frame if c not in ("quality", "color")}
    copies = audit.find_duplicates({c: frame[c].to_numpy() for c in frame}, kind="tabular")
    red = (frame["color"] == "red").to_numpy()
    shift = audit.column_shift(
        {c: v[red] for c, v in columns.items()}, {c: v[~red] for c, v in columns.items()}
    )
    points = audit.table_features(columns)
    same = audit.find_duplicates(columns, kind="tabular").near
    good = (frame["quality"] > frame["quality"].median()).to_numpy().astype(int)
    matrix = audit.shift_matrix(
        points, frame["color"].to_numpy(), labels=good, together=same, rows=1500, seed=seed
    )
    x, y = frame[list(columns)].to_numpy(), frame["quality"].to_numpy()
    r2 = {}
    for source, target, name in ((~red, red, "red from white"), (red, ~red, "white from red")):
        model = HistGradientBoostingRegressor(random_state=seed).fit(x[source], y[source])
        r2[name] = float(model.score(x[target], y[target]))
    top = sorted(shift.effect, key=lambda c: -shift.effect[c])[:3]
    return {
        "copies": copies.facts["exact"],
        "columns that differ": f"{len(shift.findings)} of {len(columns)}",
        "most": ", ".join(f"{c} {shift.effect[c]:.2f}" for c in top),
        "worth of white for red, of red for white (foreseen)": f"{matrix.worth[1, 0]:.2f}, {matrix.worth[0, 1]:.2f}",
        "called bad": ", ".join(matrix.findings.subject[matrix.findings.code == "bad_transfer"]) or "none",
        **{f"R² of {k} (measured)": v for k, v in r2.items()},
    }
