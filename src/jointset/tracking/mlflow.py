"""MLflow."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from jointset.tracking.base import Facts, Tracker, flat

MOST = 100  # parameters in one call
LONGEST = 6000  # characters of a parameter


class MLflow(Tracker):
    """A run in the experiment ``MLFLOW_EXPERIMENT_NAME`` (jointset) of ``MLFLOW_TRACKING_URI``.

    Where that is not set, it is the folder ``mlruns`` beside the run directory. An interrupted run goes on in the
    same MLflow run, whose id stands in ``tracking/mlflow``.
    """

    package: ClassVar[str] = "mlflow"

    def start(self, facts: Facts) -> None:
        """See :meth:`Tracker.start`."""
        own = os.environ.get("MLFLOW_TRACKING_URI")
        if own is None:
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # its own files need no database
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        self.client = MlflowClient(own or (facts.path.parent / "mlruns").resolve().as_uri())
        kept = facts.folder / "mlflow"
        if kept.is_file():
            self.run = kept.read_text(encoding="utf-8")
            self.client.update_run(self.run, status="RUNNING")
            return
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "jointset")
        found = self.client.get_experiment_by_name(name)
        experiment = found.experiment_id if found else self.client.create_experiment(name)
        self.run = self.client.create_run(experiment, run_name=facts.name).info.run_id
        params = [Param(_name(k), str(v)[:LONGEST]) for k, v in flat(facts.config) if str(v)]
        for i in range(0, len(params), MOST):
            self.client.log_batch(self.run, params=params[i : i + MOST])
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(self.run, encoding="utf-8")

    def metrics(self, of: str, values: Mapping[str, float], step: int) -> None:
        """See :meth:`Tracker.metrics`."""
        from mlflow.entities import Metric

        # its file store has a file for skill, where skill/a would need a folder
        named = {_name(f"{of}/{k.replace('/', '.')}"): v for k, v in values.items()}
        now = int(time.time() * 1000)
        self.client.log_batch(self.run, metrics=[Metric(k, v, now, step) for k, v in named.items()])

    def finish(self, files: Sequence[Path], summary: Mapping[str, Any] | None) -> None:
        """See :meth:`Tracker.finish`."""
        for file in files:
            if file.is_dir():
                self.client.log_artifacts(self.run, str(file), file.name)
            else:
                self.client.log_artifact(self.run, str(file))
        self.client.set_terminated(self.run, "FAILED" if summary is None else "FINISHED")


def _name(given: str) -> str:
    """A name of the characters that MLflow takes.

    >>> _name("tasks.Übung (neu).weight")
    'tasks._bung _neu_.weight'
    """
    return re.sub(r"[^A-Za-z0-9_\-. /]", "_", given)
