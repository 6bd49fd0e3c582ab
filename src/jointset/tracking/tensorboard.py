"""TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from jointset.tracking.base import Facts, Tracker


class TensorBoard(Tracker):
    """Event files in ``tracking/tensorboard`` of the run; ``tensorboard --logdir runs`` shows all runs."""

    package: ClassVar[str] = "tensorboard"

    def start(self, facts: Facts) -> None:
        """See :meth:`Tracker.start`: the configuration is a text."""
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(facts.folder / "tensorboard"))
        self.writer.add_text("config", _block(facts.config))

    def metrics(self, of: str, values: Mapping[str, float], step: int) -> None:
        """See :meth:`Tracker.metrics`."""
        for name, value in values.items():
            self.writer.add_scalar(f"{of}/{name}", value, step)

    def finish(self, files: Sequence[Path], summary: Mapping[str, Any] | None) -> None:
        """See :meth:`Tracker.finish`: it keeps no files, so a text says where they are."""
        if summary is not None:
            self.writer.add_text("summary", _block(summary))
            self.writer.add_text("files", "\n".join(f"- {f.resolve()}" for f in files))
        self.writer.close()


def _block(values: Mapping[str, Any]) -> str:
    """JSON as TensorBoard's Markdown shows it, line by line."""
    return "\n".join(f"    {line}" for line in json.dumps(values, indent=2, default=str).splitlines())
