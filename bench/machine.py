"""Runs as processes of their own: launched, timed, killed at random moments; and how long a start takes."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

VOLATILE = ("seconds", "peak_memory_bytes")
KILLS = 10
STARTS = 5


@dataclass(frozen=True)
class Launched:
    """A finished process: exit code, wall-clock seconds, peak resident bytes of it alone, its last words."""

    code: int
    seconds: float
    peak: int
    said: str

    @property
    def finished(self) -> bool:
        """Whether the run came to its end (1 = the gate refused something)."""
        return self.code in (0, 1)


def command(config: Path, runs: Path, **overrides: Any) -> list[str]:
    """The command line of a run; ``improve__rounds=0`` stands for ``--set improve.rounds=0``."""
    program = Path(sys.executable).with_name("jointset")
    sets = [f"--set={key.replace('__', '.')}={json.dumps(value)}" for key, value in overrides.items()]
    return [str(program), "run", str(config), "--runs", str(runs), *sets]


def launch(line: list[str], log: Path) -> Launched:
    """Run a command line to its end, its output going to ``log``."""
    started = time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(line, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    return Launched(process.returncode, time.monotonic() - started, peak, said[0] if said else "")


def kills(config: Path, work: Path, seed: int, count: int = KILLS) -> dict[str, Any]:
    """Kill a run ``count`` times at random moments, repeat the command, compare with a run left alone.

    Every epoch writes its checkpoint, so that most moments lie in the midst of something. A run that ends
    before all kills are spent is compared, and the next one begins afresh.
    """
    settings = {"training__checkpoint_seconds": 0.0}
    calm = launch(command(config, work / "calm", **settings), work / "calm.txt")
    if not calm.finished:
        return {"error": calm.said}
    name = next((work / "calm").iterdir()).name
    expected = _content(work / "calm" / name)
    rng, done, same, number = np.random.default_rng(seed), 0, [], 0
    failed = ""
    while done < count and not failed:
        runs = work / f"killed-{number}"
        line = command(config, runs, **settings)
        while done < count and _killed(line, float(rng.uniform(0.5, calm.seconds))):
            done += 1
        last = launch(line, runs.with_suffix(".txt"))
        number += 1
        found = _content(runs / name) if last.finished else {}
        differs = [key for key in expected if found.get(key) != expected[key]]
        failed = "" if not differs else f"differs: {', '.join(differs)}" if found else last.said
        same.append(not differs)
    return {"kills": done, "runs": number, "same": sum(same), "failed": failed, "seconds": calm.seconds}


def _killed(line: list[str], after: float) -> bool:
    """Start a run and kill it; False when it ended by itself before."""
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def _content(run: Path) -> dict[str, Any]:
    """The ledger's fingerprint, and the summary without what a clock or the machine decides."""
    from jointset.ledger import Ledger

    with Ledger(run / "ledger.db", create=False) as ledger:
        fingerprint = ledger.fingerprint()
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    return {"ledger": fingerprint, **{k: v for k, v in summary.items() if k not in VOLATILE}}


def starts() -> dict[str, float]:
    """Median seconds of ``import jointset`` and of ``jointset --help``, each as a process of its own."""
    lines = {
        "import": [sys.executable, "-c", "import jointset"],
        "help": [str(Path(sys.executable).with_name("jointset")), "--help"],
    }
    return {name: statistics.median(_timed(line) for _ in range(STARTS)) for name, line in lines.items()}


def _timed(line: list[str]) -> float:
    started = time.monotonic()
    subprocess.run(line, check=True, capture_output=True)
    return time.monotonic() - started
