"""Our side of the measurements of speed, in a process of its own: ``python -m bench.audits.worker WHAT FOLDER``.

Reads ``labels.npy`` and ``probs.npy`` as the peer's script does, and writes ``answer.npz``.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np

from bench.audits.peer import clocked
from jointset import audit

CEILING = (
    12 << 30
)  # bytes a memory-mapped audit may ask for, so that a failure is its own and not the machine's


def main() -> None:
    what, folder = sys.argv[1], Path(sys.argv[2])
    mapped = what == "memory-map"
    labels = np.load(folder / "labels.npy")
    probs = np.load(folder / "probs.npy", mmap_mode="r" if mapped else None)
    if mapped:
        resource.setrlimit(resource.RLIMIT_DATA, (CEILING, CEILING))
    call = audit.label_quality if what == "scores" else audit.find_label_errors
    np.savez(folder / "answer.npz", **clocked(lambda: call(labels, probs)))


if __name__ == "__main__":
    main()
