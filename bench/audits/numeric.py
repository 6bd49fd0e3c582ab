"""Numeric labels, a tenth of them wrong: pupils, wines and molecules, on the same predictions as the peer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.audits import models, noise
from bench.audits.context import Context, kept
from bench.audits.judged import Case, both
from bench.audits.rows import by_seed, every, peers, row
from bench.datasets import data_file
from bench.table import Row

Array = NDArray[Any]
SHARE = 0.1
ESOL = "measured log solubility in mols per litre"


def tables() -> dict[str, tuple[Array, Array]]:
    """Inputs and true labels by name."""
    student = pd.read_parquet(data_file("student", "student.parquet"))
    wine = pd.read_parquet(data_file("wine", "wine.parquet")).drop_duplicates()
    molecules = pd.read_parquet(data_file("molecules", "delaney.parquet"))
    found = {
        f"student {name}": (_columns(part.drop(columns=["G1", "G2", "G3", "subject"])), part["G3"])
        for name, part in student.groupby("subject")
    }
    found |= {
        f"wine {name}": (_columns(part.drop(columns=["quality", "color"])), part["quality"])
        for name, part in wine.groupby("color")
    }
    # the published estimate is a model of the label
    given = [c for c in molecules.columns if c not in ("Compound ID", ESOL, "smiles") and "ESOL" not in c]
    found["delaney"] = (
        np.hstack([_columns(molecules[given]), _substrings(molecules["smiles"])]),
        molecules[ESOL],
    )
    return {name: (x, y.to_numpy(float)) for name, (x, y) in found.items()}


def _columns(frame: pd.DataFrame) -> Array:
    return pd.get_dummies(frame).to_numpy(float)


def _substrings(smiles: Any) -> Array:
    from sklearn.feature_extraction.text import HashingVectorizer

    count = HashingVectorizer(
        analyzer="char", ngram_range=(1, 3), lowercase=False, n_features=512, norm=None, alternate_sign=False
    )
    return count.fit_transform(smiles).toarray()


def measure(seed: int, context: Context) -> dict[str, Any]:
    """Five tables with two models each."""
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor

    kinds = {
        "forest": lambda: RandomForestRegressor(100, min_samples_leaf=2, random_state=seed),
        "boosting": lambda: GradientBoostingRegressor(random_state=seed),
    }
    rng, cases = np.random.default_rng(seed), {}
    for name, (x, truth) in tables().items():
        given = noise.numbers(truth, SHARE, rng)
        for kind, make in kinds.items():
            made = kept(
                context,
                f"{name}-{kind}-{seed}",
                [x, given],
                lambda m=make, x=x, g=given: models.numbers(m, x, g, seed=seed),
            )
            key = f"{name}, {kind}"
            cases |= both(context, {key: Case("regression", given, made, truth)})
    return {"cases": cases}


def rows(raws: list[Any]) -> list[Row]:
    """A row per table, both models in one, and the mean."""
    names = ["", *dict.fromkeys(key.split(",")[0] for key in raws[0]["cases"])]
    found = []
    for name in names:
        beside = peers(every(raws, name), "ap", "outre")
        best = 100 * max(beside.values(), default=0)
        found.append(
            row(
                f"regression: average precision, {name or 'all'}",
                "> peer's best" if name else "–",
                by_seed(raws, "ap", name),
                (lambda v, b=best: v > b) if name and beside else None,
                peers=beside,
            )
        )
    return [*found, row("regression: flagged (10 % are wrong)", "–", by_seed(raws, "flagged"), peers="–")]
