"""The configuration: YAML in, frozen settings out. Unknown keys are errors with a suggestion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from jointset.errors import ConfigError, nearest
from jointset.records import name_of

FIXES = ("relabel", "fill", "drop", "weight")
WEIGHTINGS = ("equal", "fixed", "uncertainty")


class Settings(BaseModel):
    """Base of all settings: frozen, and strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False)


class SplitSettings(Settings):
    """Where a row belongs: a given column, or shares to be drawn."""

    column: str | None = None
    holdout: float = Field(default=0.15, ge=0.0, lt=1.0)
    test: float = Field(default=0.0, ge=0.0, lt=1.0)


class DatasetSettings(Settings):
    """One dataset: a file or folder, and what its columns are."""

    path: str | None = None
    inputs: dict[Literal["tabular", "text", "image"], str | list[str]]
    id: str | None = None
    group: str | None = None
    split: SplitSettings = SplitSettings()
    trusted: str | None = None

    @field_validator("inputs")
    @classmethod
    def _some_input(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not value:
            raise ValueError("at least one input is needed, for example inputs: {text: COLUMN}")
        return value

    @field_validator("split", mode="before")
    @classmethod
    def _split_column(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value

    def columns(self, modality: str) -> list[str]:
        """The input columns of a modality."""
        value = self.inputs.get(modality, [])  # type: ignore[call-overload]
        return [value] if isinstance(value, str) else list(value)


class TaskSettings(Settings):
    """One task: its kind, and where its labels stand."""

    kind: Literal["binary", "multiclass", "multilabel", "regression"]
    labels: dict[str, str | list[str]]
    map: dict[str, dict[Any, Any]] = {}
    missing: list[Any] = []
    classes: list[str] | None = None
    separator: str | None = None
    unit: str = ""
    weight: float = Field(default=1.0, ge=0.0)
    class_weights: Literal["none", "balanced"] = "none"
    metric: str | None = None

    @field_validator("labels")
    @classmethod
    def _some_labels(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not value:
            raise ValueError(
                "name at least one dataset and its label column, for example labels: {DATASET: COLUMN}"
            )
        return value

    @field_validator("missing", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        found = value if isinstance(value, list) else [value]
        return [None if isinstance(v, float) and v != v else v for v in found]

    @field_validator("map", mode="before")
    @classmethod
    def _keys_as_names(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            d: {name_of(k): v for k, v in m.items()} if isinstance(m, dict) else m for d, m in value.items()
        }

    @field_validator("classes", mode="before")
    @classmethod
    def _classes_as_names(cls, value: Any) -> Any:
        return [name_of(v) for v in value] if isinstance(value, list) else value


class EncoderSettings(Settings):
    """The encoder of one modality, by name, with its own options."""

    model_config = ConfigDict(frozen=True, extra="allow")

    encoder: str = "default"

    def options(self) -> dict[str, Any]:
        """What is handed to the encoder's constructor."""
        return dict(self.model_extra or {})


class ModelSettings(Settings):
    """The joint model: an encoder per modality, a trunk, and how parameters are shared."""

    text: EncoderSettings = EncoderSettings()
    tabular: EncoderSettings = EncoderSettings()
    image: EncoderSettings = EncoderSettings()
    sharing: Literal["hard"] = "hard"
    width: int = Field(default=128, ge=1)
    depth: int | None = Field(default=None, ge=0)
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)


class SearchSettings(Settings):
    """Task weights are searched for, on the held-out score, before the first round."""

    search: Literal["grid", "bayes"]
    budget: int = Field(default=20, ge=2)
    target: str | None = None
    objective: Literal["mean", "front"] = "mean"
    span: float = Field(default=10.0, gt=1.0, le=1e6)
    prune: bool | None = None
    confirm: int = Field(default=2, ge=0)

    @property
    def prunes(self) -> bool:
        """Whether trials that lag behind are ended: as told, else where proposals follow the score."""
        return self.search == "bayes" and self.objective == "mean" if self.prune is None else self.prune

    @property
    def trainings(self) -> int:
        """Joint trainings at most: the trials, and the best and equal weights again with further seeds."""
        return self.budget + 2 * self.confirm

    def mistake(self, tasks: Sequence[str]) -> str | None:
        """What does not fit the tasks of the configuration."""
        if len(tasks) < 2:
            return "search: there is a single task, so there are no weights to search for; name a weighting"
        if self.target is not None and self.target not in tasks:
            return f"target: no task is called {self.target!r}{nearest(self.target, tasks)}"
        if self.prune and self.objective == "front":
            return "prune: a trial that lags on the mean may lie on the front; take prune or objective: front out"
        fewest = 2 ** len(tasks) - 1
        if self.search == "grid" and self.budget < fewest:
            return (
                f"budget: a grid over {len(tasks)} tasks has at least {fewest} points, found {self.budget}; "
                "raise it, or take search: bayes"
            )
        return None


class TrainingSettings(Settings):
    """How the joint model is trained."""

    epochs: int = Field(default=40, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0.0, le=1.0)
    sparse_learning_rate: float = Field(default=5e-4, gt=0.0, le=1.0)
    weight_decay: float = Field(default=1e-2, ge=0.0)
    warmup: float = Field(default=0.1, ge=0.0, lt=1.0)
    patience: int = Field(default=3, ge=1)
    temperature: float = Field(default=1.0, gt=0.0)
    cap: int | None = Field(default=None, ge=1)
    weighting: str | SearchSettings = "fixed"
    mixup: float = Field(default=1.0, ge=0.0)
    average: float = Field(default=0.97, ge=0.0, lt=1.0)
    folds: int = Field(default=5, ge=2)
    threads: int | None = Field(default=None, ge=1)
    checkpoint_seconds: float = Field(default=60.0, ge=0.0)

    @field_validator("weighting", mode="before")
    @classmethod
    def _known_weighting(cls, value: Any) -> str | SearchSettings:
        if isinstance(value, (dict, SearchSettings)):
            return SearchSettings.model_validate(value)
        if value not in WEIGHTINGS:
            hint = nearest(str(value), WEIGHTINGS)
            raise ValueError(f"no such weighting{hint}; one of {', '.join(WEIGHTINGS)}, or {{search: bayes}}")
        return str(value)

    @property
    def search(self) -> SearchSettings | None:
        """The search of task weights, where one is asked for."""
        return self.weighting if isinstance(self.weighting, SearchSettings) else None

    @property
    def watch(self) -> str:
        """The one task whose held-out score stops the training: the target of a search."""
        return (self.search.target or "") if self.search else ""


class ImproveSettings(Settings):
    """The loop of repair."""

    rounds: int = Field(default=2, ge=0)
    fixes: list[Literal["relabel", "fill", "drop", "weight"]] = ["relabel", "fill", "drop", "weight"]
    precision: float = Field(default=0.9, gt=0.0, le=1.0)
    max_changes: float | int | None = None
    margin: float = Field(default=0.005, ge=0.0)
    across: bool = False
    max_seconds: float | None = Field(default=None, gt=0.0)

    @field_validator("max_changes")
    @classmethod
    def _budget(cls, value: float | int | None) -> float | int | None:
        if value is not None and value < 0:
            raise ValueError("max_changes is a number of labels, or a share of the labels between 0 and 1")
        return value


class Config(Settings):
    """The whole configuration.

    >>> config = Config.model_validate({
    ...     "name": "demo",
    ...     "datasets": {"a": {"path": "a.csv", "inputs": {"text": "body"}}},
    ...     "tasks": {"stars": {"kind": "multiclass", "labels": {"a": "stars"}}},
    ... })
    >>> config.improve.precision, config.datasets["a"].columns("text")
    (0.9, ['body'])
    """

    name: str = Field(default="run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    datasets: dict[str, DatasetSettings]
    tasks: dict[str, TaskSettings]
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    improve: ImproveSettings = ImproveSettings()
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _names_meet(self) -> Config:
        for kind, entries in (("datasets", self.datasets), ("tasks", self.tasks)):
            if not entries:
                raise ValueError(f"{kind} is empty: name at least one")
            for name in entries:
                if not name or any(c in name for c in "/\\\0") or name.startswith(".") or "__" in name:
                    raise ValueError(f"{kind}.{name!r}: a name has no '/', no '__' and no leading dot")
        for name, task in self.tasks.items():
            for part, where in (("labels", task.labels), ("map", task.map)):
                for dataset in where:
                    if dataset not in self.datasets:
                        hint = nearest(dataset, self.datasets)
                        raise ValueError(f"tasks.{name}.{part}.{dataset}: no dataset has this name{hint}")
            if task.weight != 1.0 and self.training.weighting != "fixed":
                found = "a search" if self.training.search else self.training.weighting
                raise ValueError(
                    f"tasks.{name}.weight needs training.weighting: fixed, found {found}; take one of them out"
                )
        mistake = self.training.search.mistake(list(self.tasks)) if self.training.search else None
        if mistake:
            raise ValueError(f"training.weighting.{mistake}")
        return self


def load(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration file; ``overrides`` are ``dotted.key=value`` strings with YAML values.

    Raises :class:`~jointset.errors.ConfigError` with one line that names the file, the key and the mend. Relative
    dataset paths are resolved against the file's folder.
    """
    path = Path(path)
    if not path.is_file():
        near = nearest(path.name, (p.name for p in path.parent.glob("*"))) if path.parent.is_dir() else ""
        raise ConfigError(f"{path}: no such configuration{near}; make one with: jointset init FILE…")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "cannot be read"
        raise ConfigError(f"{path}:{where} not valid YAML: {problem}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected keys such as datasets and tasks, found {type(data).__name__}")
    for override in overrides:
        _override(data, override)
    config = parse(data, str(path))
    return resolve_paths(config, path.parent)


def parse(data: Mapping[str, Any], where: str = "configuration") -> Config:
    """Validate a mapping; the first mistake becomes a one-line :class:`ConfigError`."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_first_mistake(error)}") from None


def resolve_paths(config: Config, folder: Path) -> Config:
    """The configuration with dataset paths made absolute."""
    datasets = {
        name: d
        if d.path is None
        else d.model_copy(update={"path": str((folder / Path(d.path).expanduser()).resolve())})
        for name, d in config.datasets.items()
    }
    return config.model_copy(update={"datasets": datasets})


def dump(config: Config) -> str:
    """The resolved configuration as YAML."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _override(data: dict[str, Any], override: str) -> None:
    key, sign, text = override.partition("=")
    if not sign or not key:
        raise ConfigError(f"--set {override}: expected KEY=VALUE, for example --set improve.rounds=2")
    *parents, last = key.split(".")
    node: Any = data
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise ConfigError(f"--set {override}: {parent} is a value, not a group of keys")
    try:
        node[last] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: the value is not valid YAML") from None


def _first_mistake(error: ValidationError) -> str:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    key = ".".join(location)
    if first["type"] == "extra_forbidden":
        known = list(_keys_at(Config, location[:-1]))
        return f"unknown key {key}{nearest(location[-1], known)}; known here: {', '.join(known)}"
    if first["type"] == "missing":
        return f"{key} is missing"
    message = first["msg"].removeprefix("Value error, ")
    found = first.get("input")
    shown = f", found {found!r}" if isinstance(found, (str, int, float, bool)) and key else ""
    return f"{key + ': ' if key else ''}{message[:1].lower() + message[1:]}{shown}"


def _keys_at(model: type[BaseModel], location: Sequence[str]) -> Iterator[str]:
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            info = current.model_fields.get(part)
            current = info.annotation if info else None
            if getattr(current, "__origin__", None) is dict:
                current = ("values", current.__args__[1])
            current = _with_keys(current)
        elif isinstance(current, tuple):
            current = current[1]
    if isinstance(current, type) and issubclass(current, BaseModel):
        yield from current.model_fields


def _with_keys(annotation: Any) -> Any:
    """Of a key that is a name or a mapping, the settings of the mapping."""
    forms = (f for f in get_args(annotation) if isinstance(f, type) and issubclass(f, Settings))
    return next(forms, annotation)
