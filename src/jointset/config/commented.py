"""A configuration as YAML with comments: above its keys, and at the end of its sections."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

WIDTH = 110

Place = tuple[str, ...]
"""Where a comment stands: a section, or a section and one of its keys; ``()`` is the file."""


class _OneLine(yaml.SafeDumper):
    """Texts with line breaks are quoted so that the breaks are written as escapes."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """A text, in double quotes where it has a line break."""
        broken = len(data.splitlines()) > 1 or data.endswith(("\n", "\r"))
        return self.represent_scalar("tag:yaml.org,2002:str", data, style='"' if broken else None)


_OneLine.add_representer(str, _OneLine.represent_str)


def one_line(value: Any) -> str:
    """A value as YAML on one line.

    >>> one_line({"a": [1, "no"]}), one_line("x: y"), one_line(None)
    ("{a: [1, 'no']}", "'x: y'", 'null')
    >>> print(one_line(["two\\nlines"]))
    ["two\\nlines"]
    """
    text = yaml.dump(
        value,
        Dumper=_OneLine,
        default_flow_style=True,
        sort_keys=False,
        width=10_000_000,
        allow_unicode=True,
    )
    return str(text).strip().removesuffix("...").strip()


def block(settings: Mapping[Any, Any]) -> list[str]:
    """A mapping as lines of YAML; what has no further collections in it takes one line.

    >>> block({"a": {"kind": "binary", "labels": {"x": "y"}}})
    ['a:', '  kind: binary', '  labels: {x: y}']
    """
    lines = []
    for key, value in settings.items():
        inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
        if not any(isinstance(v, (Mapping, list)) for v in inside):
            lines.append(f"{one_line(key)}: {one_line(value)}")
        else:
            rest = block(value) if isinstance(value, Mapping) else [f"- {one_line(v)}" for v in value]
            lines += [f"{one_line(key)}:", *_indented(rest)]
    return lines


def said(text: str) -> list[str]:
    """A sentence as lines of comment.

    >>> said("once   upon")
    ['# once upon']
    """
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), WIDTH)]


def switched_off(value: Mapping[Any, Any]) -> list[str]:
    """YAML that is there to be uncommented.

    >>> switched_off({"a": 1})
    ['# a: 1']
    """
    return [f"# {line}" for line in block(value)]


def commented(
    settings: Mapping[str, Any],
    above: Mapping[Place, Sequence[str]],
    below: Mapping[Place, Sequence[str]],
) -> str:
    """The settings as YAML, with lines of comment ``above`` keys and ``below`` the last one of a section.

    >>> print(commented({"seed": 0, "tasks": {"a": 1}}, {("seed",): ["# luck"]}, {("tasks",): ["# b: 2"]}), end="")
    # luck
    seed: 0
    tasks:
      a: 1
      # b: 2
    """
    lines = list(above.get((), ()))
    for section, value in settings.items():
        lines += above.get((section,), ())
        inside = any(place[:1] == (section,) and len(place) == 2 for place in above) or (section,) in below
        if not (isinstance(value, Mapping) and value and inside):
            lines += block({section: value})
            continue
        lines.append(f"{one_line(section)}:")
        for key, entry in value.items():
            lines += _indented([*above.get((section, key), ()), *block({key: entry})])
        lines += _indented(below.get((section,), ()))
    return "\n".join([*lines, *below.get((), ()), ""])


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
