"""From raw numbers to the table: a row per claim, with its target, the measurement, and whether it holds."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from bench.table import Row, failed, row, share

Raw = Mapping[str, Mapping[str, Mapping[str, Any]]]

FEWEST = 50  # accepted edits, over all seeds, below which a share says nothing about a promise
PROMISE = 0.05
DIGITS = ("digits-mixed", "digits-single", "digits-all")
YOUTUBE = ("youtube", "youtube-videos")


def table(raw: Raw) -> list[Row]:
    """All rows that the raw numbers speak of; a set that failed has a row that says so."""
    good = {
        name: [r for r in seeds.values() if "error" not in r]
        for name, seeds in raw.items()
        if name not in ("kill", "startup")
    }
    good = {name: runs for name, runs in good.items() if runs}
    rows = [
        failed(name, seed, r["error"])
        for name, seeds in raw.items()
        for seed, r in seeds.items()
        if "error" in r
    ]
    for part in (fdu, digits, tox21, youtube, promises, cost):
        rows += part(good)
    return rows + kill(raw) + startup(raw)


def fdu(good: Mapping[str, list[Any]]) -> list[Row]:
    """Accuracy and detection under both damages; nothing spoilt where there is none."""
    rows = []
    for damage, accuracy, ap in (("flip20", 0.86, 0.80), ("positives30", 0.835, 0.70)):
        runs = good.get(f"fdu_mtl-{damage}", [])
        if not runs:
            continue
        linear = [r["baseline"]["sentiment"] for r in runs]
        after, before = ([r[w]["accuracy"]["sentiment"] for r in runs] for w in ("last", "first"))
        clean = statistics.median(b["clean"] for b in linear)
        rows += [
            row(
                f"fdu {damage}: test accuracy after the loop",
                f"≥ {accuracy}",
                after,
                lambda v, a=accuracy: v >= a,
                baseline=[b["noisy"] for b in linear],
                note=f"before {statistics.median(before):.3f}",
            ),
            row(
                f"fdu {damage}: accuracy lost to the noise won back",
                "–",
                [(a - b["noisy"]) / (b["clean"] - b["noisy"]) for a, b in zip(after, linear, strict=True)],
                form=".0%",
                note=f"0 = linear on noisy, 1 = linear on clean, {clean:.3f}",
            ),
        ]
        for which, name in (("ap_first", "round 1"), ("ap_last", "last round")):
            rows.append(
                row(
                    f"fdu {damage}: detection average precision, {name}",
                    f"≥ {ap:.2f}",
                    [r["all_tasks"][which] for r in runs],
                    lambda v, a=ap: v >= a,
                    baseline=[b["ap"] for b in linear],
                )
            )
    plain = good.get("fdu_mtl-none", [])
    return rows + (unharmed(plain) + one_training(plain) if plain else [])


def unharmed(runs: list[Any]) -> list[Row]:
    """On the set as it is: change of test accuracy by domain, in points, and how much was relabelled."""
    changes = [
        {d: 100 * (r["last"]["domains"][d] - r["first"]["domains"][d]) for d in r["last"]["domains"]}
        for r in runs
    ]
    domains = {d: statistics.median(c[d] for c in changes) for d in changes[0]}
    worst = min(domains, key=lambda d: domains[d])
    return [
        row(
            "fdu as it is: worst domain, points",
            "≥ -1",
            [c[worst] for c in changes],
            lambda v: v >= -1,
            form="+.2f",
            note=worst,
        ),
        row(
            "fdu as it is: mean over domains, points",
            "≥ -0.3",
            [statistics.mean(c.values()) for c in changes],
            lambda v: v >= -0.3,
            form="+.2f",
        ),
        row(
            "fdu as it is: labels relabelled",
            "≤ 3 %",
            [r["all_tasks"]["relabelled"] for r in runs],
            lambda v: v <= 0.03,
            form=".1%",
        ),
    ]


def one_training(runs: list[Any]) -> list[Row]:
    """A single joint training on the texts as they are, beside the linear model."""
    linear = [r["baseline"]["sentiment"]["clean"] for r in runs]
    accuracy = [r["first"]["accuracy"]["sentiment"] for r in runs]
    return [
        row(
            "fdu, one joint training: seconds",
            "≤ 15",
            [r["train_seconds"] for r in runs],
            lambda v: v <= 15,
            form=".1f",
            baseline=[r["baseline"]["sentiment"]["seconds"] for r in runs],
        ),
        row(
            "fdu, one joint training: test accuracy",
            "≥ linear",
            accuracy,
            lambda v: v >= statistics.median(linear),
            baseline=linear,
        ),
    ]


def digits(good: Mapping[str, list[Any]]) -> list[Row]:
    """Finding, mending and filling in the three grids."""
    rows = []
    for name in DIGITS:
        runs = good.get(name, [])
        for task in runs[0]["tasks"] if runs else ():
            linear = [r["baseline"][task]["ap"] for r in runs]
            rows.append(
                row(
                    f"{name}: average precision, {task}",
                    "≥ .95",
                    [r["tasks"][task]["ap_first"] for r in runs],
                    lambda v: v >= 0.95,
                    baseline=linear,
                )
            )
        for what, key, target in (
            ("labels right, of those that remain", "right_remaining", 0.96),
            ("labels right, of all training cells", "right_all", 0.96),
            ("filled labels right", "filled_right", 0.95),
            ("share of the withheld filled", "filled", None),
        ):
            met = None if target is None else (lambda v, t=target: v >= t)
            shown = "–" if target is None else f"≥ {target:.0%}"
            if runs:
                rows.append(
                    row(f"{name}: {what}", shown, [r["all_tasks"][key] for r in runs], met, form=".1%")
                )
    return rows


def tox21(good: Mapping[str, list[Any]]) -> list[Row]:
    """Filling the assays that were not measured, and what it does to the model."""
    runs = good.get("tox21", [])
    if not runs:
        return []
    linear = [r["baseline"] for r in runs]
    before, after = ([r[w]["auc"] for r in runs] for w in ("first", "last"))
    change = [b - a for a, b in zip(before, after, strict=True)]
    fills = [[e for e in r["proposed"] if e["action"] == "fill"] for r in runs]
    constant = statistics.median(r["constant_fill"] for r in runs)
    return [
        row(
            "tox21: filled labels right",
            "≥ 87 %",
            [r["all_tasks"]["filled_right"] for r in runs],
            lambda v: v >= 0.87,
            form=".1%",
            baseline=[b["filled_right"] for b in linear],
            note=f"always the commonest class: {constant:.1%}",
        ),
        row(
            "tox21: share of the withheld filled",
            "–",
            [_filled(r) for r in runs],
            form=".1%",
            baseline=[b["filled"] for b in linear],
        ),
        row("tox21: fills proposed in round 1, right", "–", [share(f, "real") for f in fills], form=".1%"),
        row("tox21: mean test AUC, after - before", "≥ 0", change, lambda v: v >= 0, form="+.4f"),
        row("tox21: mean test AUC after", "–", after, baseline=[b["auc"] for b in linear]),
    ]


def youtube(good: Mapping[str, list[Any]]) -> list[Row]:
    """Labels by vote, mended."""
    rows = []
    for name in YOUTUBE:
        runs = good.get(name, [])
        for over, what in (
            ("voted", "rows with a vote"),
            ("all", "all rows"),
            ("labelled", "rows with a label"),
        ):
            if not runs:
                continue
            values, given = ([r["labels"][w][over] for r in runs] for w in ("final", "given"))
            bound = over != "labelled"
            rows.append(
                row(
                    f"{name}: label accuracy, {what}",
                    "≥ .90" if bound else "–",
                    values,
                    (lambda v: v >= 0.9) if bound else None,
                    baseline=[r["baseline"]["guess_right"] for r in runs] if over == "all" else (),
                    note=f"as voted {statistics.median(given):.3f}",
                )
            )
    return rows


def promises(good: Mapping[str, list[Any]]) -> list[Row]:
    """The ledger's expected precision against the real one, by set, task and action, over all seeds.

    Accepted edits are held to it; what the first round proposed is shown beside them, so that a refusal
    by the gate hides nothing.
    """
    rows = []
    for name, runs in good.items():
        for which, what in (("accepted", "accepted edits"), ("proposed", "proposals of round 1")):
            cells = defaultdict(list)
            for edit in (e for r in runs for e in r.get(which, ())):
                # the unharmed set has no truth of its own, and tox21 none about labels that are there
                if name != "fdu_mtl-none" and (name != "tox21" or edit["action"] == "fill"):
                    cells[edit["task"], edit["action"]].append(edit)
            cells = {c: e for c, e in cells.items() if sum(x["n"] for x in e) >= FEWEST}
            if cells:
                rows.append(_promise(f"{name}: real - promised, {what}", cells, judged=which == "accepted"))
    return rows


def _promise(what: str, cells: Mapping[tuple[str, str], list[Any]], *, judged: bool) -> Row:
    gaps = {c: share(e, "real") - share(e, "promised") for c, e in cells.items()}
    worst = max(gaps, key=lambda c: abs(gaps[c]))
    real, promised = (share(cells[worst], key) for key in ("real", "promised"))
    within, place = sum(abs(g) <= PROMISE for g in gaps.values()), " ".join(worst)
    return row(
        what,
        "within 5 points" if judged else "–",
        [100 * gaps[worst]],
        (lambda v: abs(v) <= 100 * PROMISE) if judged else None,
        form="+.1f",
        note=f"worst: {place}, {real:.1%} of {promised:.1%} promised; {within} of {len(gaps)} within",
    )


def cost(good: Mapping[str, list[Any]]) -> list[Row]:
    """What the loop costs beside one training and beside doing the tasks one by one."""
    rows = []
    for name, runs in good.items():
        ratio = [r["summary"]["seconds"] / r["train_seconds"] for r in runs]
        rounds = statistics.median(r["summary"]["rounds"] for r in runs)
        rows.append(
            row(
                f"{name}: seconds of the loop / of one joint training",
                "–",
                ratio,
                form=".1f",
                note=f"{rounds:g} rounds",
            )
        )
        if "alone" in runs[0]:
            alone = [r["summary"]["seconds"] / sum(v or math.nan for v in r["alone"].values()) for r in runs]
            rows.append(
                row(
                    f"{name}: seconds of the loop / of the same task by task",
                    "< 1",
                    alone,
                    lambda v: v < 1,
                    form=".2f",
                )
            )
    return rows + two_rounds([r for name, runs in good.items() if name.startswith("fdu") for r in runs])


def two_rounds(runs: list[Any]) -> list[Row]:
    """Seconds and memory of two rounds over the reviews."""
    if not runs:
        return []
    seconds = [r["summary"]["seconds"] + (2 - r["summary"]["rounds"]) * _round_seconds(r) for r in runs]
    short = sum(r["summary"]["rounds"] < 2 for r in runs)
    note = f"{short} of {len(runs)} runs stopped earlier and are extrapolated" if short else ""
    return [
        row("fdu, two rounds: seconds", "< 900", seconds, lambda v: v < 900, form=".0f", note=note),
        row(
            "fdu, two rounds: peak memory, GB",
            "< 3",
            [r["peak"] / 1e9 for r in runs],
            lambda v: v < 3,
            form=".2f",
        ),
    ]


def kill(raw: Raw) -> list[Row]:
    """Runs that were killed and repeated, and ended as one left alone."""
    runs = [r for r in raw.get("kill", {}).values() if "error" not in r]
    if not runs:
        return []
    same, all_, kills = (sum(r[k] for r in runs) for k in ("same", "runs", "kills"))
    why = "; ".join(dict.fromkeys(r["failed"] for r in runs if r["failed"]))
    return [
        {
            "what": "digits-mixed, killed at random moments: same ledger and summary",
            "target": "all",
            "measured": f"{same} of {all_} runs, {kills} kills" + (f"; {why}" if why else ""),
            "baseline": "",
            "met": same == all_,
            "value": same / max(all_, 1),
        }
    ]


def startup(raw: Raw) -> list[Row]:
    """How soon the package and the command line are there."""
    runs = list(raw.get("startup", {}).values())
    names = {"import": "`import jointset`", "help": "`jointset --help`"}
    return [
        row(f"{what}: seconds", "< 1", [r[key] for r in runs], lambda v: v < 1, form=".2f")
        for key, what in names.items()
        if runs
    ]


def _round_seconds(run: Mapping[str, Any]) -> float:
    done = run["summary"]["rounds"]
    return (run["summary"]["seconds"] - run["train_seconds"]) / done if done else math.nan


def _filled(run: Mapping[str, Any]) -> float | None:
    return run["all_tasks"]["filled"]
