"""The Python face: a project is put together, run, and its run looked into."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jointset import config as configs
from jointset import export, rundir
from jointset.config import Config
from jointset.data import Overlay, apply
from jointset.errors import ConfigError, DataError, nearest
from jointset.ledger import Ledger, Selector
from jointset.prepare import Work, own_label_columns, prepare
from jointset.records import ACTIONS, Edits
from jointset.rundir import RunDirectory

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from jointset.models.saved import SavedModel
    from jointset.tracking import Tracking

Emit = Callable[[dict[str, Any]], None]
MODEL_FORMATS = ("onnx", "huggingface")


def execute(
    config: Config,
    root: str | Path = "runs",
    *,
    sources: Mapping[str, Any] | None = None,
    emit: Emit | None = None,
    new_run: bool = False,
) -> Run:
    """Run a configuration to its end, or go on where an earlier call was interrupted.

    Parameters
    ----------
    config : the configuration.
    root : folder that run directories are made in; the run's own is ``root/config.name``.
    sources : datasets given as objects rather than by path.
    emit : called with every event, a dict with the key ``event``.
    new_run : start afresh in a numbered directory beside an earlier run.
    """
    from jointset import tracking

    started = time.monotonic()
    tracking.ready(config.tracking)
    directory = rundir.open_run(config, Path(root), new_run=new_run)
    with (
        rundir.locked(directory),
        rundir.disk_errors(directory),
        rundir.begun(directory, config),
        _tracked(directory, config) as tracked,
    ):

        def tell(event: dict[str, Any]) -> None:
            directory.metric(event)
            tracked(event)
            if emit:
                emit(event)

        work = prepare(config, directory.data, sources)
        rundir.check_data(directory, work.facts())
        tell({"event": "prepared", "rows": len(work.pool), "notes": list(work.notes)})
        if not (directory.path / "summary.json").is_file():
            from jointset.rounds import run_rounds
            from jointset.summary import finish

            summary = finish(run_rounds(directory, work, tell), time.monotonic() - started)
            directory.log(f"finished: {summary['stopped']}")
            tell({"event": "finished", **summary})
            write_report(directory, work)
            tracked.finish(directory.kept(), summary)
    return Run(directory.path)


@contextlib.contextmanager
def _tracked(directory: RunDirectory, config: Config) -> Iterator[Tracking]:
    """The trackers of a run, which end with it, well or not."""
    from jointset.tracking import Facts, Tracking

    facts = Facts(config.name, directory.path, config.model_dump(mode="json"))
    tracked = Tracking(config.tracking, facts, directory.log)
    try:
        yield tracked
    finally:
        tracked.finish()  # nothing is left to end where the run ended well


def write_report(directory: RunDirectory, work: Work) -> None:
    """Lay out the rows of a finished run for readers, and write its report."""
    from jointset import report

    report.write_rows(directory, work)
    report.write(directory)


class Project:
    """Datasets and tasks, put together in Python instead of YAML.

    >>> import pandas as pd
    >>> project = Project("support")
    >>> reviews = pd.DataFrame({"body": ["good", "bad"], "stars": [5, 1]})
    >>> project.add_dataset("reviews", reviews, inputs={"text": "body"})
    >>> project.add_task("sentiment", "multiclass", labels={"reviews": "stars"})
    >>> project.config().tasks["sentiment"].kind
    'multiclass'
    """

    def __init__(self, name: str, *, root: str | Path = "runs", seed: int = 0) -> None:
        self.name = name
        self.root = Path(root)
        self._settings: dict[str, Any] = {"name": name, "datasets": {}, "tasks": {}, "seed": seed}
        self._sources: dict[str, Any] = {}

    def add_dataset(
        self, name: str, source: Any, *, inputs: Mapping[str, str | list[str]], **settings: Any
    ) -> None:
        """Add a dataset: a path, DataFrame, Arrow table, Hugging Face dataset or mapping of NumPy arrays.

        ``settings`` are those of the configuration: ``id``, ``group``, ``split``, ``trusted``.
        """
        entry: dict[str, Any] = {"inputs": dict(inputs), **settings}
        if isinstance(source, (str, Path)):
            entry["path"] = str(Path(source).expanduser().resolve())
        else:
            self._sources[name] = source
        self._settings["datasets"][name] = entry

    def add_task(
        self, name: str, kind: str, *, labels: Mapping[str, str | list[str]], **settings: Any
    ) -> None:
        """Add a task; ``labels`` maps datasets to label columns; ``settings`` are those of the configuration."""
        self._settings["tasks"][name] = {"kind": kind, "labels": dict(labels), **settings}

    def configure(self, **sections: Mapping[str, Any]) -> None:
        """Set parts of the sections ``model``, ``training``, ``augment`` and ``improve``."""
        for section, values in sections.items():
            if section not in ("model", "training", "augment", "improve"):
                raise ConfigError(
                    f"configure: unknown section {section!r}; one of model, training, augment, improve"
                )
            self._settings.setdefault(section, {}).update(values)

    def config(self, **improve: Any) -> Config:
        """The configuration as it stands, with settings of ``improve`` on top; mistakes raise ConfigError."""
        settings = {**self._settings, "improve": {**self._settings.get("improve", {}), **improve}}
        return configs.parse(settings, f"project {self.name}")

    def run(self, *, new_run: bool = False, emit: Emit | None = None, **improve: Any) -> Run:
        """Run the loop; keyword arguments are settings of ``improve``, for example ``rounds=3, precision=0.9``."""
        return execute(self.config(**improve), self.root, sources=self._sources, new_run=new_run, emit=emit)

    def __repr__(self) -> str:
        datasets, tasks = list(self._settings["datasets"]), list(self._settings["tasks"])
        return f"Project({self.name!r}, datasets={datasets}, tasks={tasks})"


class RepairedDataset:
    """One dataset of a run: all original columns, and per task the final label and what is known of it."""

    def __init__(self, name: str, table: pa.Table) -> None:
        self.name = name
        self._table = table

    def to_arrow(self) -> pa.Table:
        """As an Arrow table."""
        return self._table

    def to_pandas(self) -> pd.DataFrame:
        """As a pandas frame."""
        return self._table.to_pandas()

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        return f"RepairedDataset({self.name!r}, {len(self)} rows, columns={self._table.column_names})"


class Run:
    """A finished run: its datasets, model, ledger and summary, read from the run directory."""

    def __init__(self, path: str | Path) -> None:
        self.directory = RunDirectory(Path(path))
        self.directory.config()

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @property
    def summary(self) -> dict[str, Any]:
        """``summary.json``, with the counts of edits as they stand now."""
        with Ledger(self.directory.ledger) as ledger:
            return {**self.directory.summary(), "edits": ledger.counts()}

    @cached_property
    def model(self) -> SavedModel:
        """The joint model."""
        from jointset.models.saved import SavedModel

        return SavedModel(self.directory.model)

    @cached_property
    def work(self) -> Work:
        """Datasets, tasks and given labels, from the run's own copy of the data."""
        config = self.directory.config()
        lock = rundir.read_json(self.path / "data.lock")
        sources = {n: _base(self.directory, n, d["sha256"]) for n, d in lock["datasets"].items()}
        return prepare(config, self.directory.data, sources)

    @property
    def datasets(self) -> Mapping[str, RepairedDataset]:
        """The datasets as the accepted edits leave them now."""
        return _Datasets(self)

    def undo(
        self,
        *,
        task: str | None = None,
        dataset: str | None = None,
        action: str | None = None,
        round: int | None = None,
        row: str | None = None,
        min_confidence: float | None = None,
        max_confidence: float | None = None,
        note: str = "",
    ) -> int:
        """Take back the accepted edits that fit all of what is given; returns how many."""
        config = self.directory.config()
        known(config, task=task, dataset=dataset, action=action)
        selector = Selector(
            task=task,
            dataset=dataset,
            action=action,
            round=round,
            row=row,
            confidence=(min_confidence, max_confidence),
        )
        with rundir.locked(self.directory), Ledger(self.directory.ledger) as ledger:
            return ledger.undo(selector, note=note)

    def report(self) -> Path:
        """Write the report, one offline HTML page, as the run stands now; returns its path."""
        from jointset import report

        if not (self.directory.data / "rows" / "rows.json").is_file():
            report.write_rows(self.directory, self.work)
        return report.write(self.directory)

    def edits(self, *, round: int | None = None, status: str | None = None) -> Edits:
        """The edits of a round, or of all, with their present status."""
        with Ledger(self.directory.ledger) as ledger:
            return ledger.edits(round=round, status=status)

    def export(self, folder: str | Path, *, format: str = "parquet", task: str | None = None) -> Path:
        """Write every dataset, a narrow table per task, and a dataset card to a folder; or the model.

        ``format="onnx"`` writes the joint model as one ONNX file, ``format="huggingface"`` one ``task`` of it as a text
        classifier that transformers loads; naming a task alone means the latter.
        """
        if task is not None or format in MODEL_FORMATS:
            from jointset.hand_over import write_model

            known(self.directory.config(), task=task, dataset=None, action=None)
            return write_model(self, Path(folder), "huggingface" if format == "parquet" else format, task)
        work = self.work
        tables = {n: d.to_arrow() for n, d in self.datasets.items()}
        inputs = {d.name: [c for cs in d.inputs.values() for c in cs] for d in work.pool.datasets}
        media = {
            d.name: {c: m for m in ("image", "audio") for c in d.inputs.get(m, ())}
            for d in work.pool.datasets
        }
        return export.write(
            folder, tables, work.tasks, inputs=inputs, media=media, derived=self.derived, name=work.config.name,
            format=format,
        )  # fmt: skip

    @property
    def derived(self) -> Mapping[str, pa.Table]:
        """By dataset, the rows that accepted edits added: derived from others by a recipe, made here."""
        overlay = self.overlay()
        if not len(overlay.added):
            return {}
        from jointset.derived import derived_tables

        return derived_tables(self.directory, self.work, overlay)

    def overlay(self) -> Overlay:
        """Labels and weights as the accepted edits leave them now."""
        with Ledger(self.directory.ledger) as ledger:
            return apply(self.work.given, ledger.accepted(), self.work.by_name, self.work.pool)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"


