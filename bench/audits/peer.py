"""The peer's side, run by an interpreter that has cleanlab: ``python peer.py FOLDER``.

Imports the standard library, numpy and cleanlab only. The folder holds ``labels.npy``, ``probs.npy`` and the
name of what is asked for in ``asked.txt``; the answer goes to ``answer.npz``.
"""

import resource
import sys
import threading
import time
from pathlib import Path

import numpy as np

SCORES = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
FILTERS = (
    "prune_by_noise_rate",
    "prune_by_class",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_normalized_margin",
    "low_self_confidence",
)
ADJUSTED = " adjusted"


def classes(labels, probs):
    """Quality by every score, flags by every filter, of class labels."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    answer = {}
    for score in SCORES:
        answer[f"quality.{score}"] = get_label_quality_scores(labels, probs, method=score)
        if score != "confidence_weighted_entropy":  # which knows no adjustment
            answer[f"quality.{score}{ADJUSTED}"] = get_label_quality_scores(
                labels, probs, method=score, adjust_pred_probs=True
            )
    for way in FILTERS:
        answer[f"flagged.{way}"] = find_label_issues(labels, probs, filter_by=way, n_jobs=1)
    return answer


def multilabel(labels, probs):
    """The same, entry by entry, of 0/1 columns."""
    from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class
    from cleanlab.multilabel_classification.rank import get_label_quality_scores_per_class

    lists = [np.flatnonzero(row).tolist() for row in labels]
    answer = {}
    for score in SCORES:
        found = get_label_quality_scores_per_class(lists, probs, method=score)
        answer[f"quality.{score}"] = np.asarray(found)
    for way in FILTERS[:5]:
        found = find_multilabel_issues_per_class(lists, probs, filter_by=way, n_jobs=1)
        answer[f"flagged.{way}"] = np.asarray(found)
    return answer


def regression(labels, probs):
    """Quality of numeric labels by both scores."""
    from cleanlab.regression.rank import get_label_quality_scores

    return {f"quality.{m}": get_label_quality_scores(labels, probs, method=m) for m in ("outre", "residual")}


def annotators(labels, probs):
    """Consensus label, its confidence and every vote's quality, by CROWDLAB; ``labels`` ``(n, A)``, -1 = no vote."""
    from cleanlab.multiannotator import get_label_quality_multiannotator

    votes = np.where(labels < 0, np.nan, labels)
    found = get_label_quality_multiannotator(votes, probs, verbose=False)
    return {
        "label": found["label_quality"]["consensus_label"].to_numpy(),
        "confidence": found["label_quality"]["consensus_quality_score"].to_numpy(),
        "quality": found["detailed_label_quality"].to_numpy(np.float32),
    }


def speed(labels, probs):
    """Seconds and memory of the default path: scores and flags, as many processes as cleanlab takes."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    def default():
        get_label_quality_scores(labels, probs)
        find_label_issues(labels, probs)

    return clocked(default)


def speed_batched(labels, probs):
    """Seconds and memory of the path for large data."""
    from cleanlab.experimental.label_issues_batched import find_label_issues_batched

    return clocked(lambda: find_label_issues_batched(labels, probs, verbose=False))


def clocked(call):
    """Seconds of a call, and the bytes by which memory rose above what was resident before.

    ``peak`` is ``VmHWM`` less the resident size before (``ru_maxrss`` would begin with what the process that started
    this one held); ``children`` is ``ru_maxrss`` of the largest child process less the same, and begins with all that
    its parent holds; ``anonymous`` is the rise of RssAnon, sampled every 10 ms, which leaves out pages of memory-mapped
    files.
    """
    before, anonymous = resident("VmRSS"), resident("RssAnon")
    highest, done = [anonymous], threading.Event()

    def watch():
        while not done.wait(0.01):
            highest[0] = max(highest[0], resident("RssAnon"))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started = time.perf_counter()
    call()
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {
        "seconds": seconds,
        "peak": resident("VmHWM") - before,
        "children": max(child - before, 0),
        "anonymous": highest[0] - anonymous,
    }


def resident(field):
    """Bytes of a field of Linux's ``/proc/self/status``."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return 1024 * int(line.split()[1])
    raise KeyError(field)


ASKED = {f.__name__: f for f in (classes, multilabel, regression, annotators, speed, speed_batched)}


def main():
    folder = Path(sys.argv[1])
    asked = ASKED[(folder / "asked.txt").read_text(encoding="ascii").strip()]
    answer = asked(np.load(folder / "labels.npy"), np.load(folder / "probs.npy"))
    np.savez(folder / "answer.npz", **answer)


if __name__ == "__main__":
    main()
