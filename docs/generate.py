"""Writes the pages under ``docs/reference`` out of the code: ``python docs/generate.py``.

The configuration comes from the settings' fields, the audit's codes from their table, the commands from the command
line itself. ``tests/test_reference.py`` fails when a page is not what the code says now.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from jointset.audit.codes import CODES
from jointset.cli.main import app
from jointset.config.base import Settings
from jointset.config.whole import Config

FOLDER = Path(__file__).parent / "reference"
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "any value"}
BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
GUIDES = {
    "model.sharing": "../sharing.md",
    "model.joint_inference": "../joint-inference.md",
    "training.weighting": "../weighting.md",
    "training.weighting (a search)": "../weight-search.md",
    "tasks.T.loss": "../balance.md",
    "tasks.T.sampling": "../balance.md",
    "augment": "../augmentation.md",
    "model.audio": "../modalities.md",
}


def sections(
    model: type[Settings] = Config, at: str = ""
) -> Iterator[tuple[str, type[Settings], dict[str, FieldInfo]]]:
    """Every group of keys: its dotted name, its settings and its fields; a group that stands in two places, twice."""
    yield at, model, dict(model.model_fields)
    for name, info in model.model_fields.items():
        for inner, step in _settings_in(info.annotation):
            below = f"{at}.{name}".lstrip(".") + step
            yield from sections(inner, below + (" (a search)" if below == "training.weighting" else ""))


def _settings_in(annotation: Any, step: str = "") -> Iterator[tuple[type[Settings], str]]:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation, step
    elif get_origin(annotation) is dict:
        yield from _settings_in(get_args(annotation)[1], step + ".…")
    elif get_origin(annotation) in (Union, types.UnionType):
        for form in get_args(annotation):
            yield from _settings_in(form, step)


def kind_of(annotation: Any) -> str:
    """A type in words."""
    if annotation in WORDS:
        return WORDS[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{a}`" for a in args)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(kind_of(a) for a in args if a is not type(None)))
    if origin is list:
        inner = kind_of(args[0])
        return f"list of {inner}"
    if origin is dict:
        return "mapping"
    return "group"


def bounds_of(info: FieldInfo) -> str:
    """The range of a number."""
    found = [
        f"{sign} {getattr(rule, word):g}"
        for rule in info.metadata
        for word, sign in BOUNDS.items()
        if getattr(rule, word, None) is not None
    ]
    return ", ".join(found)


def default_of(info: FieldInfo) -> str:
    """The default as YAML would have it."""
    if info.is_required():
        return "**needed**"
    value = info.default
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, Settings):
        return "see below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def row(*cells: str) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def configuration() -> str:
    """The page of the configuration."""
    lines = [
        "# Configuration",
        "",
        "Every key of `jointset.yaml`, made from the settings themselves. `--set KEY=VALUE` changes any of them on",
        "the command line (`--set improve.rounds=3`). An unknown key is an error that names the nearest one. `D` is",
        "a dataset's name, `T` a task's. What encoders, ways of sharing and weightings take stands in",
        "[Options of methods](options.md).",
    ]
    seen: dict[str, list[str]] = {}
    for at, model, _ in sections():
        seen.setdefault(model.__name__, []).append(_named(at))
    done = set()
    for _, model, fields in sections():
        if model.__name__ in done:
            continue
        done.add(model.__name__)
        places = seen[model.__name__]
        title = ", ".join(f"`{p}`" for p in places) if places != [""] else "At the top"
        text = (model.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
        text = " ".join(text.split()).replace("``", "`")
        guides = sorted({f"[{GUIDES[p].removeprefix('../')}]({GUIDES[p]})" for p in places if p in GUIDES})
        lines += ["", f"## {title}", "", text + (f" More in {', '.join(guides)}." if guides else "")]
        lines += ["", row("key", "type", "range", "default", "meaning"), row(*["---"] * 5)]
        for name, info in fields.items():
            lines.append(
                row(
                    f"`{name}`",
                    kind_of(info.annotation),
                    bounds_of(info),
                    default_of(info),
                    info.description or "",
                )
            )
    return "\n".join(lines) + "\n"


def _named(at: str) -> str:
    return (
        at.replace("datasets.…", "datasets.D")
        .replace("augment.tasks.…", "augment.tasks.T")
        .replace("tasks.…", "tasks.T")
    )


def options() -> str:
    """The page of what encoders, ways of sharing and weightings take, out of their constructors and docstrings."""
    from jointset.models.encoders import ENCODERS
    from jointset.models.sharing import SHARINGS
    from jointset.models.sharing.options import COMMON
    from jointset.weighting import WEIGHTINGS

    lines = [
        "# Options of methods",
        "",
        "What stands beside the name of an encoder, a way of sharing or a weighting in the configuration, made from",
        "their constructors. [Sharing](../sharing.md), [The weighting alone](../weighting.md) and",
        "[Balance](../balance.md) (for losses) say when to take which.",
    ]
    for modality, table in ENCODERS.items():
        lines += ["", f"## `model.{modality}`"]
        for i, (name, made) in enumerate(table.items()):
            lines += [
                "",
                f"### {modality}: `{name}`{' (the default)' if i == 0 else ''}",
                "",
                first_line(made),
                "",
            ]
            lines += option_table(made)
    lines += ["", "## `model.sharing`"]
    for name, made in SHARINGS.items():
        lines += [
            "",
            f"### sharing: `{name}`",
            "",
            first_line(made),
            *option_table(made, COMMON, before=[""]),
        ]
    lines += [
        "",
        "## `training.weighting`",
        "",
        row("method", "what it is", "options"),
        row("---", "---", "---"),
    ]
    for name, made in WEIGHTINGS.items():
        given = [
            f"`{n}` ({_value(p.default)})"
            for n, p in inspect.signature(made).parameters.items()
            if n != "self"
        ]
        lines.append(row(f"`{name}`", first_line(made), ", ".join(given)))
    return "\n".join(lines) + "\n"


def first_line(made: type) -> str:
    """The first sentence of a docstring, in Markdown."""
    return _markdown((inspect.getdoc(made) or "").split("\n\n")[0])


def option_table(made: type, without: Sequence[str] = (), before: Sequence[str] = ()) -> list[str]:
    """The keywords of a constructor, each with its default and what the docstring says of it; none without any."""
    told = parameters_of(made)
    named = [(n, p) for n, p in inspect.signature(made).parameters.items() if n not in without]
    if not named:
        return []
    lines = [*before, row("option", "default", "meaning"), row("---", "---", "---")]
    return lines + [row(f"`{n}`", _value(p.default), told.get(n, "")) for n, p in named]


def parameters_of(made: type) -> dict[str, str]:
    """What a docstring says of each parameter under ``Parameters``; ``a, b : …`` is about both."""
    text = (inspect.getdoc(made) or "").partition("Parameters\n----------\n")[2].split("\n\n")[0]
    found: dict[str, str] = {}
    names: list[str] = []
    for line in text.splitlines():
        head, colon, rest = line.partition(" : ")
        if colon and not line.startswith(" "):
            names = [n.strip() for n in head.split(",")]
            found |= dict.fromkeys(names, rest)
        else:
            found |= {n: f"{found[n]} {line.strip()}" for n in names}
    return {n: _markdown(told) for n, told in found.items()}


def _markdown(text: str) -> str:
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text.replace("``", "`"))
    return " ".join(text.split())


def _value(default: Any) -> str:
    if default is inspect.Parameter.empty:
        return "**needed**"
    return "–" if default is None else f"`{list(default) if isinstance(default, tuple) else default}`"


def audit_codes() -> str:
    """The page of the audit's codes."""
    lines = [
        "# Audit codes",
        "",
        "Every code that an issue or a finding can carry, made from `jointset.audit.codes`. A finding also has a",
        "score in [0, 1] (0 = surely bad), a row or a subject (a class, a column, a pair of datasets), and evidence.",
        "[What is wrong with the data](../data-problems.md) is the guide to the checks, and",
        "[The audit alone](../audit.md) to label errors.",
    ]
    subjects: dict[str, list[str]] = {}
    for name, entry in CODES.items():
        subjects.setdefault(entry.subject, []).append(name)
    for subject, names in subjects.items():
        lines += [
            "",
            f"## {subject}",
            "",
            row("code", "what it means", "how it is found", "what to do"),
            row(*["---"] * 4),
        ]
        lines += [row(f"`{n}`", CODES[n].what, CODES[n].how, CODES[n].todo) for n in names]
    return "\n".join(lines) + "\n"


