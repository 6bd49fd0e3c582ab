"""What is measured for one seed: each function returns figures by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.modal import linear, sets
from bench.modal.arms import Arm, Data, score

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
FEW = (100, 200, 500)
DROPOUT = 0.3
PATIENT = {"epochs": 100, "patience": 10}  # for some hundred rows: forty epochs of five steps are too few
SLOW_START = {
    "patience": 8
}  # a bag of n-grams begins at zero: three epochs end on the plateau of the table alone
VOICE = {"digit": "digit", "speaker": "speaker", "accent": "accent"}
Figures = dict[str, float]


def spoken(seed: int, folder: Path) -> Figures:
    """Digit, speaker and accent of a clip: each alone, and all three together."""
    data = _sounds(sets.spoken(seed))
    found: Figures = {}
    together = Arm("together", {"spoken": data}, dict.fromkeys(VOICE, "multiclass")).run(folder, seed)
    found["together.seconds"] = together.summary["seconds"]
    for task in VOICE:
        alone = Arm(f"alone-{task}", {"spoken": data}, {task: "multiclass"}).run(folder, seed)
        found[f"{task}.alone"] = score(alone, "spoken", data.test(), task, task)
        found[f"{task}.together"] = score(together, "spoken", data.test(), task, task)
        found[f"{task}.linear"] = linear.linear(linear.clips(data.table), data.table, task)
        found[f"{task}.seconds"] = alone.summary["seconds"]
    return found


def speakers(seed: int, folder: Path) -> Figures:
    """The digit said by a speaker whom training never heard: each of the six in turn."""
    found: Figures = {}
    for speaker in SPEAKERS:
        data = _sounds(sets.spoken(seed, left_out=speaker))
        run = Arm(speaker, {"spoken": data}, {"digit": "multiclass"}).run(folder, seed)
        found[speaker] = score(run, "spoken", data.test(), "digit", "digit")
        found[f"{speaker}.linear"] = linear.linear(linear.clips(data.table), data.table, "digit")
    return found


def cross(seed: int, folder: Path, n: int | None) -> Figures:
    """Spoken and written digits, one task: each set alone, and both on one trunk and head."""
    sound, image = sets.spoken(seed), sets.written(seed)
    if n is not None:
        sound, image = sets.few(sound, n, seed), sets.few(image, n, seed)
    training = {} if n is None else PATIENT
    data = {"spoken": _sounds(sound), "written": Data(image, {"image": "image"}, {"digit": "digit"})}
    joint = Arm("joint", data, {"digit": "multiclass"}, training=training).run(folder, seed)
    found = {"joint.seconds": joint.summary["seconds"]}
    for name, part in data.items():
        alone = Arm(f"alone-{name}", {name: part}, {"digit": "multiclass"}, training=training).run(
            folder, seed
        )
        found[f"{name}.alone"] = score(alone, name, part.test(), "digit", "digit")
        found[f"{name}.joint"] = score(joint, name, part.test(), "digit", "digit")
        found[f"{name}.seconds"] = alone.summary["seconds"]
    found["spoken.linear"] = linear.linear(linear.clips(sound), sound, "digit")
    found["written.linear"] = linear.linear(linear.pixels(image), image, "digit")
    return found


def two(
    seed: int,
    folder: Path,
    *,
    make: Callable[[int], pa.Table],
    inputs: dict[str, list[str]],
    label: str,
    kind: str,
    training: Any = None,
) -> Figures:
    """Rows of two modalities: each alone, both, both with one missing in half of the rows."""
    table, found = make(seed), {}
    half = {m: sets.lacking(table, columns, 0.5, seed) for m, columns in inputs.items()}
    gone = {m: sets.lacking(table, columns, 1.0, seed) for m, columns in inputs.items()}
    tests = {"full": _test(table), **{f"no {m}": _test(t) for m, t in gone.items()}}
    for modality, columns in inputs.items():
        run = _arm(f"only-{modality}", table, {modality: columns}, label, kind, {}, training).run(
            folder, seed
        )
        found[f"only {modality}"] = score(run, "rows", tests["full"], label, label)
    for dropout in (0.0, DROPOUT):
        said = "" if not dropout else ", dropout"
        model = {"modality_dropout": dropout}
        run = _arm(f"both-{dropout}", table, inputs, label, kind, model, training).run(folder, seed)
        for name, rows in tests.items():
            found[f"both{said}: {name}"] = score(run, "rows", rows, label, label)
        for modality, rows in half.items():
            run = _arm(f"half-{modality}-{dropout}", rows, inputs, label, kind, model, training).run(
                folder, seed
            )
            found[f"half {modality}{said}: half"] = score(run, "rows", _test(rows), label, label)
            found[f"half {modality}{said}: full"] = score(run, "rows", tests["full"], label, label)
    return found | _linear(table, inputs, label)


def _linear(table: pa.Table, inputs: dict[str, list[str]], label: str) -> Figures:
    parts = {}
    for modality, columns in inputs.items():
        of = {"text": linear.words, "image": linear.pixels, "audio": linear.clips}
        x = of[modality](table) if modality in of else linear.columns(table, columns)
        parts[modality] = x.toarray() if hasattr(x, "toarray") else x
    found = {f"linear {m}": linear.linear(x, table, label) for m, x in parts.items()}
    return {**found, "linear both": linear.linear(np.hstack(list(parts.values())), table, label)}


def _sounds(table: pa.Table) -> Data:
    return Data(table, {"audio": "audio"}, VOICE)


def _test(table: pa.Table) -> pa.Table:
    return Data(table, {}, {}).test()


def _arm(
    name: str,
    table: pa.Table,
    inputs: dict[str, list[str]],
    label: str,
    kind: str,
    model: Any,
    training: Any,
) -> Arm:
    return Arm(name, {"rows": Data(table, inputs, {label: label})}, {label: kind}, model, training or {})


TWO: dict[str, dict[str, Any]] = {
    "adult": {
        "make": sets.adult,
        "inputs": {"text": ["text"], "tabular": sets.NUMBERS},
        "label": "income",
        "kind": "binary",
        "training": SLOW_START,
    },
    "youtube": {
        "make": sets.youtube,
        "inputs": {"text": ["text"], "tabular": ["hour", "day", "year", "characters", "capitals", "digits"]},
        "label": "spam",
        "kind": "binary",
        "training": SLOW_START,
    },
    "cifar10n": {
        "make": sets.cifar,
        "inputs": {"image": ["image"], "tabular": ["worst"]},
        "label": "label",
        "kind": "multiclass",
        "training": SLOW_START,
    },
    "pairs": {
        "make": partial(sets.pairs, n=200),
        "inputs": {"audio": ["audio"], "image": ["image"]},
        "label": "digit",
        "kind": "multiclass",
        "training": PATIENT,
    },
}
SECTIONS: dict[str, Callable[[int, Path], Figures]] = {
    "spoken": spoken,
    "speakers": speakers,
    **{f"cross-{n}": partial(cross, n=n) for n in FEW},
    "cross-all": partial(cross, n=None),
    **{name: partial(two, **settings) for name, settings in TWO.items()},
}
