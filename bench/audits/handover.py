"""Asking the peer: arrays go over as .npy files, answers come back as .npz, and are kept."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.audits.context import Context, digest

Array = NDArray[Any]
Answer = dict[str, Array]
SCRIPT = Path(__file__).with_name("peer.py")


@cache
def interpreter(named: str | None) -> str | None:
    """The interpreter to run the peer with: the one named, else this one, if it has cleanlab."""
    chosen = named or sys.executable
    found = subprocess.run([chosen, "-c", "import cleanlab"], capture_output=True, text=True)
    if found.returncode and named:
        sys.exit(f"--peer {named}: cannot import cleanlab; install cleanlab there, or leave --peer out")
    return None if found.returncode else chosen


def ask(context: Context, asked: str, labels: Array, probs: Array) -> Answer | None:
    """The peer's answer on one task's arrays, every label given; ``None`` without a peer."""
    if context.peer is None:
        return None
    if asked in ("classes", "multilabel"):
        labels, probs = labels.astype(np.int64), probs.astype(np.float32)
    kept = context.work / "peer" / f"{asked}-{digest([labels, probs])}.npz"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as temporary:
            folder = Path(temporary)
            np.save(folder / "labels.npy", labels)
            np.save(folder / "probs.npy", probs)
            answered(context.peer, folder, asked).replace(kept)
    with np.load(kept) as stored:
        return dict(stored)


def answered(python: str, folder: Path, asked: str) -> Path:
    """Run the peer on a folder that holds its arrays; the file of its answer."""
    (folder / "asked.txt").write_text(asked, encoding="ascii")
    done = subprocess.run([python, str(SCRIPT), str(folder)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the peer failed at {asked}: {done.stderr.strip().splitlines()[-1:]}")
    return folder / "answer.npz"
