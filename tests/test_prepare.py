"""From a configuration to pool, tasks, labels and folds."""

import numpy as np
import pytest

from jointset import config as configs
from jointset.errors import ConfigError, DataError
from jointset.prepare import encode_labels, own_label_columns, prepare, regime
from jointset.records import HOLDOUT, TEST, TRAIN


def work_of(folder):
    folder.write()
    return prepare(configs.load(folder.config), folder.path / "data")


def test_labels_stand_at_their_dataset_and_are_missing_elsewhere(bench):
    work = bench.work
    posts = work.pool.rows_of("posts")
    assert (work.given["risky"][posts] == -1).all()
    assert np.isnan(work.given["price"][posts]).all()
    assert (work.given["kinds"][posts] == -1).all()
    assert (work.given["level"][posts] >= 0).any()
    assert {n: len(y) for n, y in work.given.items()} == dict.fromkeys(work.given, len(work.pool))


def test_only_training_rows_that_are_not_trusted_may_be_edited(bench):
    work = bench.work
    assert (work.editable() == (work.pool.split == TRAIN)).all()
    assert work.labels_task("risky").sum() == 240
    assert work.labels_task("level").all()


def test_given_and_drawn_splits_stand_side_by_side(bench):
    pool = bench.work.pool
    people, posts = pool.split[pool.rows_of("people")], pool.split[pool.rows_of("posts")]
    assert np.bincount(people).tolist() == [140, 60, 40]
    assert np.bincount(posts, minlength=3)[[HOLDOUT, TEST]].tolist() == [24, 12]


def test_components_share_a_fold(bench):
    work = bench.work
    for component in np.unique(work.pool.component):
        assert len(set(work.fold[work.pool.component == component].tolist())) == 1


def test_the_scale_of_a_regression_is_that_of_its_training_labels(bench):
    work = bench.work
    known = work.given["price"][work.pool.split == TRAIN]
    known = known[~np.isnan(known)]
    assert work.by_name["price"].scale == pytest.approx((known.mean(), known.std()))


def test_the_metric_fits_the_training_labels(folder):
    frame = folder.frames["people"]
    train = frame.split == "train"
    frame.loc[train, "risk"] = (np.arange(train.sum()) % 8 == 0).astype(int)
    assert work_of(folder).by_name["risky"].metric == "auc"


def test_facts_are_stable_and_tell_what_changed(folder, bench):
    again = work_of(folder).facts()
    assert again == bench.work.facts()
    folder.frames["people"].loc[3, "grade"] = "high"
    changed = work_of(folder).facts()
    assert changed["datasets"]["people"] != again["datasets"]["people"]
    assert changed["labels"]["risky"] == again["labels"]["risky"]
    assert changed["labels"]["level"] != again["labels"]["level"]


def test_the_users_files_are_left_alone(folder):
    folder.write()
    before = {p.name: p.read_bytes() for p in folder.path.glob("*.csv")}
    prepare(configs.load(folder.config), folder.path / "data")
    assert {p.name: p.read_bytes() for p in folder.path.glob("*.csv")} == before


def test_a_copy_of_a_test_row_is_not_trained_on(folder):
    frame = folder.frames["posts"]
    frame.loc[:9, "body"] = folder.frames["people"].note[60:70].tolist()
    folder.settings["datasets"]["people"]["inputs"] = {"text": "note"}
    work = work_of(folder)
    assert (work.pool.split[work.pool.rows_of("people")][60:70] == TEST).all()
    assert (work.pool.split[work.pool.rows_of("posts")][:10] == TEST).all()


@pytest.mark.parametrize(
    ("datasets", "tasks", "name"),
    [
        ("a", {"t": "a"}, "one dataset, one task"),
        ("a", {"t": "a", "u": "a"}, "same input, different losses"),
        ("ab", {"t": "ab"}, "different inputs, same loss"),
        ("ab", {"t": "a", "u": "b"}, "different inputs, different losses"),
        ("ab", {"t": "ab", "u": "b"}, "mixture"),
    ],
)
def test_every_grid_has_a_name(datasets, tasks, name):
    config = configs.parse({
        "datasets": {d: {"path": d, "inputs": {"text": "x"}} for d in datasets},
        "tasks": {t: {"kind": "binary", "labels": dict.fromkeys(ds, "y")} for t, ds in tasks.items()},
    })  # fmt: skip
    assert regime(config).startswith(name)


def test_a_label_column_of_the_tasks_name_makes_room(folder):
    folder.settings["tasks"]["grade"] = folder.settings["tasks"].pop("level")
    work = work_of(folder)
    assert own_label_columns(work.config, "people", ["grade", "risk"]) == ["grade"]


def test_a_file_of_labels_is_read_under_known_classes(bench):
    import pyarrow as pa

    work = bench.work
    table = pa.table({"grade": ["high", "low", "new", None]})
    task = work.by_name["level"]
    assert encode_labels(task, work.config.tasks["level"], "people", table).tolist() == [0, 1, -1, -1]


def test_a_dataset_without_a_path_needs_an_object(folder):
    folder.settings["datasets"]["people"].pop("path")
    folder.write()
    config = configs.load(folder.config)
    with pytest.raises(ConfigError, match=r"datasets\.people: path is missing"):
        prepare(config, folder.path / "data")
    assert len(prepare(config, folder.path / "data", {"people": folder.frames["people"]}).pool) == 360


def test_training_labels_that_are_all_alike_are_refused(folder):
    frame = folder.frames["people"]
    frame.loc[frame.split == "train", "amount"] = 3.0
    with pytest.raises(DataError, match="in the training split are 3; there is nothing to predict"):
        work_of(folder)