def command_line() -> str:
    """The page of the command line."""
    group = typer.main.get_command(app)
    lines = [
        "# Command line",
        "",
        "Made from the commands themselves; `jointset COMMAND --help` says the same. Exit codes: 0 fine, 1 finished",
        "but something was found or refused, 2 a mistake of yours (one line says which), 3 ours.",
        "",
        "`jointset --version` prints the version. `jointset --install-completion` teaches your shell (bash, zsh, fish,",
        "PowerShell) to complete commands and options with Tab; `--show-completion` prints what it would install.",
    ]
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
        usage = " ".join(
            [f"jointset {name}", *(_argument(p) for p in arguments), *(["[OPTIONS]"] if options else [])]
        )
        lines += ["", f"## {name}", "", "```", usage, "```", "", " ".join((command.help or "").split())]
        if arguments or options:
            lines += ["", row("", "default", "meaning"), row("---", "---", "---")]
        lines += [row(f"`{_argument(p)}`", _shown(p), p.help or "") for p in arguments]
        lines += [row(f"`{_option(p)}`", _shown(p), p.help or "") for p in options]
    return "\n".join(lines) + "\n"


def _argument(param: Any) -> str:
    name = param.name.upper() + ("…" if param.nargs == -1 else "")
    return name if param.required else f"[{name}]"


def _option(param: Any) -> str:
    names = "/".join([*param.opts, *param.secondary_opts])
    return names if param.is_flag else f"{names} {param.metavar or param.opts[0].lstrip('-').upper()}"


def _shown(param: Any) -> str:
    value = param.default
    if (
        param.required
        or value is None
        or value == ""
        or callable(value)
        or repr(value).startswith("Sentinel")
    ):
        return "–"
    if getattr(param, "is_flag", False):
        return f"`{param.opts[0]}`" if value and param.secondary_opts else "off" if not value else "on"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


PAGES = {
    "configuration.md": configuration,
    "options.md": options,
    "audit-codes.md": audit_codes,
    "command-line.md": command_line,
}


def main() -> None:
    """Write every page."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
