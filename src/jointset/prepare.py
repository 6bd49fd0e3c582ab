"""From a configuration to what the rounds work on: datasets, tasks, labels, pool, folds, inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointset.config import Config, TaskSettings
from jointset.data import Dataset, Pool, build_pool, load_dataset, make_folds
from jointset.data.dataset import folder_of
from jointset.data.splits import SplitChoice
from jointset.errors import ConfigError, DataError, nearest
from jointset.export.columns import clashes
from jointset.metrics import METRICS, default_metric
from jointset.records import TEST, TRAIN, Bools, Ints, Task, is_labelled
from jointset.rundir import digest
from jointset.tasks import KINDS, LabelOptions, LabelSource
from jointset.tasks.losses import make_loss


@dataclass(frozen=True)
class Work:
    """Everything a run works on, before anything is trained; nothing here needs torch."""

    config: Config
    pool: Pool
    tasks: tuple[Task, ...]
    given: Mapping[str, NDArray[Any]]
    fold: Ints
    strata: Ints
    notes: tuple[str, ...]

    @property
    def by_name(self) -> dict[str, Task]:
        """Tasks by name."""
        return {t.name: t for t in self.tasks}

    def labels_task(self, task: str) -> Bools:
        """Rows of the datasets that label the task, ``(N,)``."""
        names = self.config.tasks[task].labels
        return np.isin(self.pool.dataset_names, list(names))

    def editable(self) -> Bools:
        """Rows whose labels a repair may change: training rows that are not trusted."""
        return (self.pool.split == TRAIN) & ~self.pool.trusted

    def facts(self) -> dict[str, Any]:
        """What ``data.lock`` holds: content hashes and splits."""
        return {
            "datasets": {
                d.name: {"sha256": d.fingerprint, "rows": len(d.row_ids)} for d in self.pool.datasets
            },
            "labels": {n: digest(np.ascontiguousarray(y).tobytes()) for n, y in self.given.items()},
            "splits": {
                "sha256": digest(self.pool.split.tobytes()),
                **dict(
                    zip(
                        ("train", "holdout", "test"),
                        np.bincount(self.pool.split, minlength=3).tolist(),
                        strict=True,
                    )
                ),
            },
        }


def prepare(
    config: Config, cache: Path, sources: Mapping[str, Any] | None = None, *, folds: bool = True
) -> Work:
    """Read, check and encode everything the configuration names.

    ``sources`` holds datasets given as objects (frames, tables) instead of a path. Without ``folds`` nothing is to be
    trained, and the rows need not be enough for any: all are in the first.
    """
    datasets = tuple(_dataset(config, name, cache, sources or {}) for name in config.datasets)
    for dataset in datasets:
        _names_are_free(config, dataset)
    encoded = {name: _encode(name, settings, datasets) for name, settings in config.tasks.items()}
    tasks = tuple(e.task for e in encoded.values())
    sizes = [len(d.row_ids) for d in datasets]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    given = {}
    for task in tasks:
        labels = task.missing(int(offsets[-1]))
        for i, dataset in enumerate(datasets):
            if dataset.name in encoded[task.name].labels:
                labels[offsets[i] : offsets[i + 1]] = encoded[task.name].labels[dataset.name]
        given[task.name] = labels
    splits = {n: (d.split.column, d.split.holdout, d.split.test) for n, d in config.datasets.items()}
    seen = _without_test(given, datasets, splits, offsets)
    strata = _strata(tasks, seen, np.repeat(np.arange(len(datasets)), sizes))
    pool = build_pool(datasets, strata=strata, split_settings=splits, seed=config.seed)
    tasks = tuple(_settled(t, config.tasks[t.name], given[t.name], pool) for t in tasks)
    fold = np.zeros(len(pool), np.int8)
    if folds:
        fold = make_folds(pool.component, strata, pool.split == TRAIN, config.training.folds, config.seed)
    notes = [f"{e.task.name}: {note}" for e in encoded.values() for note in e.notes]
    return Work(config, pool, tasks, given, fold, strata, (*notes, *pool.notes))


def own_label_columns(config: Config, dataset: str, columns: Sequence[str]) -> list[str]:
    """Label columns that bear their task's own name: in an export the final label takes the name over, and what was
    given stands in ``T__given``."""
    return [
        n
        for n, t in config.tasks.items()
        if n in columns and _columns(t, dataset) == [n] and dataset not in t.map
    ]


def _names_are_free(config: Config, dataset: Dataset) -> None:
    """Raise when an original column has a name the export needs; better now than after the training."""
    names = dataset.table.column_names
    free = set(own_label_columns(config, dataset.name, names))
    taken = [c for c in clashes(names, config.tasks) if c not in free]
    if taken:
        raise DataError(
            f"dataset {dataset.name!r}: column {taken[0]!r} has a name that the export gives to a task's column; "
            "rename the task in the configuration, or the column"
        )


def regime(config: Config) -> str:
    """The name of the regime of the dataset × task grid."""
    datasets, tasks = len(config.datasets), len(config.tasks)
    per_task = [len(t.labels) for t in config.tasks.values()]
    if datasets == 1:
        return (
            "one dataset, one task"
            if tasks == 1
            else "same input, different losses (one dataset, several tasks)"
        )
    if tasks == 1:
        return "different inputs, same loss (one task in several datasets)"
    if all(n == 1 for n in per_task) and len({next(iter(t.labels)) for t in config.tasks.values()}) == tasks:
        return "different inputs, different losses (a task of its own for every dataset)"
    return "mixture (several datasets and tasks that overlap in part)"


def _dataset(config: Config, name: str, cache: Path, sources: Mapping[str, Any]) -> Dataset:
    settings = config.datasets[name]
    source = sources.get(name, settings.path)
    if source is None:
        raise ConfigError(f"datasets.{name}: path is missing")
    labels = [c for t in config.tasks.values() if name in t.labels for c in _columns(t, name)]
    return load_dataset(
        name,
        source,
        inputs={modality: settings.columns(modality) for modality in settings.inputs},
        id=settings.id,
        group=settings.group,
        split=settings.split.column,
        trusted=settings.trusted,
        site=settings.site,
        time=settings.time,
        cache=cache,
        label_columns=labels,
        root=folder_of(settings.path),
    )


def _columns(task: TaskSettings, dataset: str) -> list[str]:
    value = task.labels.get(dataset, [])
    return [value] if isinstance(value, str) else list(value)


def _encode(name: str, settings: TaskSettings, datasets: tuple[Dataset, ...]) -> Any:
    metrics = [m for m, metric in METRICS.items() if settings.kind in metric.kinds]
    if settings.metric is not None and settings.metric not in metrics:
        raise ConfigError(
            f"tasks.{name}.metric: {settings.metric!r} is no metric of kind {settings.kind}"
            f"{nearest(settings.metric, metrics)}; one of {', '.join(metrics)}"
        )
    _check_balance(name, settings)
    sources = []
    for dataset in datasets:
        if dataset.name not in settings.labels:
            continue
        columns = _columns(settings, dataset.name)
        for column in columns:
            if column not in dataset.table.column_names:
                names = dataset.table.column_names
                raise DataError(
                    f"task {name!r}: dataset {dataset.name!r} has no column {column!r}{nearest(column, names)}; "
                    f"its columns are {', '.join(map(repr, names[:20]))}{', …' if len(names) > 20 else ''}"
                )
        sources.append(
            LabelSource(
                dataset.name,
                {c: dataset.table.column(c) for c in columns},
                settings.map.get(dataset.name),
                tuple(settings.missing),
            )
        )
    return KINDS[settings.kind].encode(name, sources, _options(settings))


def _check_balance(name: str, settings: TaskSettings) -> None:
    """Raise, before anything is read, when the loss or the sampling does not fit the kind."""
    make_loss(Task(name, settings.kind, loss=settings.loss_options()))
    if settings.kind == "regression" and settings.sampling.mode != "none":
        raise ConfigError(
            f"tasks.{name}.sampling: {settings.sampling.mode} draws classes, and a regression has none; take it out"
        )


def encode_labels(task: Task, settings: TaskSettings, dataset: str, table: Any) -> NDArray[Any]:
    """The labels of a further table that has the label columns of ``dataset``, under the task's known classes."""
    columns = {c: table.column(c) for c in _columns(settings, dataset)}
    source = LabelSource(dataset, columns, settings.map.get(dataset), tuple(settings.missing))
    return KINDS[task.kind].read(task, source, _options(settings))


