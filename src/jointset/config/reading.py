"""YAML in, frozen settings out, and back. Unknown keys are errors with a suggestion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from jointset.config.base import Settings
from jointset.config.whole import Config
from jointset.errors import ConfigError, nearest


def load(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration file; ``overrides`` are ``dotted.key=value`` strings with YAML values.

    Raises :class:`~jointset.errors.ConfigError` with one line that names the file, the key and the mend. Relative
    dataset paths are resolved against the file's folder.
    """
    return resolve_paths(parse(read(path, overrides), str(path)), Path(path).parent)


def read(path: str | Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """What a configuration file says, with the overrides, as it stands there: nothing else is filled in or checked."""
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
    return data


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


def path_from(file: Path, folder: Path) -> str:
    """The path of a file for a configuration in ``folder``: relative where the file lies below that, else absolute.

    >>> path_from(Path("/data/a/b.csv"), Path("/data")), path_from(Path("/data/b.csv"), Path("/data/a"))
    ('a/b.csv', '/data/b.csv')
    """
    folder, file = folder.resolve(), file.resolve()
    return str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)


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
