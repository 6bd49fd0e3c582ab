"""Derived rows: recipes through edits, overlay, training and export; rows that a training makes for itself."""

import dataclasses

import numpy as np
import pytest

from jointset.augment import Policy, Recipe, Step
from jointset.data import apply
from jointset.errors import DataError
from jointset.records import TRAIN, Edits, Issues
from jointset.repair import synthesise
from jointset.training.added import extended
from jointset.training.augmented import Augmentation, show
from jointset.training.oversampled import oversampled
from jointset.training.settings import TrainSettings
from jointset.training.views import make_views

KEPT = {"text.delete": ("level", "risky"), "tabular.noise": ("level",)}


def tail(work, task="level", n=6):
    names, split = work.pool.dataset_names, work.pool.split
    at = np.flatnonzero((names == "people") & (split == TRAIN) & (work.given[task] >= 0))[:n]
    columns = {f: np.full(n, "", object) for f in ("position", "given", "suggested", "evidence")}
    return at, Issues(
        code=np.full(n, "tail_label", object), dataset=names[at], row=work.pool.row_ids[at],
        task=np.full(n, task, object), score=np.zeros(n), confidence=np.zeros(n), **columns,
    )  # fmt: skip


def proposals(work, **more):
    at, issues = tail(work)
    return at, synthesise(
        issues, operations={"text.delete": 0.3, "tabular.noise": 0.5}, kept=KEPT,
        modalities={d.name: frozenset(d.inputs) for d in work.pool.datasets}, round=1, **more,
    )  # fmt: skip


def test_proposals_are_recipes_and_the_same_again(bench):
    _, edits = proposals(bench.work)
    again = proposals(bench.work)[1]
    assert edits.new.tolist() == again.new.tolist() != proposals(bench.work, seed=1)[1].new.tolist()
    assert len(edits) == 12 and set(edits.action) == {"add"} and set(edits.position) == {"copy 1", "copy 2"}
    for dataset, row, text in zip(edits.dataset, edits.row, edits.new, strict=True):
        recipe = Recipe.read(dataset, row, text)
        (operation,) = recipe.operations
        assert recipe.tasks == KEPT[operation] and recipe.text() == text


def test_quarter_turns_of_a_recipe_are_whole(bench):
    _, issues = tail(bench.work)
    edits = synthesise(
        issues, operations={"image.quarter": 3.0}, kept={"image.quarter": ("level",)},
        modalities={"people": frozenset({"image"})}, round=1,
    )  # fmt: skip
    recipes = [Recipe.read("people", r, t) for r, t in zip(edits.row, edits.new, strict=True)]
    assert {r.operations["image.quarter"] for r in recipes} == {1.0, 2.0, 3.0}


def test_nothing_is_derived_where_no_operation_keeps_the_label(bench):
    _, issues = tail(bench.work)
    none = synthesise(
        issues, operations={"text.delete": 0.3}, kept={"text.delete": ("risky",)},
        modalities={"people": frozenset({"text"})}, round=1,
    )  # fmt: skip
    assert len(none) == 0


def test_derived_rows_are_trained_on_with_the_labels_they_keep(bench):
    work = bench.work
    at, edits = proposals(work)
    overlay = apply(work.given, edits, work.by_name, work.pool)
    assert len(overlay.added) == 12 and all(
        (overlay.labels[t] == work.given[t]).all() for t in ("level", "risky")
    )
    problem = bench.problem(overlay)
    n = len(work.pool)
    assert len(problem.dataset_of) == n + 12 and problem.rows == n and len(problem.usable()) == n
    assert set(problem.source.tolist()) == set(at.tolist())
    new = np.arange(n, n + 12)
    assert (problem.labels["level"][new] == work.given["level"][problem.source]).all()
    assert (problem.weights["level"][new] == 0.5).all() and (problem.weights["price"][new] == 0).all()
    trained = problem.trained_on(work.pool.split == TRAIN)
    assert set(new) <= set(trained.tolist())
    without = work.pool.split == TRAIN
    without[at[0]] = False
    assert not set(n + np.flatnonzero(problem.source == at[0])) & set(problem.trained_on(without).tolist())
    batch = problem.inputs.batch(new)
    plain = problem.inputs.batch(problem.source)
    moved = (batch["tabular"][1]["numbers"] != plain["tabular"][1]["numbers"]).any(1).numpy()
    shorter = np.diff(batch["text"][1]["words_offsets"]) < np.diff(plain["text"][1]["words_offsets"])
    assert not (moved & shorter).any(), "each by its own operation"
    assert (moved | shorter).sum() > 9, "a word that stands in the text twice may go without a trace"


