"""What a run writes of influence and layers, and what the report makes of it."""

import numpy as np
import pytest

from jointset.interpret.gradients import labelled_rows
from jointset.interpreting import ROWS, _sample
from jointset.records import TRAIN


@pytest.fixture(scope="module")
def columns(make_folder, tmp_path_factory):
    folder = make_folder(tmp_path_factory.mktemp("columns"))
    folder.settings["model"]["sharing"] = "cross_stitch"
    return folder.write().execute()


def test_every_dataset_and_task_has_its_influence_on_every_task(finished):
    found = finished.interpretation
    by = {(e["dataset"], e["task"], e["target"]): e for e in found["influence"]}
    tasks = [t.name for t in finished.model.tasks]
    assert {t for _, _, t in by} == set(tasks)
    assert {(d, t) for d, t, _ in by} == {("people", t) for t in tasks} | {("posts", "level")}
    for target in tasks:
        column = {k: e["share"] for k, e in by.items() if k[2] == target}
        assert max(map(abs, column.values())) == 1.0
        if target in ("level", "risky"):  # a task's own labels help it most, where it can be learnt
            assert max(column, key=column.get)[1] == target
    assert all(0 <= e["hurt"] <= 1 and 0 < e["rows"] <= ROWS for e in found["influence"])
    assert by["people", "level", "level"]["hurt"] < 0.5
    assert found["rows"]["side"] == "holdout"


def test_with_relatedness_off_nothing_is_interpreted(make_folder, tmp_path):
    folder = make_folder(tmp_path)
    folder.settings |= {"relatedness": "off"}
    folder.settings["improve"] = {"rounds": 0}
    run = folder.write().execute()
    assert run.interpretation == {} and not run.directory.interpretation.exists()


def test_of_many_tasks_fewer_rows_are_read(bench, problem, monkeypatch):
    pool, rng = bench.work.pool, np.random.default_rng(0)
    train = np.flatnonzero(pool.split == TRAIN)
    sizes = []
    for most in (1, 10**6):
        monkeypatch.setattr("jointset.interpreting.ALL", most)
        sizes.append(len(_sample(problem, train, pool.dataset_of, rng)))
    assert sizes[0] < sizes[1]


def test_layers_are_those_of_the_model(hard, columns):
    assert set(hard.interpretation["layers"]["mean"]) == {1.0}  # hard sharing: one for all
    layers = columns.interpretation["layers"]
    assert layers["mean"][-1] < 0.999
    matrix = np.array(layers["alignment"][-1])
    np.testing.assert_allclose(matrix, matrix.T)
    np.testing.assert_allclose(np.diag(matrix), 1.0)


def test_the_report_shows_both(hard, columns):
    one, two = (run.directory.report.read_text(encoding="utf-8") for run in (hard, columns))
    assert "Influence of a training label" in one and "Layers that are shared" not in one
    assert "posts: level" in one and "After one epoch of training" in one
    assert "Layers that are shared or specialised" in two and "debiased CKA" in two


def test_samples_hold_labels_of_every_task_and_dataset(bench, problem, monkeypatch):
    monkeypatch.setattr("jointset.interpreting.ROWS", 7)
    rows = np.flatnonzero(problem.usable() & (bench.work.pool.split == TRAIN))
    where = bench.work.pool.dataset_of
    found = _sample(problem, rows, where, np.random.default_rng(0))
    assert (np.diff(found) > 0).all() and np.isin(found, rows).all() and len(found) < 7 * 6
    for task in problem.tasks:
        own, every = (labelled_rows(problem, task.name, r) for r in (found, rows))
        for dataset in np.unique(where[every]):
            assert (where[own] == dataset).sum() >= min(7, (where[every] == dataset).sum())
