"""Blind checks: items whose answer is known, shown as if they were open, so that nothing tells them apart."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from jointset.records import STATUSES, Bools
from jointset.review.findings import Twin
from jointset.review.items import Item
from jointset.review.queue import ADD, CHECK, DECIDED, Queue, at_of

ACROSS = {"leaked_copy": "exact_duplicate", "leaked_near_copy": "near_duplicate"}  # told without the split


@dataclass
class Check:
    """An open check: the key of what is asked, and of the item before which it was put in."""

    key: int
    resume: int
    flagged: bool = False


@dataclass(eq=False)
class Checks:
    """What is asked of whom. ``share`` is how many of the steps are checks, in [0, 1]."""

    share: float
    _asked: dict[str, set[int]] = field(default_factory=dict)
    _open: dict[tuple[str, int], Check] = field(default_factory=dict)

    def draw(self, queue: Queue, trusted: Bools, reviewer: str) -> int | None:
        """In a share of the calls, the index of an item whose answer is known.

        Answers are known of what another reviewer decided, and of held-out rows that are ``trusted`` ``(N,)``.
        """
        asked = self._asked.setdefault(reviewer, set())
        if random.Random(f"{reviewer} {len(asked)} {queue.entry}").random() >= self.share:
            return None
        own = queue.reviewers.code.get(reviewer, -2)
        by_others = (queue.decided > 0) & (queue.decided < DECIDED.index("exclude")) & (queue.reviewer != own)
        labels = queue.codes["action"] != at_of(queue.names["action"], ADD)
        known = np.flatnonzero(labels & (by_others | known_by_trust(queue, trusted)))
        drawn = queue.sample(known, 200, len(asked)).tolist() if len(known) else []
        free = [i for i in drawn if int(queue.key[i]) not in asked]
        if not free:
            return None
        asked.add(int(queue.key[free[0]]))
        return int(free[0])

    def open(self, queue: Queue, reviewer: str, key: int, resume: int) -> int:
        """A key like that of any edit, under which a reviewer is shown the item of ``key``."""
        rng = random.Random(f"{reviewer} {key} {queue.entry}")
        first = queue.last_edit + 1
        free = next(
            k for k in iter(lambda: first + rng.randrange(max(len(queue), 9)), None) if not self._used(k)
        )
        self._open[reviewer, free] = Check(key, resume)
        return free

    def of(self, reviewer: str, key: int | None) -> Check | None:
        """The open check of a reviewer under a key."""
        return self._open.get((reviewer, key)) if key is not None else None

    def close(self, reviewer: str, key: int) -> None:
        """An answer was given."""
        self._open.pop((reviewer, key), None)

    def again(self, reviewer: str, key: int) -> None:
        """An answer was taken back: it may be asked another time."""
        self._asked.get(reviewer, set()).discard(key)

    def _used(self, key: int) -> bool:
        return any(k == key for _, k in self._open)


def known_by_trust(queue: Queue, trusted: Bools) -> Bools:
    """Findings on held-out rows that are marked as trusted, ``(n,)``: what was given there is right."""
    return np.asarray((queue.key < 0) & trusted[queue.place])


def disguised(item: Item, alias: int, check: Check, usual: Mapping[tuple[str, str], str]) -> Item:
    """The item as an open edit; ``usual`` is the commonest status of edits by (task, action)."""
    action = item.action
    if action == CHECK:
        action = "relabel" if item.given else "fill"
    return replace(
        item,
        key=alias,
        action=action,
        status=usual.get((item.task, action), "accepted") if item.action == CHECK else item.status,
        state="",
        reviewer="",
        flagged=check.flagged,
        twins=tuple(Twin(ACROSS.get(t.code, t.code), t.dataset, t.row, t.similarity) for t in item.twins),
    )


def usual_status(queue: Queue) -> dict[tuple[str, str], str]:
    """(task, action) → the status that most of its edits have."""
    edits = queue.key > 0
    names = (queue.names["task"], queue.names["action"], STATUSES)
    codes = (*(queue.codes[n][edits] for n in ("task", "action")), queue.status[edits])
    size = tuple(map(len, names))
    count = np.bincount(np.ravel_multi_index(codes, size), minlength=int(np.prod(size))).reshape(size)
    return {
        (names[0][t], names[1][a]): STATUSES[int(count[t, a].argmax())]
        for t, a in np.argwhere(count.sum(axis=2))
    }
