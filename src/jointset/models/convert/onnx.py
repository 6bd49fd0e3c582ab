"""The joint model as one ONNX file, with what is needed to feed it beside it."""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from jointset.errors import MissingExtra, RunError
from jointset.models.convert.dense import PRESENT, Dense
from jointset.models.convert.readme import onnx_readme
from jointset.models.encoders.base import ENDS, ROWS
from jointset.models.inputs import prepare_table
from jointset.models.saved import SavedModel

if TYPE_CHECKING:
    import pyarrow as pa

OPSET = 18
SAMPLE = 5  # rows that the model is traced with
MODEL, DESCRIPTION = "model.onnx", "model.json"
Arrays = dict[str, NDArray[Any]]


def write(model: SavedModel, folder: str | Path, tables: Mapping[str, Any], *, name: str = "run") -> Path:
    """Write ``model.onnx``, ``model.json`` and ``README.md`` to a folder; returns its path.

    Parameters
    ----------
    model : of a finished run.
    folder : is made; files of these names are replaced.
    tables : by dataset, some of its rows as an Arrow table; a few of them are what the model is traced with.
    name : of the run, for the README.

    Raises :class:`MissingExtra` without onnx and onnxscript, and :class:`RunError`, one line, where the model cannot be
    exported.
    """
    _installed()
    folder = Path(folder)
    example = _example(model, tables)
    dense = Dense(model.network).eval()
    with torch.inference_mode():
        outputs = list(dense({k: torch.from_numpy(v) for k, v in example.items()}))
    shapes = {k: _shape(model, k, v) for k, v in example.items()}
    description = {
        "inputs": {k: {"type": str(v.dtype), "shape": shapes[k]} for k, v in example.items()},
        "outputs": outputs,
        "tasks": [asdict(t) for t in model.tasks],
        "datasets": {n: dict(c) for n, c in model.inputs.items()},
        "encoders": {
            m: {"name": e.name, "options": model.options[m], "state": model.states[m]}
            for m, e in model.encoders.items()
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    _export(model, dense, example, shapes, outputs, folder / MODEL)
    _any_size(folder / MODEL, shapes)
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(onnx_readme(model, description, name), encoding="utf-8")
    return folder


def feeds(
    model: SavedModel,
    folder: str | Path,
    table: pa.Table,
    *,
    dataset: str | None = None,
    root: Path | None = None,
) -> Arrays:
    """What the ONNX file in ``folder`` reads for the rows of a table, by the names of its inputs.

    A row that lacks a modality has zeros in its place, and its ``present`` is false. ``dataset`` says whose input
    columns the rows have, ``root`` where relative paths in them start.
    """
    described = json.loads((Path(folder) / DESCRIPTION).read_text(encoding="utf-8"))["inputs"]
    inputs, n = model.prepared(table, dataset, root), table.num_rows
    made: Arrays = {}
    for modality, encoder in model.encoders.items():
        if modality in inputs.arrays:
            tensors = encoder.batch(inputs.arrays[modality], np.arange(n))
            made |= {f"{modality}.{part}": x.numpy() for part, x in tensors.items()}
            made[f"{modality}.{PRESENT}"] = inputs.row[modality] >= 0
            continue
        for name in (k for k in described if k.partition(".")[0] == modality):
            sizes = [_size(s, n) for s in described[name]["shape"]]
            made[name] = np.zeros(sizes, described[name]["type"])
    return made


def _installed() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtra(error.name or "onnxscript", "onnx", "an ONNX file") from error


def _size(given: int | str, n: int) -> int:
    """The size of a dimension of placeholder arrays for ``n`` rows."""
    return {ROWS: n, ENDS: n + 1}.get(given, 1) if isinstance(given, str) else given


def _example(model: SavedModel, tables: Mapping[str, Any]) -> Arrays:
    """The inputs of a few rows that have every modality, put together from the datasets."""
    example: Arrays = {}
    for modality, encoder in model.encoders.items():
        if not encoder.axes:
            raise RunError(
                f"the {encoder.name} encoder of {modality} cannot be exported to ONNX: it names no axes"
            )
        for dataset, columns in model.inputs.items():
            if modality not in columns or dataset not in tables:
                continue
            names = columns[modality]
            part = tables[dataset].select([names] if isinstance(names, str) else list(names))
            part = part.filter(part.column(0).is_valid()).slice(0, SAMPLE)
            inputs = prepare_table({modality: part}, {modality: encoder}, {modality: model.states[modality]})
            rows = inputs.row[modality]
            rows = np.resize(rows[rows >= 0], SAMPLE) if (rows >= 0).any() else rows[:0]
            if len(rows):
                tensors = encoder.batch(inputs.arrays[modality], rows)
                example |= {f"{modality}.{p}": x.numpy() for p, x in tensors.items()}
                example[f"{modality}.{PRESENT}"] = np.ones(SAMPLE, bool)
                break
        else:
            raise RunError(f"no dataset has a readable row with {modality}, which the export is traced with")
    return example


def _shape(model: SavedModel, name: str, value: NDArray[Any]) -> list[int | str]:
    """Sizes of fixed dimensions, names of the others."""
    modality, _, part = name.partition(".")
    axes = {0: ROWS} if part == PRESENT else model.encoders[modality].axes[part]
    named = {i: a if a in (ROWS, ENDS) else f"{modality}_{a}" for i, a in axes.items()}
    return [named.get(i, size) for i, size in enumerate(value.shape)]


def _export(
    model: SavedModel,
    dense: Dense,
    example: Arrays,
    shapes: Mapping[str, list[int | str]],
    outputs: list[str],
    path: Path,
) -> None:
    dims: dict[str, Any] = {
        s: torch.export.Dim(s) for shape in shapes.values() for s in shape if isinstance(s, str) and s != ENDS
    }
    dims[ENDS] = dims[ROWS] + 1
    dynamic = {k: {i: dims[s] for i, s in enumerate(v) if isinstance(s, str)} for k, v in shapes.items()}
    try:
        with _quiet():
            torch.onnx.export(
                dense,
                (),
                str(path),
                kwargs={"feeds": {k: torch.from_numpy(v) for k, v in example.items()}},
                input_names=list(example),
                output_names=outputs,
                dynamic_shapes={"feeds": dynamic},
                opset_version=OPSET,
                external_data=False,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:
        with contextlib.suppress(OSError):  # somebody else's files are in it
            path.parent.rmdir()
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        reason = next((line for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
        used = ", ".join(f"{m} {e.name}" for m, e in model.encoders.items())
        raise RunError(
            f"{path}: this model ({model.sharing} sharing, {used}) cannot be exported to ONNX: {reason}; "
            "predict with jointset predict, or with run.model in Python"
        ) from error


def _any_size(path: Path, shapes: Mapping[str, list[int | str]]) -> None:
    """Raise, and take the file away, where the exporter tied the model to the number of rows it was traced with."""
    import onnx

    for given in onnx.load(str(path)).graph.input:
        for size, dim in zip(shapes[given.name], given.type.tensor_type.shape.dim, strict=True):
            if isinstance(size, str) and dim.HasField("dim_value"):
                path.unlink()
                raise RunError(
                    f"{path}: the exporter tied this model to {dim.dim_value} {size} of {given.name}, so that it would "
                    "read no other number; nothing was written: predict with jointset predict"
                )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's own news; it warns of its own code, and errors come as exceptions."""
    levels = {n: logging.getLogger(n).level for n in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", module=r"(torch|onnxscript|onnx_ir|onnx|copyreg|transformers)(\.|$)"
            )
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
