"""From a dataset and a plan to the site of every row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from jointset.data import Pool, sites
from jointset.data.names import numbered
from jointset.data.sites.clusters import standardised
from jointset.errors import DataError
from jointset.records import Floats, Ints, name_of
from jointset.study.plan import STRENGTH, Plan
from jointset.survey.inputs import PoolInputs, columns_of
from jointset.tasks.classes import read_values

QUANTILES = 5  # parts that the values of a regression are cut into
MANY = 30


def assign(plan: Plan, pool: Pool, label: Ints | None, inputs: PoolInputs) -> tuple[Ints, list[str]]:
    """The site of every row, ``(n,)``, and the names of the sites."""
    method: Any = sites.METHODS[plan.method]
    options: dict[str, Any] = {"least": plan.least}
    if plan.together or plan.group is not None:
        options["component"] = pool.component
    if plan.by is not None and plan.method == "by":
        codes, names = site_values(pool.datasets[0].table.column(plan.by), plan.by)
        try:
            return method(codes, names=names, **options), names
        except DataError as error:
            raise DataError(f"site column {plan.by!r}: {error}") from None
    if plan.strength is not None and plan.method != "noise":
        whole = STRENGTH[plan.method] == "each"
        options[STRENGTH[plan.method]] = int(plan.strength) if whole else plan.strength
    options["seed"] = plan.seed
    first: Any = len(pool)
    if plan.method == "clusters":
        first = features(plan, pool, inputs)
    elif (
        label is not None
        and plan.label is not None
        and plan.method in ("dirichlet", "mixture", "shards", "classes")
    ):
        first = label
    width = len(str(plan.sites))
    return method(first, plan.sites, **options), [f"site_{j + 1:0{width}d}" for j in range(plan.sites)]


def site_values(column: pa.ChunkedArray, name: str) -> tuple[Ints, list[str]]:
    """Codes ``(n,)`` of a column's values, -1 = missing, and their names as names of datasets."""
    values = read_values(column, f"column {name!r}")
    order = np.argsort(np.array(values.names, str), kind="stable")
    if all(v.lstrip("-").isdigit() for v in values.names):
        order = np.argsort(np.array([int(v) for v in values.names]), kind="stable")
    rank = np.empty(len(order) + 1, np.int64)
    rank[order], rank[-1] = np.arange(len(order)), -1
    names: list[str] = []
    for i in order:
        names.append(numbered(clean(values.names[i], name), names))
    return rank[values.codes], names


def clean(value: str, prefix: str) -> str:
    """A value as the name of a dataset and of its file.

    >>> clean("New York/NJ", "state"), clean("7", "writer")
    ('New_York_NJ', 'writer_7')
    """
    kept = "".join(c if c.isalnum() or c in "-." else "_" for c in value.strip())
    while "__" in kept:
        kept = kept.replace("__", "_")
    kept = kept.strip("._") or "site"
    return f"{clean(prefix, 'site')}_{kept}" if kept[0].isdigit() else kept


def label_codes(column: pa.ChunkedArray, kind: str, name: str) -> tuple[Ints, list[str]]:
    """Class codes ``(n,)``, -1 = unknown, and class names; the values of a regression are cut at their quintiles."""
    where = f"label column {name!r}"
    if kind == "multilabel":
        raise DataError(f"{where} holds several labels a row; sites are skewed by a column of one class each")
    if kind == "regression":
        value = columns_of(pa.table({"y": column}))["y"]
        if value.dtype.kind != "f":
            raise DataError(f"{where} is no number, and the task is a regression; say its kind")
        known = np.isfinite(value)
        cuts: Floats = np.empty(0)
        if known.any():
            cuts = np.unique(np.quantile(value[known], np.arange(1, QUANTILES) / QUANTILES))
        codes = np.where(known, np.searchsorted(cuts, value, side="left"), -1)
        return codes, [f"≤ {c:g}" for c in cuts] + ([f"> {cuts[-1]:g}"] if len(cuts) else [])
    values = read_values(column, where)
    names = [name_of(v) for v in values.names]
    try:
        order = sorted(range(len(names)), key=lambda i: float(names[i]))
    except ValueError:
        order = sorted(range(len(names)), key=lambda i: names[i])
    rank = np.full(len(names) + 1, -1, np.int64)
    rank[order] = np.arange(len(names))
    return rank[values.codes], [names[i] for i in order]


def numeric_columns(pool: Pool) -> Mapping[str, Floats]:
    """The numeric input columns by name."""
    dataset = pool.datasets[0]
    if "tabular" not in dataset.inputs:
        return {}
    found = columns_of(dataset.input_table("tabular"))
    return {n: c for n, c in found.items() if c.dtype.kind == "f"}


def features(plan: Plan, pool: Pool, inputs: PoolInputs) -> Floats:
    """What is clustered, ``(n, d)``: the plan's columns, numbers standardised and values of categories as 0 and 1, or
    the embedding of all inputs."""
    if not plan.columns:
        return np.asarray(inputs.embedding, np.float64)
    parts: list[Floats] = []
    for name, column in columns_of(pool.datasets[0].table.select(list(plan.columns))).items():
        if column.dtype.kind == "f":
            parts.append(standardised(column[:, None]))
            continue
        values, codes = np.unique(np.array([str(v) for v in column.tolist()]), return_inverse=True)
        if len(values) > MANY:
            raise DataError(
                f"column {name!r} has {len(values):,} different values; clusters need numbers or at most {MANY} values"
            )
        parts.append((codes[:, None] == np.arange(len(values))).astype(np.float64))
    return np.concatenate(parts, 1)
