"""LibMTL's architectures beside our ways of sharing: the same encoder, data, training and test rows; one command.

    python bench/sharing_peer.py --peer PYTHON [--only SET …] [--seeds 0 1 2] [--ways WAY …] [--places whole above]
                                 [--rows 1000] [--work FOLDER] [--kept FILE …] [--table]

PYTHON has this project and LibMTL 1.1.5 (``pip install --no-deps LibMTL==1.1.5``). A cell is Δ, the mean over tasks of
the relative gain in % of the test metric over training each task alone, both sides against the same trainings alone:
the mean over seeds [least, most]. Runs in the files of ``--kept``, such as those of ``sharing_quality.py``, are taken
over, and the peer's are added to the last one. Where the peer's architectures stand, ``whole`` or ``above``, is told in
``sharing/peer_nets.py``; what LibMTL's trainer cannot do, in ``sharing/peer_loop.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:  # a script's own folder would hide Hugging Face's `datasets`
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench.sharing import kept, runs  # noqa: E402
from bench.sharing.sets import SETS  # noqa: E402

SCRIPT = ROOT / "bench" / "sharing" / "peer.py"
CHOSEN = ("adult", "mnist10k", "sentence_cls", "fdu_mtl")
INPUTS = {"mnist10k": "image", "fsdd": "image", "adult": "table"}  # the others are texts
SEVERAL = ("sentence_cls", "fdu_mtl")  # every task has a dataset of its own
WAYS = {
    "hard": "HPS",
    "mmoe": "MMoE",
    "cgc": "CGC",
    "dselect_k": "DSelect_k",
    "ple": "PLE",
    "cross_stitch": "Cross_stitch",
    "mtan": "MTAN",
}
PLACES = {"whole": "LibMTL, whole networks", "above": "LibMTL, above one encoder"}


def main() -> None:
    arguments = parsed()
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        for file in arguments.kept:
            kept.unpack(file, work)
        raw = measured(work, arguments)
        if arguments.kept and not arguments.table:
            kept.pack(work, arguments.kept[-1], label("*"))
    print(markdown(raw, arguments.ways, arguments.places))


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", default=sys.executable, metavar="PYTHON", help="an interpreter with LibMTL")
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(CHOSEN), metavar="SET")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
    parser.add_argument("--places", nargs="+", choices=PLACES, default=list(PLACES), metavar="PLACE")
    parser.add_argument(
        "--rows", type=int, default=1000, help="keep at most so many training rows of each dataset"
    )
    parser.add_argument("--work", type=Path, help="folder to work in; finished parts of it are taken over")
    parser.add_argument(
        "--kept", nargs="+", type=Path, default=[], metavar="FILE", help="files of finished runs; see above"
    )
    parser.add_argument("--table", action="store_true", help="print what --work and --kept hold, run nothing")
    return parser.parse_args()


def why_not(name: str, way: str, place: str) -> str | None:
    """Why the peer's architecture is not run on a set; None where it is.

    >>> why_not("adult", "mmoe", "whole"), why_not("fdu_mtl", "mmoe", "whole")
    (None, 'no one tensor')
    """
    kind = INPUTS.get(name, "text")
    if way == "mtan":
        return "ResNet-18's widths"
    if place == "whole" and kind == "text":
        return "no one tensor"
    if way in ("cross_stitch", "ple") and name in SEVERAL:
        return "one input only"
    if way == "cross_stitch" and kind != "image":
        return "four stages"
    return "whole networks" if way == "cross_stitch" and place == "above" else None


def measured(work: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Set → ``alone``, our ways and the peer's (:func:`label`) → seed → tasks, gains, epochs, seconds, or ``error``."""
    raw: dict[str, Any] = {name: {} for name in arguments.only}
    folders = {(name, seed): work / name / str(seed) for seed in arguments.seeds for name in arguments.only}
    for (name, seed), folder in folders.items():
        if not (folder / "set.yaml").is_file():
            SETS[name](folder, seed, arguments.rows)
        raw[name].setdefault(runs.ALONE, {})[str(seed)] = runs.alone(folder, {})
        for way in arguments.ways:
            raw[name].setdefault(way, {})[str(seed)] = runs.joint(folder, runs.Variant(way), {})
            for place in arguments.places:
                there = (folder / "scores" / f"{label(way, place)}.json").is_file()
                if why_not(name, way, place) or (arguments.table and not there):
                    continue
                print(f"{name}, seed {seed}: {way}, {place}", file=sys.stderr, flush=True)
                found = peer(folder, way, place, arguments.peer)
                raw[name].setdefault(label(way, place), {})[str(seed)] = found
    for found in raw.values():
        with_gains(found)
    return raw


