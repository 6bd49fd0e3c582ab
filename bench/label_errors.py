"""How well label errors are found, beside cleanlab and simple baselines: one command, one table.

    python bench/label_errors.py [--only NAME …] [--skip NAME …] [--seeds 0 1 2] [--peer PYTHON] [--work FOLDER]
                                 [--again] [--quick-images] [--out FILE]

The truth is read for scoring alone. With ``--work``, what an earlier call finished is taken over; ``--again``
judges anew, on the probabilities and the peer's answers that are kept there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:  # a script's own folder would hide Hugging Face's `datasets`
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench.audits import cifar, digits, images, low_noise, numeric, promises, relations, seven, speed, votes  # noqa: E402
from bench.audits.context import Context  # noqa: E402
from bench.audits.handover import interpreter  # noqa: E402
from bench.audits.rows import markdown  # noqa: E402
from bench.table import Row, failed  # noqa: E402

# name: what measures it for one seed, and what makes rows of all seeds
SECTIONS: dict[str, tuple[Callable[[int, Context], Any], Callable[[list[Any]], list[Row]]]] = {
    "cifar-oof": (cifar.measure, cifar.rows),
    "digits": (digits.measure, digits.rows),
    "digits-joint": (digits.measure_joint, digits.rows_joint),
    "relations": (relations.measure, relations.rows),
    "cifar10n": (images.measure, images.rows),
    "regression": (numeric.measure, numeric.rows),
    "votes": (votes.measure, votes.rows),
    "low-noise": (low_noise.measure, low_noise.rows),
    "speed": (speed.measure, speed.rows),
    "memory-map": (speed.measure_map, speed.rows_map),
    "seven": (seven.measure, seven.rows),
}
PROMISING = ("cifar-oof", "digits", "digits-joint", "relations", "cifar10n", "regression", "low-noise")
SEEDLESS = ("cifar-oof", "memory-map")


def main() -> None:
    arguments = parsed()
    chosen = [n for n in arguments.only or [*SECTIONS, "promises"] if n not in arguments.skip]
    # asked for alone, the promises are those of everything that is not skipped
    needed = [n for n in PROMISING if n not in arguments.skip] if chosen == ["promises"] else chosen
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        context = Context(work, interpreter(arguments.peer), arguments.quick_images)
        raw = {
            name: {
                str(seed): measured(name, seed, context, arguments.again)
                for seed in (arguments.seeds if name not in SEEDLESS else [0])
            }
            for name in needed
            if name in SECTIONS
        }
    table = [row for name in chosen for row in lines(name, raw)]
    if arguments.out:
        arguments.out.write_text(json.dumps({"table": table, "raw": raw}, indent=1) + "\n", encoding="utf-8")
    print(markdown(table))


def parsed() -> argparse.Namespace:
    """The command line."""
    names = [*SECTIONS, "promises"]
    parser = argparse.ArgumentParser(description="Measure how well label errors are found.")
    known: dict[str, Any] = {"nargs": "+", "choices": names, "metavar": "NAME", "default": []}
    parser.add_argument("--only", **known, help=f"some of: {', '.join(names)}")
    parser.add_argument("--skip", **known, help="leave these out")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--peer", metavar="PYTHON", help="an interpreter that has cleanlab (default: this one)"
    )
    parser.add_argument("--work", type=Path, help="folder to work in; finished parts of it are taken over")
    parser.add_argument("--again", action="store_true", help="judge anew what was finished, on what is kept")
    parser.add_argument(
        "--quick-images", action="store_true", help="a linear model instead of training a network"
    )
    parser.add_argument("--out", type=Path, help="write the raw numbers here, as JSON")
    return parser.parse_args()


def measured(name: str, seed: int, context: Context, again: bool) -> dict[str, Any]:
    """The raw numbers of one section and seed, or why there are none; a failure is not kept."""
    folder = f"{name}-quick" if name == "cifar10n" and context.quick_images else name
    done = context.work / folder / str(seed) / "scores.json"
    if again or not done.is_file():
        print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
        try:
            found = SECTIONS[name][0](seed, context)
        except Exception as error:  # one section's failure is a row of the table, not the end of it
            traceback.print_exc()
            return {"error": f"{type(error).__name__}: {error}"}
        done.parent.mkdir(parents=True, exist_ok=True)
        done.write_text(json.dumps(found, indent=1, default=float), encoding="utf-8")
    return dict(json.loads(done.read_text(encoding="utf-8")))


def lines(name: str, raw: dict[str, dict[str, Any]]) -> list[Row]:
    """A section's rows, and one for each seed that failed."""
    if name == "promises":
        return promises.rows(raw)
    good = [found for found in raw[name].values() if "error" not in found]
    bad = [failed(name, seed, found["error"]) for seed, found in raw[name].items() if "error" in found]
    return bad + (SECTIONS[name][1](good) if good else [])


if __name__ == "__main__":
    main()
