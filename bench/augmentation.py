"""What augmentation is worth: with and without, shared and by task, searched and not; one command, one table.

    python bench/augmentation.py [--only NAME …] [--seeds 0 1 2] [--work FOLDER] [--out FILE]

Every training is one of the library, stopped on holdout rows; test rows are scored once, for this table. All arms of a
section have the same settings. With ``--work``, what an earlier call finished is taken over.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:  # a script's own folder would hide Hugging Face's `datasets`
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench.augmented import sets  # noqa: E402
from bench.modal.arms import Arm, Data, score  # noqa: E402
from bench.table import Row, markdown, row  # noqa: E402

Figures = dict[str, float]
SHARED = {"mode": "on", "preserve": False, "image": ["flip", "quarter"]}
BY_TASK = {"mode": "on", "image": ["flip", "quarter"]}
SEARCHED = ("trivial", "randaugment", "bayes", "population", "policy_gradient", "differentiable")
BUDGET = 8


def digits(seed: int, folder: Path) -> Figures:
    """1,000 written digits, writers of the test rows unseen."""
    table, found = sets.written(seed, 1000), {}
    for name, augment in (("none", "off"), ("default", "on")):
        found |= _accuracies(name, table, {"digit": "multiclass"}, augment, folder, seed)
    return found


def turned(seed: int, folder: Path) -> Figures:
    """The same with a second task, by how many quarters the image was turned; flips and quarter turns are offered."""
    table, found = sets.written(seed, 1000, turned=True), {}
    both = {"digit": "multiclass", "turn": "multiclass"}
    for name, augment in (("none", "off"), ("shared", SHARED), ("by task", BY_TASK)):
        found |= _accuracies(name, table, both, augment, folder, seed)
    return found


def switched(seed: int, folder: Path) -> Figures:
    """1,000 written digits, left to itself."""
    data = Data(sets.written(seed, 1000), {"image": "image"}, {"digit": "digit"})
    return _arms(data, {"digit": "multiclass"}, folder, seed)


def speakers(seed: int, folder: Path, speaker: str, grouped: bool) -> Figures:
    """The digit said by a speaker whom training never heard; ``grouped``: the holdout is a further speaker's."""
    data = Data(sets.spoken(seed, speaker, grouped), {"audio": "audio"}, {"digit": "digit"})
    return _arms(data, {"digit": "multiclass"}, folder, seed)


def molecules(seed: int, folder: Path) -> Figures:
    """Twelve assays on one table of molecules."""
    table, assays = sets.tox21(seed)
    data = Data(table, {"text": "smiles"}, {a: a for a in assays})
    model = {"text": {"words": 0, "chars": [1, 6], "inside_words": False, "lower": False}, "depth": 1}
    return _arms(data, dict.fromkeys(assays, "binary"), folder, seed, model=model)


def sentences(seed: int, folder: Path) -> Figures:
    """Five sets of sentences with a task each, a tenth of their rows."""
    tables = sets.sentences(seed, 0.1)
    arms: Figures = {}
    for name, augment in (("none", "off"), ("auto", "auto")):
        data = {n: Data(t, {"text": "text"}, {n: "label"}) for n, t in tables.items()}
        run = Arm(name, data, dict.fromkeys(tables, "multiclass"), augment=augment).run(folder, seed)
        arms |= {f"{n}.{name}": score(run, n, data[n].test(), n, "label") for n in tables}
        arms |= _facts(run, name)
    return arms


def searches(seed: int, folder: Path) -> Figures:
    """Policies found by every search, within one budget, against the default and none: digits, 1,000 rows."""
    table, found = sets.written(seed, 1000), {}
    kinds = {"digit": "multiclass"}
    found |= _accuracies("none", table, kinds, "off", folder, seed)
    found |= _accuracies("default", table, kinds, "on", folder, seed)
    for method in SEARCHED:
        augment = {"mode": "on", "image": True, "search": {"method": method, "budget": BUDGET}}
        found |= _accuracies(method, table, kinds, augment, folder, seed)
    return found


def tables(seed: int, folder: Path) -> Figures:
    """Income of people, a rare class made rarer: swap noise and MixUp against imbalanced-learn's own rows."""
    table, inputs = sets.people(seed)
    data = Data(table, {"tabular": inputs}, {"income": "income"})
    found: Figures = {}
    arms: dict[str, Any] = {"none": "off", "default": "on"}
    for method in ("smote", "borderline", "decoded"):
        arms[method] = {
            "mode": "on",
            "preserve": False,
            "tabular": False,
            "tasks": {"income": {"smote": method}},
        }
    for name, augment in arms.items():
        run = Arm(name, {"rows": data}, {"income": "binary"}, augment=augment).run(folder, seed)
        found[f"auc.{name}"] = score(run, "rows", data.test(), "income", "income")
        found |= _facts(run, name)
    return found


def _arms(data: Data, kinds: dict[str, str], folder: Path, seed: int, **model: Any) -> Figures:
    found: Figures = {}
    for name, augment in (("none", "off"), ("auto", "auto")):
        run = Arm(name, {"rows": data}, kinds, augment=augment, **model).run(folder, seed)
        found |= {f"{t}.{name}": score(run, "rows", data.test(), t, t) for t in kinds}
        found |= _facts(run, name)
    return found


