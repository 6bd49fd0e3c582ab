"""Weights & Biases."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from jointset.tracking.base import Facts, Tracker


class WandB(Tracker):
    """A run in the project ``WANDB_PROJECT`` (jointset), offline unless ``WANDB_MODE`` says otherwise.

    Its files lie in ``tracking/wandb`` of the run; ``wandb sync`` sends them. An interrupted run goes on under the
    same id, which stands in ``tracking/wandb-id``.
    """

    package: ClassVar[str] = "wandb"

    def start(self, facts: Facts) -> None:
        """See :meth:`Tracker.start`."""
        import wandb

        mode: Any = os.environ.get("WANDB_MODE", "offline")
        facts.folder.mkdir(parents=True, exist_ok=True)
        kept = facts.folder / "wandb-id"
        if not kept.is_file():
            kept.write_text(secrets.token_hex(4), encoding="utf-8")
        self.name, self.prefixes = facts.name, set[str]()
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "jointset"),
            name=facts.name,
            id=kept.read_text(encoding="utf-8"),
            resume="allow" if mode == "online" else None,
            dir=str(facts.folder),
            mode=mode,
            config=dict(facts.config),
            settings=wandb.Settings(console="off", silent=True),
        )

    def metrics(self, of: str, values: Mapping[str, float], step: int) -> None:
        """See :meth:`Tracker.metrics`: each training counts its own epochs."""
        if of not in self.prefixes:
            self.prefixes.add(of)
            self.run.define_metric(f"{of}/*", step_metric=f"{of}/step")
        self.run.log({**{f"{of}/{k}": v for k, v in values.items()}, f"{of}/step": step})

    def finish(self, files: Sequence[Path], summary: Mapping[str, Any] | None) -> None:
        """See :meth:`Tracker.finish`."""
        import wandb

        if summary is not None:
            artifact = wandb.Artifact(self.name, type="run")
            for file in files:  # one by one: add_dir prints
                for part in sorted(file.rglob("*")) if file.is_dir() else [file]:
                    artifact.add_file(str(part), name=str(part.relative_to(file.parent)))
            self.run.log_artifact(artifact)
        self.run.finish(exit_code=0 if summary is not None else 1)
