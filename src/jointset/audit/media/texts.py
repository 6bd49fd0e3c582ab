"""Texts that are empty, garbled, or of an odd length."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jointset.audit.findings import Checked
from jointset.audit.media.base import far, told

WRONGLY_READ = re.compile(
    r"\ufffd|Ã[\x80-\xbf©¨¢ª«®±³´¼¡]|â€[™œ\x9d“”˜¦]|Â[\xa0£©®°]|[\x00-\x08\x0b\x0c\x0e-\x1f]"
)
MARKUP = re.compile(r"</?[a-zA-Z][^<>]{0,80}>|&(?:amp|lt|gt|quot|nbsp|#\d{1,5});")
SPREADS = 6.0
REPEATED = 0.5  # share of the text that is one character


def broken_texts(texts: Sequence[Any], *, given: ArrayLike | None = None) -> Checked:
    """Find texts that are no text.

    ``texts`` are strings, ``None`` where missing; ``given`` ``(n,)`` says which there should be. Codes: ``text_empty``
    (nothing but spaces), ``text_garbled`` (characters of a wrong encoding or control characters, or more than half of
    the text is one and the same sign), ``text_markup`` (HTML tags or entities), ``text_odd_length`` (the log length
    is six robust standard deviations off).

    >>> broken_texts(["fine", "  ", "cafÃ© noir", "<b>bold</b>"]).findings.code.tolist()
    ['text_empty', 'text_garbled', 'text_markup']
    """
    plain = [None if t is None else str(t) for t in texts]
    n, there = len(plain), np.array([t is not None for t in plain], bool)
    there = there if given is None else there | np.asarray(given, bool)
    filled = np.array([bool(t and t.strip()) for t in plain], bool)
    length = np.array([len(t.strip()) if t else 0 for t in plain], float)
    wrong = np.array([len(WRONGLY_READ.findall(t)) if t else 0 for t in plain], float)
    single = np.array([_commonest(t) if t and len(t.strip()) >= 10 else 0.0 for t in plain])
    tags = np.array([len(MARKUP.findall(t)) if t else 0 for t in plain], float)
    log = np.where(filled, np.log(np.maximum(length, 1)), np.nan)
    off = np.zeros(n)
    marks = {
        "text_empty": (there & ~filled, off, off),
        "text_garbled": (
            filled & ((wrong > 0) | (single > REPEATED)),
            np.maximum(wrong, single),
            np.where(wrong > 0, 0.4 / np.maximum(wrong, 1), 1 - single),
        ),
        "text_markup": (filled & (tags > 0), tags, np.full(n, 0.45)),
        "text_odd_length": (filled & far(log, SPREADS), length, np.full(n, 0.45)),
    }
    return told(marks, n, "texts", there)


def _commonest(text: str) -> float:
    """The share of the commonest sign that is no space."""
    found = Counter(text.replace(" ", ""))
    return max(found.values()) / max(sum(found.values()), 1) if found else 0.0