def _accuracies(
    name: str, table: Any, kinds: dict[str, str], augment: Any, folder: Path, seed: int
) -> Figures:
    data = Data(table, {"image": "image"}, {t: t for t in kinds})
    run = Arm(name.replace(" ", "-"), {"rows": data}, kinds, augment=augment).run(folder, seed)
    return {f"{name}.{t}": score(run, "rows", data.test(), t, t) for t in kinds} | _facts(run, name)


def _facts(run: Any, name: str) -> Figures:
    """Seconds, and whether the augmentation was kept."""
    found = run.summary.get("augmentation")
    kept = {} if found is None else {f"{name}.kept": float(found["kept"] != "none")}
    return {f"{name}.seconds": run.summary["seconds"], **kept}


SECTIONS: dict[str, Callable[[int, Path], Figures]] = {
    "digits": digits,
    "turned": turned,
    "auto": switched,
    **{
        f"speaker-{s}{name}": partial(speakers, speaker=s, grouped=grouped)
        for s in ("jackson", "theo")
        for name, grouped in (("", False), ("-grouped", True))
    },
    "tox21": molecules,
    "sentences": sentences,
    "searches": searches,
    "tables": tables,
}


def rows(name: str, seeds: Sequence[Figures]) -> list[Row]:
    """The rows of one section."""
    every = {k: [s[k] for s in seeds] for k in seeds[0] if not k.endswith((".seconds", ".kept"))}
    if name == "digits":
        none, default = every["none.digit"], every["default.digit"]
        fewer = [1 - (1 - d) / (1 - n) for d, n in zip(default, none, strict=True)]
        lines = [row("digits, 1,000 rows: error less by", "≥ 25 %", fewer, lambda v: v >= 0.25, form=".0%")]
        return lines + [row(f"digits: {k}", "–", v) for k, v in every.items()]
    if name == "turned":
        lost = _differences(every, "by task.turn", "none.turn")
        lines = [
            row("turned digits, turn: by task − none", "≥ -0.005", lost, lambda v: v >= -0.005, form="+.3f")
        ]
        lost = _differences(every, "shared.turn", "none.turn")
        lines += [
            row(
                "turned digits, turn: shared − none",
                "< -0.005 (harm)",
                lost,
                lambda v: v < -0.005,
                form="+.3f",
            )
        ]
        return lines + [row(f"turned digits: {k}", "–", v) for k, v in every.items()]
    if name == "searches":
        best = {m: every[f"{m}.digit"] for m in SEARCHED}
        lines = [
            row(f"digits, {m}", "≥ default on average", v, lambda x: x >= statistics.mean(every["default.digit"]),
                baseline=every["default.digit"], note=f"{_mean(seeds, f'{m}.seconds'):.0f} s")
            for m, v in best.items()
        ]  # fmt: skip
        return [*lines, row("digits, none", "–", every["none.digit"])]
    if name == "tables":
        return [row(f"income, {k}", "–", v, baseline=every["auc.smote"]) for k, v in every.items()]
    tasks = [k.removesuffix(".auto") for k in every if k.endswith(".auto")]
    worst = [min(s[f"{t}.auto"] - s[f"{t}.none"] for t in tasks) for s in seeds]
    gain = [statistics.mean(s[f"{t}.auto"] - s[f"{t}.none"] for t in tasks) for s in seeds]
    kept = sum(s.get("auto.kept", 0.0) for s in seeds)
    return [
        row(
            f"{name}: gain, mean over tasks",
            "≥ 0",
            gain,
            lambda v: v >= 0,
            form="+.3f",
            note=f"kept {kept:.0f} times",
        ),
        row(f"{name}: worst task", "≥ -0.005", worst, lambda v: v >= -0.005, form="+.3f"),
    ]


def _differences(every: dict[str, list[float]], a: str, b: str) -> list[float]:
    return [x - y for x, y in zip(every[a], every[b], strict=True)]


def _mean(seeds: Sequence[Figures], key: str) -> float:
    return statistics.mean(s[key] for s in seeds)


def measured(name: str, seed: int, work: Path) -> Figures:
    """The figures of one section and seed."""
    done = work / name / str(seed) / "scores.json"
    if not done.is_file():
        print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
        found = SECTIONS[name](seed, done.parent)
        done.parent.mkdir(parents=True, exist_ok=True)
        done.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return dict(json.loads(done.read_text(encoding="utf-8")))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure augmentation.")
    parser.add_argument(
        "--only", nargs="+", choices=SECTIONS, metavar="NAME", help=f"some of: {', '.join(SECTIONS)}"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--work", type=Path, help="folder to work in; finished parts of it are taken over")
    parser.add_argument("--out", type=Path, help="write the raw numbers here, as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        raw = {n: [measured(n, s, work) for s in arguments.seeds] for n in arguments.only or SECTIONS}
    lines = [line for name, seeds in raw.items() for line in rows(name, seeds)]
    if arguments.out:
        arguments.out.write_text(json.dumps({"table": lines, "raw": raw}, indent=1) + "\n", encoding="utf-8")
    print(markdown(lines))


if __name__ == "__main__":
    main()
