"""``jointset audit``."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import typer

from jointset import config as configs
from jointset.audit.codes import CODES
from jointset.data.storage import write_atomically
from jointset.prepare import prepare, regime
from jointset.rundir import write_json

MARKS = {"found": "✘", "passed": "✔", "not applicable": "·"}
SHOWN = 5  # findings of a check that are shown
WORST = 40  # lines of checks that found something


def audit(config: Path, overrides: list[str], out: Path | None, *, as_json: bool) -> None:
    """Run every check of the data and write what was found; exit code 1 where there is something to look at."""
    from jointset.survey import questions, survey

    settings, started = configs.load(config, overrides), time.monotonic()
    folder = out or Path("audits") / settings.name
    with tempfile.TemporaryDirectory(prefix="jointset-audit-") as cache:
        work = prepare(settings, Path(cache), folds=False)
        found = survey(work)
        asked = questions(work, found)
    facts = {"name": settings.name, "regime": regime(settings), "rows": len(work.pool), **found.facts()}
    facts["seconds"] = round(time.monotonic() - started, 1)
    folder.mkdir(parents=True, exist_ok=True)
    table = found.issues.to_arrow()
    write_atomically(folder / "issues.parquet", lambda path: pq.write_table(table, path, compression="zstd"))
    write_json(folder / "audit.json", facts)
    if asked.num_rows:
        write_atomically(folder / "ask.parquet", lambda path: pq.write_table(asked, path))
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        typer.echo(render(facts, [s.issues(work.pool).to_pandas() for s in found.sections]))
        typer.echo(
            f"\n{len(found.issues):,} findings in {folder / 'issues.parquet'}; "
            "what each code means: docs/reference/audit-codes.md"
        )
    if any(s["outcome"] == "found" for s in facts["sections"]):
        raise typer.Exit(1)


def render(facts: dict[str, Any], issues: Sequence[Any]) -> str:
    """The findings as text: check by check with the worst of its ``issues``, then the score of every dataset."""
    lines = [f"{facts['rows']:,} rows; {facts['regime']}"]
    silent: dict[str, int] = {}
    bad = [(s, i) for s, i in zip(facts["sections"], issues, strict=True) if s["outcome"] == "found"]
    for section, mine in bad[:WORST]:
        where = " ".join(p for p in (section["dataset"], section["task"]) if p)
        lines += [
            "",
            f"{MARKS['found']} {section['check']}{f' ({where})' if where else ''}: {section['reason']}",
        ]
        lines += _examples(mine)
    if len(bad) > WORST:
        lines += ["", f"… and {len(bad) - WORST} more checks that found something"]
    for section in facts["sections"]:
        if section["outcome"] == "passed":
            silent[section["check"]] = silent.get(section["check"], 0) + 1
    if silent:
        told = ", ".join(f"{check}{f' ({n}×)' if n > 1 else ''}" for check, n in silent.items())
        lines += ["", f"{MARKS['passed']} nothing found: {told}"]
    for section in facts["sections"]:
        if section["outcome"] == "not applicable":
            where = " ".join(p for p in (section["dataset"], section["task"]) if p)
            lines.append(
                f"{MARKS['not applicable']} {section['check']}{f' ({where})' if where else ''}: {section['reason']}"
            )
    lines += ["", "quality, 1 = nothing found"]
    for name, quality in facts["quality"].items():
        parts = ", ".join(f"{p.replace('_', ' ')} {v:.2f}" for p, v in quality["parts"].items())
        score = "–" if quality["score"] is None else f"{quality['score']:.2f}"
        lines.append(f"  {name}: {score} ({parts})")
    return "\n".join(lines)


def _examples(mine: Any) -> list[str]:
    """The worst findings of a section, one a line, and what to do about each code."""
    lines = []
    for _, issue in mine.sort_values("score", kind="stable").head(SHOWN).iterrows():
        about = f"{issue['dataset']}/{issue['row']}" if issue["row"] else issue["position"]
        told = ", ".join(
            f"{k} {_short(v)}" for k, v in json.loads(issue["evidence"]).items() if v not in ("", None)
        )
        lines.append(f"    {issue['code']}{f' {about}' if about else ''}: {told}")
    if len(mine) > SHOWN:
        lines.append(f"    … {len(mine) - SHOWN:,} more")
    return lines + [f"    → {code}: {CODES[code].todo}" for code in dict.fromkeys(mine["code"])]


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
    return text if len(text) <= 80 else text[:79] + "…"
