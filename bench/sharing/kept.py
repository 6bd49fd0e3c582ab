"""The scores of many runs in one small file, so that a benchmark of many hours goes on where it was, anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MEASURES = ("epochs", "seconds", "parameters")


def pack(work: Path, file: Path, runs: str = "*") -> None:
    """Write what ``work`` has finished into ``file``, by set, seed and variant; what else the file holds stays.

    ``runs`` is a pattern of the variants' names. A run is the test metric of every task and ``MEASURES``; a line each,
    sorted, so that changes are easy to see.
    """
    found = read(file)
    for path in work.glob(f"*/*/scores/{runs}.json"):
        one = json.loads(path.read_text(encoding="utf-8"))
        values = {t: round(s["value"], 5) for t, s in one["tasks"].items()}
        found[_key(work, path)] = {**values, "": [one.get(m) for m in MEASURES]}
    lines = [f"{json.dumps(key)}: {json.dumps(found[key])}" for key in sorted(found)]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def unpack(file: Path, work: Path) -> None:
    """Put the runs of ``file`` where the benchmark looks for finished ones, but for those that are there already."""
    for key, one in read(file).items():
        name, seed, variant = key.split("/")
        path = work / name / seed / "scores" / f"{variant}.json"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            values = {t: {"value": v} for t, v in one.items() if t}
            told = dict(zip(MEASURES, one[""], strict=True))
            path.write_text(json.dumps({"tasks": values, **told}), encoding="utf-8")


def read(file: Path) -> dict[str, Any]:
    """The runs of a file; none where it is not there yet."""
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def _key(work: Path, path: Path) -> str:
    name, seed, _, variant = path.relative_to(work).with_suffix("").parts
    return f"{name}/{seed}/{variant}"
