"""From figures to the table: a row per comparison, with its target and whether it holds."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from bench.modal.sections import DROPOUT, SPEAKERS, TWO, VOICE, Figures
from bench.table import Row, row


def rows(name: str, seeds: list[Figures]) -> list[Row]:
    """The rows of one section over its seeds."""
    kind = name.split("-")[0]
    if kind in TWO:
        return _two(name, seeds)
    return {"spoken": _spoken, "speakers": _speakers, "cross": _cross}[kind](name, seeds)


def _column(seeds: list[Figures], key: str) -> list[float]:
    return [s[key] for s in seeds]


def _gain(seeds: list[Figures], key: str, base: str) -> list[float]:
    return [s[key] - s[base] for s in seeds]


def _spoken(name: str, seeds: list[Figures]) -> list[Row]:
    targets: dict[str, tuple[str, Callable[[float], bool]]] = {"digit": ("> .950", lambda v: v > 0.95)}
    out = []
    for task in VOICE:
        target, met = targets.get(task, ("–", None))
        alone, beside = _column(seeds, f"{task}.alone"), _column(seeds, f"{task}.linear")
        gain = statistics.median(_gain(seeds, f"{task}.together", f"{task}.alone"))
        out.append(row(f"clips, {task} alone: accuracy", target, alone, met, baseline=beside))
        together = _column(seeds, f"{task}.together")
        note = f"{gain:+.3f} against alone"
        out.append(
            row(
                f"clips, {task} with the other two: accuracy",
                "≥ alone − .01",
                together,
                lambda v, g=gain: g >= -0.01,
                note=note,
            )
        )
    seconds = _column(seeds, "digit.seconds")
    return [*out, row("clips, digit alone: seconds of the run", "–", seconds, form=".0f")]


def _speakers(name: str, seeds: list[Figures]) -> list[Row]:
    out = [
        row(
            f"digits of {s}, who is left out: accuracy",
            "> linear",
            _column(seeds, s),
            baseline=_column(seeds, f"{s}.linear"),
        )
        for s in SPEAKERS
    ]
    for line, speaker in zip(out, SPEAKERS, strict=True):
        line["met"] = line["value"] > statistics.median(_column(seeds, f"{speaker}.linear"))
    mean = [statistics.mean(s[k] for k in SPEAKERS) for s in seeds]
    linear = [statistics.mean(s[f"{k}.linear"] for k in SPEAKERS) for s in seeds]
    base = statistics.median(linear)
    return [*out, row("mean over speakers left out", "> linear", mean, lambda v: v > base, baseline=linear)]


def _cross(name: str, seeds: list[Figures]) -> list[Row]:
    size, out = name.split("-")[1], []
    said = "all rows" if size == "all" else f"{size} rows a set"
    for part in ("spoken", "written"):
        alone, joint = _column(seeds, f"{part}.alone"), _column(seeds, f"{part}.joint")
        gain = statistics.median(_gain(seeds, f"{part}.joint", f"{part}.alone"))
        beside = _column(seeds, f"{part}.linear")
        out.append(row(f"{part} digits, {said}: alone", "–", alone, baseline=beside))
        note = f"{gain:+.3f} against alone"
        out.append(
            row(
                f"{part} digits, {said}: with the other modality",
                "≥ alone",
                joint,
                lambda v, g=gain: g >= 0,
                note=note,
            )
        )
    return out


def _two(name: str, seeds: list[Figures]) -> list[Row]:
    first, second = TWO[name]["inputs"]
    out = [
        row(f"{name}: only {m}", "–", _column(seeds, f"only {m}"), baseline=_column(seeds, f"linear {m}"))
        for m in (first, second)
    ]
    best = statistics.median(max(s[f"only {first}"], s[f"only {second}"]) for s in seeds)
    both = _column(seeds, "both: full")
    out.append(
        row(f"{name}: both", "> either", both, lambda v: v > best, baseline=_column(seeds, "linear both"))
    )
    others = [k for k in seeds[0] if k.startswith(("both", "half")) and k != "both: full"]
    return out + [row(f"{name}, {_said(key)}", "–", _column(seeds, key)) for key in others]


def _said(key: str) -> str:
    trained, tested = key.split(": ")
    trained = trained.replace("dropout", f"modality dropout {DROPOUT}").replace("half ", "half without ")
    tested = {"full": "complete rows", "half": "half of them without"}.get(tested, tested)
    return f"trained on {trained}; tested on {tested}"
