"""Round by round, with what was rolled back."""

from __future__ import annotations

from jointset.report import svg
from jointset.report.edit_table import ACCEPTED, REJECTED
from jointset.report.html import chip, join, note, number, paragraph, short, table
from jointset.report.material import Material
from jointset.report.sections.base import Section


def rounds(material: Material) -> Section:
    """The rounds."""
    edits, rows = material.edits, []
    bars = []
    for number_, facts in material.facts.items():
        own = edits.round == number_
        accepted, rejected = (
            int((own & (edits.status == ACCEPTED)).sum()),
            int((own & (edits.status == REJECTED)).sum()),
        )
        attempts = [v for v in material.verdicts if v["round"] == number_]
        kept = next((v for v in attempts if v["accepted"]), None)
        outcome = "kept" if kept else "rolled back" if attempts else "nothing proposed"
        judged = (kept or attempts[-1])["tasks"] if attempts else []
        told = "; ".join(f"{t['task']} {number(t['before'])} → {number(t['after'])}" for t in judged)
        noise = ", ".join(
            f"{t} {100 * r:.1f} %" for t, r in (facts.get("noise_rate") or {}).items() if r is not None
        )
        rows.append(
            [
                f"round {number_}", f"{int(own.sum()):,}", f"{accepted:,}",
                chip(outcome, "good" if kept else "bad" if attempts else ""), len(attempts), told, noise,
            ]
        )  # fmt: skip
        undone = int(own.sum()) - accepted - rejected
        bars.append((f"round {number_}", [accepted, rejected, undone], f"{accepted:,} of {int(own.sum()):,}"))
    if not rows:
        return Section("rounds", "Rounds", paragraph("No round has been recorded."))
    head = [
        "round",
        "proposed",
        "in force",
        "outcome",
        "attempts",
        "held-out scores of the attempt that counted",
        "label noise",
    ]
    trained = [e for e in material.events if e.get("event") == "trained"]
    models = [[short(e["name"]), e["epochs"], number(e.get("skill"))] for e in trained]
    return Section(
        "rounds",
        "Rounds",
        join(
            [
                svg.bars(
                    bars, ("accepted", "rejected", "undone"), "edits in force, refused and undone by round"
                ),
                table(head, rows, caption="rounds", text=(0, 3, 5, 6)),
                note(
                    "A round is train, audit, propose, gate, commit. Where a task got worse, the gate asks "
                    "for the same edits "
                    "without that task's; where none helps, the round is rolled back and nothing of it is in force."
                ),
                table(["model", "epochs", "held-out skill"], models[-20:], caption="models that were trained")
                if models
                else None,
            ]
        ),
    )
