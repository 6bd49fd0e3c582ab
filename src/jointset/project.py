"""The Python face: a project is put together, run, and its run looked into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jointset import config as configs
from jointset import export, notebook, rundir
from jointset.config import Config
from jointset.config.names import known
from jointset.data import HeldOutLabels, Overlay, apply, held_out_labels
from jointset.errors import ConfigError, RunError, UserError, nearest
from jointset.ledger import Ledger, Selector
from jointset.prepare import Work, prepare
from jointset.records import Edits
from jointset.repaired import RepairedDataset, RepairedDatasets, base_table
from jointset.rundir import RunDirectory

if TYPE_CHECKING:
    import pyarrow as pa

    from jointset.checking import Check
    from jointset.explaining import Explanation
    from jointset.models.saved import SavedModel
    from jointset.relatedness import Affinity
    from jointset.review import Taken

Emit = Callable[[dict[str, Any]], None]
MODEL_FORMATS = ("onnx", "huggingface")
SECTIONS = tuple(s for s in Config.model_fields if s not in ("name", "datasets", "tasks", "seed"))


def execute(
    config: Config,
    root: str | Path = "runs",
    *,
    sources: Mapping[str, Any] | None = None,
    emit: Emit | None = None,
    new_run: bool = False,
) -> Run:
    """Run a configuration to its end, or go on where an earlier call was interrupted.

    A finished run goes on as well once people have decided something since: their decisions come into the model, and
    as many rounds as are asked for may follow, judged by the held-out labels as they have them.

    Parameters
    ----------
    config : the configuration.
    root : folder that run directories are made in; the run's own is ``root/config.name``.
    sources : datasets given as objects rather than by path.
    emit : called with every event, a dict with the key ``event``.
    new_run : start afresh in a numbered directory beside an earlier run.
    """
    from jointset.running import run_config

    return Run(run_config(config, Path(root), sources, emit, new_run).path)


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

        ``settings`` are those of the configuration: ``id``, ``group``, ``split``, ``trusted``, ``site``, ``time``.
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

    def configure(self, **sections: Any) -> None:
        """Set sections of the configuration: parts of one as a mapping, or its short form.

        >>> Project("x").configure(training={"epochs": 5}, augment="auto", relatedness="off")
        """
        for section, values in sections.items():
            if section not in SECTIONS:
                raise ConfigError(
                    f"configure: unknown section {section!r}{nearest(section, SECTIONS)}; one of {', '.join(SECTIONS)}"
                )
            before = self._settings.get(section)
            if isinstance(before, dict) and isinstance(values, Mapping):
                values = {**before, **values}
            self._settings[section] = values

    def config(self, **improve: Any) -> Config:
        """The configuration as it stands, with settings of ``improve`` on top; mistakes raise ConfigError."""
        settings = {**self._settings, "improve": {**self._settings.get("improve", {}), **improve}}
        return configs.parse(settings, f"project {self.name}")

    def check(self, *, estimate: bool = True) -> Check:
        """Read everything and say what is there, what is doubtful and what a run will cost; nothing is kept."""
        from jointset.checking import check

        return check(self.config(), sources=self._sources, estimate=estimate)

    def run(
        self, *, new_run: bool = False, progress: bool = True, emit: Emit | None = None, **improve: Any
    ) -> Run:
        """Run the loop; keyword arguments are settings of ``improve``, for example ``rounds=3, precision=0.9``.

        ``progress`` shows on stderr what goes on; ``emit`` is called with every event instead.
        """
        config = self.config(**improve)
        if emit is not None or not progress:
            return execute(config, self.root, sources=self._sources, new_run=new_run, emit=emit)
        from jointset.console.progress import Progress

        with Progress(config) as shown:
            return execute(config, self.root, sources=self._sources, new_run=new_run, emit=shown)

    def __repr__(self) -> str:
        datasets, tasks = list(self._settings["datasets"]), list(self._settings["tasks"])
        return f"Project({self.name!r}, datasets={datasets}, tasks={tasks})"

    def _repr_html_(self) -> str:
        return notebook.of_project(self.name, self._settings)


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

    @property
    def affinity(self) -> dict[str, Affinity]:
        """How the tasks' gradients and losses went together in the first joint training, by measure; {} for one task.

        ``gradient_cosine``, ``conflict_rate``, ``lookahead`` (what a step on the source does to the target's loss, to
        first order) and, of five epochs or more, ``loss_ratios``.
        """
        from jointset.relatedness import Affinity

        file = self.directory.affinity
        found = rundir.read_json(file)["affinity"] if file.is_file() else {}
        return {n: Affinity.read(a) for n, a in found.items()}

    @property
    def interpretation(self) -> dict[str, Any]:
        """What the labels of which dataset do to which task, and which layers the tasks share, in the joint model.

        ``influence``: for each ``dataset``, ``task`` and ``target`` the ``share``, the mean influence of a training
        label on the target's held-out loss after one epoch, over the strongest (above 0 it helps), and ``hurt``, the
        share of labels that raise it. ``layers``: ``names``, ``tasks``, and debiased CKA of every two tasks' features
        in ``alignment[layer]`` (1 = the same up to rotation and scale) with its ``mean`` over pairs; None for one task.
        {} before the end of the run, and where ``relatedness`` is off.
        """
        file = self.directory.interpretation
        return dict(rundir.read_json(file)) if file.is_file() else {}

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
        sources = {n: base_table(self.directory, n, d["sha256"]) for n, d in lock["datasets"].items()}
        return prepare(config, self.directory.data, sources)

    @property
    def datasets(self) -> Mapping[str, RepairedDataset]:
        """The datasets as the accepted edits leave them now."""
        return RepairedDatasets(self.work, self.overlay(), self.directory)

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
        everything: bool = False,
        note: str = "",
    ) -> int:
        """Take back the accepted edits that fit all of what is given, or ``everything``; returns how many."""
        given = (task, dataset, action, round, row, min_confidence, max_confidence)
        if not everything and all(v is None for v in given):
            raise UserError("undo: say which edits (task, dataset, action, round, row …), or everything=True")
        config = self.directory.config()
        known(config, task=task, dataset=dataset, action=action)
        sure = (min_confidence, max_confidence)
        selector = Selector(task=task, dataset=dataset, action=action, round=round, row=row, confidence=sure)
        with rundir.locked(self.directory), Ledger(self.directory.ledger) as ledger:
            ledger.check_rounds(round)
            return ledger.undo(selector, note=note)

    def report(self) -> Path:
        """Write the report, one offline HTML page, as the run stands now; returns its path."""
        from jointset import report

        self.lay_out()
        return report.write(self.directory)

    def lay_out(self) -> None:
        """Write the rows of the run as readers want them, unless that was done."""
        from jointset import report

        if not (self.directory.data / "rows" / "rows.json").is_file():
            report.write_rows(self.directory, self.work)

    def review(self, *, port: int = 0, reviewer: str = "", checks: float = 0.0) -> None:
        """Serve the review page on this machine until it is interrupted; the address to open is printed.

        ``port`` 0 takes any that is free; ``reviewer`` is the name in the ledger, by default the user's; ``checks`` the
        share of items with known answers that are mixed in blind.
        """
        from jointset.review import serve

        self.lay_out()
        with suppress(KeyboardInterrupt):
            serve(self.directory, port=port, reviewer=reviewer, checks=checks, tell=print)

    def diff(
        self,
        *,
        task: str | None = None,
        dataset: str | None = None,
        action: str | None = None,
        from_round: int = 0,
        to_round: int | None = None,
    ) -> Edits:
        """The labels that differ between the state after two rounds (0 is as given), as edits."""
        known(self.directory.config(), task=task, dataset=dataset, action=action)
        if not self.directory.ledger.is_file():
            raise RunError(f"{self.path}: no round has been finished yet; repeat jointset run to go on")
        with Ledger(self.directory.ledger) as ledger:
            ledger.check_rounds(from_round or None, to_round or None)
            last = max(ledger.rounds(), default=0)
            edits = ledger.diff(from_round, last if to_round is None else to_round)
        for column, value in (("task", task), ("dataset", dataset), ("action", action)):
            if value is not None:
                edits = edits.take(getattr(edits, column) == value)
        return edits

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
        if format == "fiftyone":
            from jointset.exchange import write_pictures

            return write_pictures(self, Path(folder))
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

    def export_edits(self, folder: str | Path, *, format: str = "edits-csv", **filters: Any) -> int:
        """Write the edits that nobody has decided for people to decide elsewhere; returns how many.

        ``format`` is edits-csv, edits-jsonl, label-studio or argilla; ``filters`` are those of
        :class:`jointset.review.Filters`, as ``task``, ``dataset``, ``action``, ``low`` and ``high`` of the confidence.
        """
        from jointset.exchange import write_edits

        named = {name: filters.get(name) or None for name in ("task", "dataset", "action")}
        known(self.directory.config(), **named)
        return write_edits(self, Path(folder), format, filters)

    def import_decisions(self, file: str | Path, *, reviewer: str = "") -> Taken:
        """Read decisions from a file and write them into the ledger, all of them or none.

        ``reviewer`` stands where the file names nobody, by default the user. Raises DataError, which names file and
        line, for the first that cannot be read.
        """
        from jointset.exchange import read_decisions

        return read_decisions(self, Path(file), reviewer)

    @property
    def derived(self) -> Mapping[str, pa.Table]:
        """By dataset, the rows that accepted edits added: derived from others by a recipe, made here."""
        overlay = self.overlay()
        if not len(overlay.added):
            return {}
        from jointset.derived import derived_tables

        return derived_tables(self.directory, self.work, overlay)

    def explain(
        self,
        row: Any,
        *,
        dataset: str | None = None,
        task: str | None = None,
        label: str | None = None,
        method: str = "occlusion",
        rows: int = 5,
    ) -> Explanation:
        """Why the joint model predicts what it predicts for one row.

        ``row`` is a row id of ``dataset``, a text, a mapping of columns, or a frame of one row; ``label`` the class to
        explain instead of the predicted one; ``method`` occlusion or integrated_gradients; ``rows`` how many training
        labels for and against are looked for (0: none, which is quick).
        """
        from jointset.explaining import explain

        return explain(
            self.directory, self.work, self.model, self.overlay(), row,
            dataset=dataset, task=task, label=label, method=method, rows=rows,
        )  # fmt: skip

    def overlay(self) -> Overlay:
        """Labels and weights as the accepted edits leave them now."""
        with Ledger(self.directory.ledger) as ledger:
            return apply(self.work.given, ledger.accepted(), self.work.by_name, self.work.pool)

    def held_out_labels(self) -> HeldOutLabels:
        """The labels that held-out rows are judged by: as people decided them, else as given."""
        work = self.work
        with Ledger(self.directory.ledger) as ledger:
            return held_out_labels(work.given, ledger.reviewed(), work.by_name, work.pool, work.pool.split)

    def _told(self) -> tuple[list[list[str]], str]:
        return notebook.of_run(self.summary if (self.path / "summary.json").is_file() else None)

    def __repr__(self) -> str:
        rows, below = self._told()
        return f"Run({'; '.join([repr(str(self.path)), *(' '.join(r) for r in rows), below])})"

    def _repr_html_(self) -> str:
        rows, below = self._told()
        return notebook.table(
            f"Run {self.path}", ["task", "metric", "before → after", "verdict"], rows, below
        )