def known(config: Config, *, task: str | None, dataset: str | None, action: str | None) -> None:
    """Raise when a selector names what the run does not have; nothing would match, and nobody would know why."""
    named = (
        ("task", task, config.tasks),
        ("dataset", dataset, config.datasets),
        ("action", action, ACTIONS),
    )
    for what, value, names in named:
        if value is not None and value not in names:
            raise DataError(
                f"the run has no {what} {value!r}{nearest(value, names)}; one of {', '.join(names)}"
            )


class _Datasets(Mapping[str, RepairedDataset]):
    """The datasets of a run, made when asked for."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._overlay = run.overlay()
        self._audit = _last_audit(run.directory)

    def __iter__(self) -> Iterator[str]:
        return (d.name for d in self._run.work.pool.datasets)

    def __len__(self) -> int:
        return len(self._run.work.pool.datasets)

    def __getitem__(self, name: str) -> RepairedDataset:
        work = self._run.work
        dataset = next((d for d in work.pool.datasets if d.name == name), None)
        if dataset is None:
            raise KeyError(f"no dataset {name!r}{nearest(name, list(self))}; one of {', '.join(self)}")
        rows = work.pool.rows_of(name)
        tasks = []
        for i, task in enumerate(work.tasks):
            given, final = work.given[task.name][rows], self._overlay.labels[task.name][rows]
            empty = np.full(given.shape, np.nan, np.float32)
            found = {
                k: self._audit[f"{k}.{i}"][rows] if f"{k}.{i}" in self._audit else None
                for k in ("quality", "suggested", "confidence")
            }
            tasks.append(
                export.TaskColumns(
                    task=task,
                    final=final,
                    given=given,
                    source=self._overlay.source[task.name][rows],
                    quality=empty if found["quality"] is None else found["quality"],
                    suggested=task.missing(len(given)) if found["suggested"] is None else found["suggested"],
                    confidence=empty if found["confidence"] is None else found["confidence"],
                    weight=self._overlay.weights[task.name][rows],
                )
            )
        from jointset.export.columns import columns

        table = dataset.table.drop_columns(own_label_columns(work.config, name, dataset.table.column_names))
        return RepairedDataset(
            name, columns(table, tasks, rows=dataset.row_ids, keep=self._overlay.keep[rows])
        )


def _base(directory: RunDirectory, name: str, fingerprint: str) -> pa.Table:
    import pyarrow.parquet as pq

    file = directory.data / "base" / f"{fingerprint}.parquet"
    if not file.is_file():
        raise DataError(
            f"{directory.path}: the run's copy of dataset {name!r} is gone ({file.name}); repeat jointset run"
        )
    return pq.read_table(file)


def _last_audit(directory: RunDirectory) -> dict[str, Any]:
    files = sorted((directory.path / "rounds").glob("*/audit.npz"))
    if not files:
        return {}
    with np.load(files[-1], allow_pickle=False) as stored:
        return dict(stored)