def test_undone_and_dropped_sources_take_their_rows_along(bench):
    work = bench.work
    _, edits = proposals(work)
    drop = edits.take(np.array([0])).with_columns(action="drop", task="", position="", new="")
    overlay = apply(work.given, Edits.concat([edits, drop]), work.by_name, work.pool)
    assert len(overlay.added) == 10
    assert len(apply(work.given, Edits.empty(), work.by_name, work.pool).added) == 0


def test_a_text_that_is_no_recipe_is_one_line(bench, problem):
    _, edits = proposals(bench.work)
    with pytest.raises(DataError, match="is no recipe of an added row"):
        extended(problem, bench.work.pool, edits.with_columns(new="rotate it"))
    bad = '{"operations": {"image.rotat": 3}, "seed": 1}'
    with pytest.raises(DataError, match=r"no operation 'image.rotat' \(did you mean 'image.rotate'\?\)"):
        Recipe.read("d", "r", bad)


@pytest.mark.parametrize("method", ["smote"])
def test_rows_made_for_one_task_have_its_label_alone(bench, problem, method):
    rows = np.flatnonzero(problem.usable() & (bench.work.pool.split == TRAIN))
    rare = rows[problem.labels["risky"][rows] == 1]
    rows = np.setdiff1d(rows, rare[12:])
    asked = dataclasses.replace(problem, augmentation=Augmentation(Policy(smote={"risky": (method, 3)})))
    made, trained = oversampled(asked, rows, TrainSettings(), seed=0)
    new = np.setdiff1d(trained, rows)
    assert len(new) > 10 and (new >= problem.rows).all()
    assert (made.labels["risky"][new] == 1).all()
    given = rows[problem.labels["risky"][rows] == 1]
    both = np.concatenate([given, new])
    assert made.weights["risky"][both].sum() == pytest.approx(len(given), rel=1e-5), (
        "a class weighs what it did"
    )
    assert (made.weights["risky"][new] == made.weights["risky"][given[0]]).all()
    assert all((made.weights[t][new] == 0).all() for t in ("level", "price"))
    assert set(made.source.tolist()) <= set(rows.tolist())
    counts = np.bincount(made.labels["risky"][trained][made.labels["risky"][trained] >= 0])
    assert counts[0] == counts[1]
    with pytest.raises(DataError, match=r"risky\.smote: class .1. has 12 rows"):
        oversampled(
            dataclasses.replace(problem, augmentation=Augmentation(Policy(smote={"risky": (method, 20)}))),
            rows, TrainSettings(), seed=0,
        )  # fmt: skip


def test_added_rows_have_no_views_and_are_shown_as_they_were_made(bench):
    work = bench.work
    _, edits = proposals(work)
    problem = bench.problem(apply(work.given, edits, work.by_name, work.pool))
    everything = np.arange(len(work.pool))
    views = make_views(work.pool, bench.inputs, {"text.swap": 1.0}, everything, number=2, seed=0)
    steps = Policy({"text.swap": Step(1.0, 1.0)})
    rows = np.array([0, len(work.pool), 5, len(work.pool) + 11, 7])
    names = tuple(t.name for t in problem.tasks)
    labelled = np.ones((5, len(names)), bool)
    shown = show(Augmentation(steps, views), problem.inputs, names, rows, labelled, np.random.default_rng(0))
    found, plain = shown.batch["text"][1], problem.inputs.batch(rows)["text"][1]
    for i, row in enumerate(rows):
        part = slice(found["words_offsets"][i], found["words_offsets"][i + 1])
        same = slice(plain["words_offsets"][i], plain["words_offsets"][i + 1])
        equal = found["words_ids"][part].tolist() == plain["words_ids"][same].tolist()
        assert equal == (row >= len(work.pool)), "words of the pool's rows changed their order"
