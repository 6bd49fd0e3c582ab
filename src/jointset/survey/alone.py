"""Checks that need the inputs alone: they end the same in every round."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from jointset.audit.diversity import Diversity, diversity
from jointset.audit.duplicates import (
    Duplicates,
    Pairs,
    find_duplicates,
    near_images,
    near_points,
    near_tables,
    near_texts,
)
from jointset.audit.features import table_features
from jointset.audit.leakage import Leaks, find_leaks, find_order, simple_texts
from jointset.audit.media import BROKEN as MEDIA
from jointset.audit.missing_values import find_missing_values
from jointset.audit.outliers import find_outliers
from jointset.audit.shift import InputShifts, column_shift, compare_inputs
from jointset.data import Dataset
from jointset.prepare import Work
from jointset.records import TRAIN, Floats, Ints, Strings
from jointset.survey.inputs import ModalityInputs, PoolInputs
from jointset.survey.sections import Section
from jointset.survey.sides import LEAST, drift, once, shift_of_sites

BROKEN: dict[str, Any] = dict(MEDIA)
NEAR: dict[str, Any] = {"text": near_texts, "image": near_images, "tabular": near_tables}
MOST_DATASETS = 30
MATRIX_ROWS = 5000  # of all datasets together that are compared in pairs


@dataclass(frozen=True, eq=False)
class InputChecks:
    """The sections, and what later checks need of them."""

    sections: tuple[Section, ...]
    duplicates: Duplicates
    leaks: Leaks
    diversity: Diversity
    pairs: DatasetPairs | None


@dataclass(frozen=True, eq=False)
class DatasetPairs:
    """Datasets in pairs: the embedding of what they share, their words where that is text, the dataset of every row
    that is compared, the number of rows taken of each, and how their inputs differ."""

    points: Floats
    terms: Any
    names: Strings
    rows: int
    inputs: InputShifts


def check_inputs(work: Work, inputs: PoolInputs) -> InputChecks:
    """Duplicates, leaks between splits, diversity over datasets; then, dataset by dataset, order, outliers, broken
    media, missing values, and the columns that differ between splits and datasets, and
    what differs between sites and over time."""
    everything = np.arange(len(work.pool))
    copies = find_duplicates(None, kind="embedding", exact=inputs.exact, near=_near(inputs, work.config.seed))
    leaks = find_leaks(work.pool.split, exact=copies.exact, pairs=copies.pairs, groups=_groups(work))
    shared = inputs.shared(work.pool.datasets)
    names = work.pool.dataset_names if shared is not None else np.full(len(work.pool), "all", object)
    points = inputs.embedding if shared is None else shared
    varied = diversity(points, groups=names, copies=copies.near, seed=work.config.seed)
    sections = [
        Section("duplicates", copies, everything),
        Section("leaks", leaks, everything),
        Section("diversity", varied, everything),
    ]
    for dataset in work.pool.datasets:
        sections += _of_dataset(work, inputs, copies, dataset)
    sections += _columns(work, inputs, copies)
    sections += [*shift_of_sites(work, inputs, copies.near), *drift(work, inputs, copies.near)]
    return InputChecks(tuple(sections), copies, leaks, varied, _in_pairs(work, inputs, copies))


def _in_pairs(work: Work, inputs: PoolInputs, copies: Duplicates) -> DatasetPairs | None:
    """The datasets of some size that share inputs; None where there are not two."""
    usable = comparable(work)
    shared = inputs.shared(usable) if len(usable) > 1 else None
    if shared is None:
        return None
    names = work.pool.dataset_names.copy()
    names[~np.isin(names.astype(str), [d.name for d in usable])] = None
    rows = int(np.clip(MATRIX_ROWS / len(usable), 150, 600))  # pairs grow with the square of the datasets
    found = compare_inputs(shared, names, together=copies.near, rows=rows, seed=work.config.seed)
    compared = np.concatenate(found.members)
    return DatasetPairs(shared, inputs.terms(usable, compared), names, rows, found)


def comparable(work: Work) -> list[Dataset]:
    """The datasets that are compared with one another."""
    return [d for d in work.pool.datasets if len(d) >= 20][:MOST_DATASETS]


def _groups(work: Work) -> Any:
    """The group of every row, as text with the name of its column; None where there is none."""
    if not any(d.group for d in work.pool.datasets):
        return None
    out: list[str | None] = []
    for d in work.pool.datasets:
        values = d.table.column(d.group).to_pylist() if d.group else [None] * len(d)
        out += [None if v is None or v != v else f"{d.group} {v}" for v in values]
    return np.array(out, object)


def _near(inputs: PoolInputs, seed: int) -> Pairs:
    """Pairs that are near in every modality that either row has."""
    found = []
    member = np.zeros((inputs.n, len(inputs.by_modality)), bool)
    group = np.zeros((inputs.n, len(inputs.by_modality)), np.int64)
    for i, (modality, part) in enumerate(inputs.by_modality.items()):
        member[part.rows[part.given], i] = True
        if modality in NEAR:
            pairs = NEAR[modality](part.data)
        else:
            first = np.unique(inputs.exact[part.rows], return_index=True)[1]
            first = first[part.given[first]]
            near = near_points(part.embedding[first], seed=seed) if len(first) > 1 else Pairs.empty()
            pairs = Pairs(first[near.first], first[near.second], near.similarity)
        own = find_duplicates(None, kind="embedding", exact=inputs.exact[part.rows], near=pairs)
        group[part.rows, i] = own.near
        found.append(Pairs.of(part.rows[pairs.first], part.rows[pairs.second], pairs.similarity))
    pairs = Pairs.concat(found)
    same = (member[pairs.first] == member[pairs.second]).all(axis=1)
    same &= ((group[pairs.first] == group[pairs.second]) | ~member[pairs.first]).all(axis=1)
    return pairs.take(same)


def _of_dataset(work: Work, inputs: PoolInputs, copies: Duplicates, dataset: Dataset) -> list[Section]:
    rows = np.arange(len(work.pool))[work.pool.rows_of(dataset.name)]
    seed, same = work.config.seed, copies.near[rows]
    out = [Section("order", find_order(inputs.embedding[rows], groups=same, seed=seed), rows, dataset.name)]
    for modality, part in inputs.by_modality.items():
        if modality not in dataset.inputs:
            continue
        keep = np.isin(part.rows, rows)
        there = keep & part.given
        points = part.embedding[there]
        if modality == "text":  # strange signs stand in no common word, so word counts do not show them
            points = np.hstack([points, table_features(simple_texts(part.part(there)))])
        far = find_outliers(points, groups=copies.near[part.rows[there]], seed=seed)
        out.append(Section("outliers", far, part.rows[there], dataset.name))
        if modality in BROKEN:
            broken = BROKEN[modality](part.part(keep), given=part.given[keep])
            out.append(Section("media", broken, part.rows[keep], dataset.name))
        else:
            own = {n: c[keep] for n, c in part.data.items() if n.split("[")[0] in dataset.inputs[modality]}
            out.append(Section("missing values", find_missing_values(own), part.rows[keep], dataset.name))
    return out


def _columns(work: Work, inputs: PoolInputs, copies: Duplicates) -> list[Section]:
    """Columns that differ between the training and the held-out rows, and between datasets."""
    part = inputs.by_modality.get("tabular")
    if part is None:
        return []
    names = work.pool.dataset_names[part.rows]
    held = work.pool.split[part.rows] != TRAIN
    nothing = np.empty(0, np.int64)
    single = np.zeros(len(work.pool), bool)  # a row that was copied is one draw, not several
    for dataset in work.pool.datasets:
        mine = np.arange(len(work.pool))[work.pool.rows_of(dataset.name)]
        for side in (work.pool.split[mine] == TRAIN, work.pool.split[mine] != TRAIN):
            single[once(mine[side], copies.near)] = True
    names = names.copy()
    names[~single[part.rows]] = None
    out = []
    for dataset in work.pool.datasets:
        own = names == dataset.name
        if (own & held).sum() >= 20 and (own & ~held).sum() >= 20:
            found = _between(part, own & ~held, own & held, "train × held out", [dataset])
            out.append(Section("columns", found, nothing, dataset.name))
    tables = [d for d in work.pool.datasets if "tabular" in d.inputs]
    for a, b in combinations(tables, 2):
        if set(a.inputs["tabular"]) & set(b.inputs["tabular"]):
            found = _between(part, names == a.name, names == b.name, f"{a.name} × {b.name}", [a, b])
            out.append(Section("columns", found, nothing))
    return out


def _between(part: ModalityInputs, one: Ints, two: Ints, subject: str, datasets: list[Dataset]) -> Any:
    shared = [n for n in part.data if all(n.split("[")[0] in d.inputs["tabular"] for d in datasets)]
    first, second = ({n: part.data[n][side] for n in shared} for side in (one, two))
    return column_shift(first, second, least=LEAST, subject=subject)
