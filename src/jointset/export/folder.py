"""The folder of an export: whole or not at all, and replaced only where nobody has worked in it."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jointset.errors import RunError
from jointset.export.formats import file_sha256

MANIFEST = "jointset_export.json"


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of ``folder`` at the end and is never seen half-written.

    An earlier export there is replaced; RunError when the folder holds anything else, or files that were
    changed since and that the manifest promises to keep.
    """
    _check_replaceable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        partial.chmod(0o755)  # mkdtemp's folders are closed to other users
        yield partial
        _move(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def manifest(folder: Path, format: str, *, precious: Iterable[str] = ()) -> None:
    """Write down what the folder holds; ``precious`` are files that people fill in, which are never replaced then."""
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    facts: dict[str, object] = {"format": format, "files": [*files, MANIFEST]}
    if precious:
        facts["sha256"] = {name: file_sha256(folder / name) for name in precious}
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def safe_names(names: Iterable[str]) -> list[str]:
    """File names: no characters that file systems or patterns read, and no two alike but for case.

    >>> safe_names(["a/b", "A_B"])
    ['a_b', 'A_B-2']
    """
    found: list[str] = []
    for name in names:
        stem = re.sub(r"[^\w.-]", "_", name)
        candidate, i = stem, 2
        while candidate.casefold() in {f.casefold() for f in found}:
            candidate, i = f"{stem}-{i}", i + 1
        found.append(candidate)
    return found


def _check_replaceable(folder: Path) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    file = folder / MANIFEST
    if not file.is_file():
        raise RunError(f"{folder}: already there and not an export of jointset; name another folder")
    facts = json.loads(file.read_text(encoding="utf-8"))
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    if foreign := found - set(facts["files"]):
        raise RunError(f"{folder}: holds {min(foreign)}, which jointset did not write; name another folder")
    for name, sha256 in facts.get("sha256", {}).items():
        if (folder / name).is_file() and file_sha256(folder / name) != sha256:
            raise RunError(
                f"{folder}: {name} was changed since it was written; read it in first, then name another folder "
                "or remove this one"
            )


def _move(partial: Path, folder: Path) -> None:
    """Rename into place; an earlier export steps aside first, and comes back if the rename fails."""
    if not folder.exists():
        partial.rename(folder)
        return
    aside = partial.with_name(partial.name + ".old")
    folder.rename(aside)
    try:
        partial.rename(folder)
    except OSError:
        aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)
