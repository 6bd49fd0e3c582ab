"""A joint model on disk, ready to predict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from jointset.errors import DataError, RunError, nearest
from jointset.models.describe import render, summary
from jointset.models.encoders import make_encoders
from jointset.models.grouped import build_model
from jointset.models.inputs import Inputs, prepare_table
from jointset.records import Floats, Task
from jointset.tasks import KINDS, LabelOptions, LabelSource

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

BATCH = 1024


class SavedModel:
    """The joint model of a finished run; :meth:`predict` takes new rows with the inputs of any of its datasets."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "model.safetensors").is_file() or not (folder / "config.json").is_file():
            raise RunError(f"{folder}: no model here; it is written at the end of jointset run")
        from safetensors.torch import load_file

        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.tasks = tuple(
            Task(
                **{
                    **t,
                    "classes": tuple(t["classes"]),
                    "scale": tuple(t["scale"]),
                    "notes": tuple(t["notes"]),
                }
            )
            for t in config["tasks"]
        )
        self.sharing: str = config["plan"]["sharing"]
        self.inputs: Mapping[str, Mapping[str, Any]] = config["inputs"]
        self.labels: Mapping[str, Mapping[str, Any]] = config["labels"]
        self.encoders = make_encoders({m: (e["name"], e["options"]) for m, e in config["encoders"].items()})
        self.options = {m: e["options"] for m, e in config["encoders"].items()}
        self.states = {m: e["state"] for m, e in config["encoders"].items()}
        with torch.random.fork_rng(devices=[]):
            self.network = build_model(self.tasks, self.encoders, self.states, **config["plan"])
        self.network.load_state_dict(load_file(folder / "model.safetensors"))
        self.network.eval()

    def outputs(
        self,
        table: pa.Table,
        *,
        dataset: str | None = None,
        root: Path | None = None,
        known: Mapping[str, NDArray[Any]] | None = None,
    ) -> dict[str, Floats]:
        """Outputs by task, ``(n, K)``, in the form of :mod:`jointset.records`.

        ``dataset`` says whose input columns the rows have; by default the first dataset all of whose columns are
        there. ``known`` are labels by task that joint inference may read for the other tasks; see :meth:`known`.
        Raises :class:`DataError` when no dataset fits.
        """
        return self.judged(table, dataset=dataset, root=root, known=known)[0]

    @property
    def joint(self) -> bool:
        """Whether tasks read a row's labels of other tasks."""
        return self.network.others is not None

    def known(self, table: pa.Table, *, dataset: str | None = None) -> dict[str, NDArray[Any]]:
        """The labels that the rows carry in the label columns of the dataset, by task; none without joint inference."""
        name = self._dataset(table, dataset)
        found: dict[str, NDArray[Any]] = {}
        for task in self.tasks if self.joint else ():
            source = self.labels[task.name].get(name)
            if source is None or any(c not in table.column_names for c in source["columns"]):
                continue
            columns = {c: table.column(c) for c in source["columns"]}
            labels = LabelSource(name, columns, source["map"], tuple(source["missing"]))
            found[task.name] = KINDS[task.kind].read(
                task, labels, LabelOptions(separator=source["separator"])
            )
        return found

    def judged(
        self,
        table: pa.Table,
        *,
        dataset: str | None = None,
        root: Path | None = None,
        known: Mapping[str, NDArray[Any]] | None = None,
    ) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """As :meth:`outputs`, and beside them what predictions are read off, in the same form."""
        inputs = self.prepared(table, dataset, root)
        n = table.num_rows
        outputs = {t.name: np.empty((n, t.n_outputs), np.float32) for t in self.tasks}
        decisions = {t.name: np.empty((n, t.n_outputs), np.float32) for t in self.tasks}
        with torch.inference_mode():
            for start in range(0, n, BATCH):
                index = np.arange(start, min(start + BATCH, n))
                logits, _ = self.network(inputs.batch(index), len(index))
                here = {t: torch.from_numpy(y[index]) for t, y in (known or {}).items()}
                logits = self.network.informed(logits, here)
                for task, head in self.network.headed():
                    kind, z = KINDS[task.kind], logits[task.name]
                    outputs[task.name][index] = kind.outputs(task, z, head.seen).numpy()
                    decisions[task.name][index] = kind.decisions(task, z, head.seen).numpy()
        return outputs, decisions

    def predict(
        self, frame: pd.DataFrame, *, dataset: str | None = None, ignore_labels: bool = False
    ) -> pd.DataFrame:
        """Predictions for a frame: per task ``T`` the label name or number, and ``T__confidence`` for classes.

        With joint inference, labels in the frame are read for the other tasks, unless ``ignore_labels``.
        """
        import pyarrow as pa

        table = pa.Table.from_pandas(frame, preserve_index=False)
        known = None if ignore_labels else self.known(table, dataset=dataset)
        return self.predict_table(table, dataset=dataset, known=known).to_pandas()

    def predict_table(
        self,
        table: pa.Table,
        *,
        dataset: str | None = None,
        root: Path | None = None,
        known: Mapping[str, NDArray[Any]] | None = None,
    ) -> pa.Table:
        """As :meth:`predict`, Arrow in and out; labels are read from ``known`` only."""
        import pyarrow as pa

        columns: dict[str, Any] = {}
        outputs, decisions = self.judged(table, dataset=dataset, root=root, known=known)
        for task in self.tasks:
            p, decided = outputs[task.name], decisions[task.name]
            if task.kind == "regression":
                columns[task.name] = p[:, 0].astype(np.float64)
            elif task.kind == "multilabel":
                on = decided >= 0.5
                columns[task.name] = [[c for c, o in zip(task.classes, row, strict=True) if o] for row in on]
                columns[f"{task.name}__confidence"] = np.where(on, p, 1 - p).min(1)
            else:
                named = decided.argmax(1)
                columns[task.name] = np.array(task.classes, object)[named]
                columns[f"{task.name}__confidence"] = p[np.arange(len(p)), named]
        return pa.table(columns)

    def describe(self) -> str:
        """Who shares what, and how many parameters that takes."""
        return render(summary(self.network, self.sharing), [t.name for t in self.tasks])

    def __repr__(self) -> str:
        return self.describe()

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.describe())}</pre>"

    def prepared(self, table: pa.Table, dataset: str | None = None, root: Path | None = None) -> Inputs:
        """The rows as the encoders read them."""
        columns = self._columns(table, dataset)
        tables = {}
        for modality, names in columns.items():
            part = table.select(names)
            if root is not None:
                part = part.replace_schema_metadata({"jointset.root": str(root)})
            tables[modality] = part
        return prepare_table(tables, self.encoders, self.states)

    def _columns(self, table: pa.Table, dataset: str | None) -> dict[str, list[str]]:
        return self._columns_of(self._dataset(table, dataset))

    def _columns_of(self, dataset: str) -> dict[str, list[str]]:
        return {m: ([c] if isinstance(c, str) else list(c)) for m, c in self.inputs[dataset].items()}

    def _dataset(self, table: pa.Table, dataset: str | None) -> str:
        """The dataset whose input columns the rows have."""
        if dataset is not None and dataset not in self.inputs:
            raise DataError(
                f"the model knows no dataset {dataset!r}{nearest(dataset, self.inputs)}; "
                f"one of {', '.join(self.inputs)}"
            )
        for name in [dataset] if dataset else self.inputs:
            wanted = self._columns_of(str(name))
            if all(c in table.column_names for cs in wanted.values() for c in cs):
                return str(name)
        first = str(dataset or next(iter(self.inputs)))
        names = [c for cs in self._columns_of(first).values() for c in cs]
        missing = next(c for c in names if c not in table.column_names)
        raise DataError(
            f"input column {missing!r} is missing{nearest(missing, table.column_names)}; "
            f"dataset {first!r} was trained on {', '.join(map(repr, names[:10]))}"
        )