def _options(settings: TaskSettings) -> LabelOptions:
    return LabelOptions(
        tuple(settings.classes or ()), settings.separator, settings.unit, settings.weight, settings.metric
    )


def _strata(
    tasks: tuple[Task, ...], given: Mapping[str, NDArray[Any]], dataset_of: Ints
) -> NDArray[np.int64]:
    """One code per row out of its dataset and labels; combinations that are rare fall back to fewer tasks."""
    code = dataset_of.astype(np.int64)
    for task in tasks:
        wider = code * 1000 + 1 + _coarse(task, given[task.name])
        _, inverse, counts = np.unique(wider, return_inverse=True, return_counts=True)
        wider = np.where(counts[inverse] >= 10, wider, code * 1000)
        code = np.unique(wider, return_inverse=True)[1].astype(np.int64)
    return code


def _coarse(task: Task, labels: NDArray[Any]) -> Ints:
    """At most some hundred values per task: the class, the quartile, or the row's rarest label; -1 = missing."""
    if task.kind == "regression":
        known = ~np.isnan(labels)
        edges = np.quantile(labels[known], [0.25, 0.5, 0.75]) if known.any() else np.zeros(3)
        return np.where(known, np.searchsorted(edges, np.nan_to_num(labels)), -1)
    if task.kind == "multilabel":
        rarity = np.argsort(np.argsort((labels == 1).sum(0)))
        rank = np.where(labels == 1, rarity[None, :], len(rarity))
        return np.where(is_labelled(labels), np.minimum(rank.min(1), 900), -1)
    return np.minimum(labels, 900)


