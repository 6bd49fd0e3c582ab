"""Synonyms out of WordNet's own files (Debian's ``wordnet-base``), read directly; no torch, no network."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

PARTS = ("noun", "verb", "adj", "adv")
FOLDERS = ("/usr/share/wordnet", "/usr/share/wordnet/dict", "/usr/local/share/wordnet/dict")
SENSES = 1  # of each part of speech, the commonest first


def folder() -> Path | None:
    """Where WordNet's data files are: ``WORDNET`` or the usual places; ``None`` without them."""
    places = [os.environ["WORDNET"]] if "WORDNET" in os.environ else FOLDERS
    return next((Path(p) for p in places if (Path(p) / "data.noun").is_file()), None)


@lru_cache(maxsize=2)
def synonyms(path: Path) -> dict[str, tuple[str, ...]]:
    """Other words of the commonest sense of every single word of one part of speech, by lemma in lower case.

    A word that is common in several parts of speech is left alone: without its neighbours nobody knows which it is.
    Format: wndb(5WN). An index line is ``lemma pos synset_cnt p_cnt ptr_symbol… sense_cnt tagsense_cnt offset…``, a
    data line ``offset lex_filenum ss_type w_cnt(hex) word lex_id…``.
    """
    found: dict[str, list[tuple[str, ...]]] = {}
    for part in PARTS:
        synsets = dict(_synsets(path / f"data.{part}"))
        for lemma, offsets in _index(path / f"index.{part}"):
            words = [w for o in offsets[:SENSES] for w in synsets.get(o, ()) if w != lemma]
            found.setdefault(lemma, []).append(tuple(dict.fromkeys(words)))
    return {lemma: parts[0] for lemma, parts in found.items() if len(parts) == 1 and parts[0]}


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="latin-1").splitlines() if not line.startswith("  ")]


def _synsets(file: Path) -> list[tuple[str, tuple[str, ...]]]:
    found = []
    for line in _lines(file):
        fields = line.split(" ", 4 + 2 * 64)
        words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
        single = tuple(w.partition("(")[0].lower() for w in words if "_" not in w)
        found.append((fields[0], single))
    return found


def _index(file: Path) -> list[tuple[str, list[str]]]:
    found = []
    for line in _lines(file):
        fields = line.split()
        if "_" not in fields[0]:
            found.append((fields[0], fields[-int(fields[2]) :]))
    return found
