"""Croissant metadata of a Parquet export: what every file and every column holds, as JSON-LD.

Format: Croissant 1.0 of MLCommons (Akhtar et al. 2024), https://docs.mlcommons.org/croissant/docs/croissant-spec.html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jointset.export.card import Entry
from jointset.export.folder import safe_names
from jointset.export.formats import file_sha256
from jointset.records import Task

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "croissant.json"
_CR = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format",
    "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    **{name: f"cr:{name}" for name in _CR},
}
MEANING = {
    "": "final label; null = unknown",
    "__given": "label as the data said; null = none given",
    "__source": "given, relabelled, filled, reviewed or augmented",
    "__quality": "of the given label: 0 = surely wrong, 1 = surely right",
    "__suggested": "label that the audit suggests",
    "__confidence": "of the suggestion, in [0, 1]",
    "__weight": "of the final label in training",
}
OWN = {
    "jointset_row": "stable id of the row",
    "jointset_keep": "false = dropped, to be left out of training",
}


def write(folder: Path, name: str, entries: Sequence[Entry], tasks: Sequence[Task]) -> None:
    """Write ``croissant.json`` beside the Parquet files of an export: one record set per file, hashes, column types.

    Columns of types that Croissant has no name for are left out.
    """
    import pyarrow.parquet as pq

    schemas = [pq.read_schema(folder / e.path) for e in entries]
    found = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": "Datasets whose labels were audited and repaired together, given labels beside final ones.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "distribution": [_file(folder, e) for e in entries],
        "recordSet": [_record_set(e, s, tasks) for e, s in zip(entries, schemas, strict=True)],
    }
    text = json.dumps(found, indent=1, ensure_ascii=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def _file(folder: Path, entry: Entry) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": f"file/{entry.config}",
        "name": entry.path,
        "contentUrl": quote(entry.path),
        "contentSize": f"{(folder / entry.path).stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": file_sha256(folder / entry.path),
    }


def _record_set(entry: Entry, schema: pa.Schema, tasks: Sequence[Task]) -> dict[str, Any]:
    fields = [_field(entry, f, i, tasks) for f, i in zip(schema, safe_names(schema.names), strict=True)]
    return {
        "@type": "cr:RecordSet",
        "@id": entry.config,
        "name": entry.config,
        "description": f"{entry.what}, {entry.rows:,} rows",
        "field": [f for f in fields if f],
    }


def _field(entry: Entry, field: pa.Field, id: str, tasks: Sequence[Task]) -> dict[str, Any] | None:
    import pyarrow as pa

    kind, repeated = field.type, False
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind, repeated = kind.value_type, True
    transform: dict[str, Any] = {}
    medium = entry.media.get(field.name)
    if medium and not repeated and (_is_bytes(kind) or pa.types.is_struct(kind)):
        data_type: str | None = {"image": "sc:ImageObject", "audio": "sc:AudioObject"}[medium]
        transform = {"transform": {"jsonPath": "bytes"}} if pa.types.is_struct(kind) else {}
    else:
        data_type = _data_type(kind)
    if data_type is None:
        return None
    found = {
        "@type": "cr:Field",
        "@id": f"{entry.config}/{id}",
        "name": field.name,
        "description": _meaning(field.name, tasks),
        "dataType": data_type,
        "source": {
            "fileObject": {"@id": f"file/{entry.config}"},
            "extract": {"column": field.name},
            **transform,
        },
    }
    return found | ({"repeated": True} if repeated else {})


def _data_type(kind: pa.DataType) -> str | None:
    import pyarrow as pa

    is_ = pa.types
    tests = (
        (is_.is_boolean, "sc:Boolean"),
        (is_.is_integer, "sc:Integer"),
        (is_.is_floating, "sc:Float"),
        (is_.is_date, "sc:Date"),
        (is_.is_timestamp, "sc:DateTime"),
        (is_.is_string, "sc:Text"),
        (is_.is_large_string, "sc:Text"),
    )
    return next((name for test, name in tests if test(kind)), None)


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _meaning(column: str, tasks: Sequence[Task]) -> str:
    names: Mapping[str, str] = {
        t.name + part: f"{t.name}: {text}" for t in tasks for part, text in MEANING.items()
    }
    return names.get(column) or OWN.get(column) or f"column {column} of the data"