def _without_test(
    given: Mapping[str, NDArray[Any]],
    datasets: tuple[Dataset, ...],
    splits: Mapping[str, tuple[str | None, float, float]],
    offsets: Ints,
) -> dict[str, NDArray[Any]]:
    """The labels without those of rows that a split column calls test: they must not decide who trains with whom."""
    hidden = np.zeros(int(offsets[-1]), bool)
    for dataset, start, end in zip(datasets, offsets[:-1], offsets[1:], strict=True):
        choice = SplitChoice.of(dataset, *splits[dataset.name], rows=slice(int(start), int(end)))
        if choice.given is not None:
            hidden[choice.rows] = choice.given == TEST
    seen = {n: y.copy() for n, y in given.items()}
    for labels in seen.values():
        labels[hidden] = np.nan if labels.dtype.kind == "f" else -1
    return seen


def _settled(task: Task, settings: TaskSettings, labels: NDArray[Any], pool: Pool) -> Task:
    """The task with what its training labels say: the scale of a regression, the metric that fits the classes."""
    train = pool.split == TRAIN
    count = int((is_labelled(labels) & train).sum())
    if count < 2:
        raise DataError(
            f"task {task.name!r}: {count} labels in the training split; it needs some there: check the split column"
        )
    task = replace(task, loss=settings.loss_options(), sampling=settings.sampling_options())
    seen = labels[train]
    if task.kind != "regression":
        return replace(task, metric=settings.metric or default_metric(task, seen))
    seen = seen[~np.isnan(seen)]
    if np.all(seen == seen[0]):
        raise DataError(
            f"task {task.name!r}: all {count} labels in the training split are {seen[0]:g}; there is nothing to predict"
        )
    return replace(task, scale=(float(seen.mean()), float(seen.std())))
