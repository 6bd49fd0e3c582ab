"""The dataset card: what is in an export, in words and in the metadata that Hugging Face reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from jointset.export.columns import KEEP, has_task
from jointset.records import Task

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Entry:
    """One file of the export: its configuration's name, its path in the folder, and what it holds.

    ``media`` maps its columns of images or sounds to ``image`` or ``audio``.
    """

    config: str
    path: str
    what: str
    rows: int
    features: tuple[dict[str, Any], ...] = ()
    media: Mapping[str, str] = field(default_factory=dict)


def card(name: str, entries: Sequence[Entry], tables: Mapping[str, pa.Table], tasks: Sequence[Task]) -> str:
    """The text of ``README.md``: metadata with one configuration per file, statistics, how to read it,
    limits.

    ``tables`` are the export tables by dataset. The first configuration is the default one.

    >>> entry = Entry("reviews", "reviews.parquet", "dataset reviews", 3)
    >>> print(card("demo", [entry], {}, []).splitlines()[1])
    pretty_name: demo
    """
    configs: list[dict[str, Any]] = [
        {"config_name": e.config, "data_files": [{"split": "train", "path": e.path}]} for e in entries
    ]
    for config, entry in zip(configs, entries, strict=True):
        if entry.path.endswith(".csv"):  # else a label called "NA" or "None" is read as a missing one
            config.update(keep_default_na=False, na_values=[""])
    if configs:
        configs[0]["default"] = True
    head: dict[str, Any] = {
        "pretty_name": name,
        "license": "unknown",
        "tags": ["jointset", "multi-task"],
        "configs": configs,
    }
    infos = [{"config_name": e.config, "features": list(e.features)} for e in entries if e.features]
    if infos:
        head["dataset_info"] = infos
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    sections = [f"---\n{front}---", f"# {name}", _INTRODUCTION, _files(entries), _tasks(tasks)]
    sections += [_statistics(tables, tasks), _COLUMNS, _limits(tables, tasks)]
    return "\n\n".join(s for s in sections if s) + "\n"


def features(
    schema: pa.Schema, classes: Mapping[str, Sequence[str]], media: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], ...]:
    """Hugging Face's features of a table, with class names where given; () when a type has no plain name
    there.

    ``media`` maps columns to ``image`` or ``audio``: those that hold encoded bytes become that feature. Paths stay
    text, as they are relative to the folder of the source, which a reader of the export may not have.

    >>> import pyarrow as pa
    >>> features(pa.schema([("label", pa.string())]), {"label": ["no", "yes"]})
    ({'name': 'label', 'dtype': {'class_label': {'names': {'0': 'no', '1': 'yes'}}}},)
    """
    found = []
    for one in schema:
        feature = _media(one, media or {}) or _feature(one.type, classes.get(one.name))
        if feature is None:
            return ()
        found.append({"name": one.name, **feature})
    return tuple(found)


def _media(field: pa.Field, media: Mapping[str, str]) -> dict[str, Any] | None:
    import pyarrow as pa

    kind = field.type
    if pa.types.is_struct(kind):
        names = [kind.field(i).name for i in range(kind.num_fields)]
        encoded = sorted(names) == ["bytes", "path"]
    else:
        encoded = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return {"dtype": media[field.name]} if encoded and field.name in media else None


def _feature(kind: pa.DataType, classes: Sequence[str] | None) -> dict[str, Any] | None:
    import pyarrow as pa

    if pa.types.is_list(kind):
        inner = _feature(kind.value_type, classes)
        if inner is None or set(inner) != {"dtype"}:
            return None
        return {"sequence": inner["dtype"]}
    if classes:
        return {"dtype": {"class_label": {"names": {str(i): c for i, c in enumerate(classes)}}}}
    names = {"double": "float64", "float": "float32", "halffloat": "float16", "date32[day]": "date32"}
    name = names.get(str(kind), str(kind))
    plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    plain = plain or pa.types.is_timestamp(kind) or pa.types.is_date32(kind)
    return {"dtype": name} if plain or name in ("string", "large_string", "binary", "large_binary") else None


_INTRODUCTION = """\
Datasets whose labels were audited and repaired together by [jointset](https://pypi.org/project/jointset):
one model was trained on all tasks, its cross-fitted predictions found labels that are probably wrong or
missing, and only changes that did not harm held-out rows were kept. Given labels stand beside final ones."""

_COLUMNS = """\
## Columns

For every task `T`: `T` (final label, null = unknown), `T__given` (as the data said), `T__source` (given,
relabelled, filled, reviewed, augmented), `T__quality` (of the given label, 0 = surely wrong, 1 = surely
right), `T__suggested`, `T__confidence` (of the suggestion) and `T__weight`; for every row `jointset_row` (a
stable id) and `jointset_keep` (false = dropped, leave it out of training). The files of single tasks hold
kept rows with a label only."""


def _files(entries: Sequence[Entry]) -> str:
    rows = [f"| `{e.config}` | `{e.path}` | {e.what} | {e.rows:,} |" for e in entries]
    table = ["| configuration | file | holds | rows |", "|---|---|---|---:|", *rows]
    return "\n".join(["## Files", "", *table])


def _tasks(tasks: Sequence[Task]) -> str:
    rows = []
    for t in tasks:
        shown = ", ".join(t.classes[:12]) + (f", … ({len(t.classes)} in all)" if len(t.classes) > 12 else "")
        rows.append(f"| {_cell(t.name)} | {t.kind} | {_cell(shown or t.unit or 'number')} |")
    return (
        "\n".join(["## Tasks", "", "| task | kind | classes or unit |", "|---|---|---|", *rows])
        if rows
        else ""
    )


def _statistics(tables: Mapping[str, pa.Table], tasks: Sequence[Task]) -> str:
    rows = []
    for dataset, table in tables.items():
        for t in tasks:
            if has_task(table, t.name):
                n = statistics(table, t.name)
                figures = " | ".join(
                    f"{n[k]:,}" for k in ("given", "relabelled", "filled", "reviewed", "dropped")
                )
                rows.append(f"| {_cell(dataset)} | {_cell(t.name)} | {figures} | {n['labelled']:,} |")
    head = [
        "| dataset | task | given | relabelled | filled | reviewed | dropped | final |",
        "|---|---|" + "---:|" * 6,
    ]
    note = "`dropped`: labelled rows that `jointset_keep` leaves out; `final`: labels that are left."
    return "\n".join(["## Statistics", "", *head, *rows, "", note]) if rows else ""


def statistics(table: pa.Table, task: str) -> dict[str, int]:
    """Counts of a task's labels in an export table; ``labelled`` are the final ones of rows that are kept."""
    import pyarrow.compute as pc

    source, keep = table.column(f"{task}__source"), table.column(KEEP)
    labelled = pc.is_valid(table.column(task))
    count = {
        name: pc.sum(pc.fill_null(pc.equal(source, name), False)).as_py() or 0
        for name in ("relabelled", "filled", "reviewed")
    }
    count["given"] = pc.sum(pc.is_valid(table.column(f"{task}__given"))).as_py() or 0
    count["dropped"] = pc.sum(pc.and_(labelled, pc.invert(keep))).as_py() or 0
    count["labelled"] = pc.sum(pc.and_(labelled, keep)).as_py() or 0
    return count


def _limits(tables: Mapping[str, pa.Table], tasks: Sequence[Task]) -> str:
    limits = [
        "Relabelled and filled labels are a model's, not a person's; `T__confidence` says how sure it was. "
        "Train on them, but judge models on given or reviewed labels.",
        "Quality and confidence are estimates, calibrated on this data only.",
        "The licence of the sources was not recorded: ask their owners before passing this on.",
    ]
    if any(t.kind == "multilabel" for t in tasks):
        limits.append(
            "A multilabel row lists the labels that hold; entries that are unknown are not told apart."
        )
    return "\n".join(["## Limits", "", *(f"- {line}" for line in limits)])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