def label(way: str, place: str = "*") -> str:
    """How the peer's runs are called; ``*`` stands for all.

    >>> label("mmoe", "whole"), label("*")
    ('libmtl-MMoE-whole', 'libmtl-*-*')
    """
    return f"libmtl-{WAYS.get(way, way)}-{place}"


def peer(folder: Path, way: str, place: str, python: str) -> dict[str, Any]:
    """The peer's scores on a set; taken over when they are there. A failure is told and tried again next time."""
    done = folder / "scores" / f"{label(way, place)}.json"
    if not done.is_file():
        line = [python, str(SCRIPT), str(folder), WAYS[way], place]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        ended = subprocess.run(line, env=environment, capture_output=True, text=True)
        if ended.returncode:
            said = ended.stderr.strip().splitlines()[-1:] or [f"ended with {ended.returncode}"]
            return {"error": said[0][:160]}
        done.parent.mkdir(exist_ok=True)
        temporary = done.with_suffix(".tmp")
        temporary.write_text(json.dumps(json.loads(ended.stdout), indent=1), encoding="utf-8")
        temporary.replace(done)
    return dict(json.loads(done.read_text(encoding="utf-8")))


def with_gains(found: Mapping[str, Any]) -> None:
    """Put the gains over training alone to every run that has scores."""
    for by_seed in found.values():
        for seed, one in by_seed.items():
            reference = found[runs.ALONE][seed]
            if "error" not in one and "error" not in reference:
                one["gains"] = runs.gain(one["tasks"], reference["tasks"])


def markdown(raw: Mapping[str, Any], ways: Sequence[str], places: Sequence[str]) -> str:
    """A table a set: ways by sides, with Δ over seeds and the seconds of a training."""
    heads = ["ours", *(PLACES[p] for p in places)]
    tables = []
    for name, found in raw.items():
        lines = [f"{name}:", "", f"| way | {' | '.join(f'{h} | s' for h in heads)} |"]
        lines.append("|---|" + "---|---|" * len(heads))
        for way in ways:
            cells = [cell(found.get(way, {}))]
            cells += [why_not(name, way, p) or cell(found.get(label(way, p), {})) for p in places]
            times = [seconds(found.get(v, {})) for v in (way, *(label(way, p) for p in places))]
            both = " | ".join(f"{c} | {t}" for c, t in zip(cells, times, strict=True))
            lines.append(f"| `{way}` / {WAYS[way]} | {both} |")
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


def cell(found: Mapping[str, Any]) -> str:
    """Δ of the seeds: their mean [least, most].

    >>> cell({"0": {"gains": {"a": 1.0, "b": 2.0}}, "1": {"gains": {"a": 0.0, "b": 1.0}}})
    '+1.00 [+0.50, +1.50]'
    """
    deltas = [runs.delta(one["gains"]) for one in found.values() if "gains" in one]
    if not deltas:
        failed = [one["error"] for one in found.values() if "error" in one]
        return f"failed: {failed[0][:60]}" if failed else ""
    between = f" [{min(deltas):+.2f}, {max(deltas):+.2f}]" if len(deltas) > 1 else ""
    return f"{statistics.fmean(deltas):+.2f}{between}{'' if len(deltas) == len(found) else f' ({len(deltas)} seeds)'}"


def seconds(found: Mapping[str, Any]) -> str:
    """Processor time of a training, the mean over seeds."""
    known = [one["seconds"] for one in found.values() if "gains" in one]
    return f"{statistics.fmean(known):.0f}" if known else ""


if __name__ == "__main__":
    main()
