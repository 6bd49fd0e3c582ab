"""What it takes to do this again, and to undo it."""

from __future__ import annotations

import json
import shlex

from jointset.report.html import element, join, paragraph, short, table
from jointset.report.material import Material
from jointset.report.sections.base import Section


def environment(material: Material) -> Section:
    """Versions, seeds, content hashes, commands."""
    path = shlex.quote(str(material.directory.path))
    runs = shlex.quote(str(material.directory.path.parent))
    commands = {
        "the same run again, beside this one": f"jointset run {path}/config.yaml --runs {runs} --new-run",
        "look through the edits": f"jointset review {path}",
        "what changed": f"jointset diff {path}",
        "take back one task's edits": f"jointset undo {path} --task {shlex.quote(next(iter(material.tasks), 'TASK'))}",
        "take back the doubtful ones": f"jointset undo {path} --max-confidence 0.95",
        "take back everything": f"jointset undo {path} --all",
        "the repaired data": f"jointset export {path}",
    }
    lock = material.directory.path / "data.lock"
    known = json.loads(lock.read_text(encoding="utf-8")) if lock.is_file() else {}
    hashes = [[n, f"{d.get('rows', 0):,}", d.get("sha256", "")] for n, d in known.get("datasets", {}).items()]
    versions = {"python": material.environment.get("python", ""), **material.environment.get("packages", {})}
    summary = material.summary
    facts = [
        ["seed", str(summary.get("seed", material.config.get("seed", "")))],
        [
            "platform",
            f"{material.environment.get('platform', '')}, {material.environment.get('processors', '')} processors",
        ],
        ["versions", ", ".join(f"{k} {v}" for k, v in versions.items())],
        ["time", f"{summary['seconds']:,.0f} s" if "seconds" in summary else "not finished"],
        [
            "peak memory",
            f"{summary['peak_memory_bytes'] / 1e9:.2f} GB" if "peak_memory_bytes" in summary else "–",
        ],
    ]
    import yaml

    shown = yaml.safe_dump(material.config, sort_keys=False, allow_unicode=True)
    return Section(
        "environment",
        "Environment and commands",
        join(
            [
                table(["", ""], facts, caption="environment", text=(0, 1)),
                table(["dataset", "rows", "sha256 of the content"], hashes, caption="data", text=(0, 2))
                if hashes
                else None,
                element("h3", "Commands"),
                [paragraph(f"{what}: ", element("code", line)) for what, line in commands.items()],
                element(
                    "details",
                    element("summary", "The whole configuration"),
                    element("pre", short_block(shown), tabindex="0"),
                ),
            ]
        ),
    )


def short_block(text: str, most: int = 20_000) -> str:
    """A text of several lines, cut to a length."""
    return text if len(text) <= most else f"{text[:most]}\n… {short(len(text) - most)} more characters"
