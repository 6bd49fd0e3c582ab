"""Sounds, and rows or datasets of several modalities, each against alone: one command, one table.

    python bench/modalities.py [--only NAME …] [--seeds 0 1 2] [--work FOLDER] [--out FILE]

Every training is one of the library, with its defaults but for narrower image stages, in all arms alike. Training
stops on holdout rows; test rows are scored once. With ``--work``, what an earlier call finished is taken over.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:  # a script's own folder would hide Hugging Face's `datasets`
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench.modal.claims import rows  # noqa: E402
from bench.modal.sections import SECTIONS, Figures  # noqa: E402
from bench.table import markdown  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure sounds and several modalities.")
    known = ", ".join(SECTIONS)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="NAME", help=f"some of: {known}")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--work", type=Path, help="folder to work in; finished parts of it are taken over")
    parser.add_argument("--out", type=Path, help="write the raw numbers here, as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        raw = {
            name: {str(seed): measured(name, seed, work) for seed in arguments.seeds}
            for name in arguments.only or SECTIONS
        }
    table = [line for name, seeds in raw.items() for line in rows(name, list(seeds.values()))]
    if arguments.out:
        arguments.out.write_text(json.dumps({"table": table, "raw": raw}, indent=1) + "\n", encoding="utf-8")
    print(markdown(table))


def measured(name: str, seed: int, work: Path) -> Figures:
    """The figures of one section and seed."""
    folder = work / name / str(seed)
    done = folder / "scores.json"
    if not done.is_file():
        print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
        found = SECTIONS[name](seed, folder)
        done.parent.mkdir(parents=True, exist_ok=True)
        done.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return dict(json.loads(done.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
