"""Scores of a run against the truth, on frames worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from bench import score

CELLS = pd.DataFrame(
    [
        # given, final, truth, source, quality, split
        ("a", "a", "a", "given", 0.9, "train"),
        ("b", "a", "a", "relabelled", 0.1, "train"),
        ("a", "b", "a", "relabelled", 0.3, "train"),
        ("b", None, "a", None, 0.2, "train"),
        (None, "b", "b", "filled", np.nan, "train"),
        (None, "a", "b", "filled", np.nan, "train"),
        (None, None, "b", None, np.nan, "train"),
        ("b", "b", "a", "given", 0.0, "holdout"),
        ("b", "b", "a", "given", np.nan, "test"),
    ],
    columns=["given", "final", "truth", "source", "quality", "split"],
).assign(dataset="d", task="t", id=list("123456789"), quality_first=0.5)


def test_repaired_counts_only_rows_that_could_be_edited():
    found = score.repaired(CELLS)
    assert found["given_right"] == pytest.approx(2 / 4)
    assert found["right_remaining"] == pytest.approx(3 / 5)
    assert found["right_all"] == pytest.approx(3 / 7)
    assert found["relabelled"] == pytest.approx(2 / 4)
    assert found["relabelled_right"] == pytest.approx(1 / 2)
    assert found["filled"] == pytest.approx(2 / 3)
    assert found["filled_right"] == pytest.approx(1 / 2)
    assert found["dropped"] == pytest.approx(1 / 4)


def test_average_precision_ranks_the_given_training_labels():
    # by suspicion: wrong (0.1), wrong (0.2), right (0.3), right (0.9)
    assert score.average_precision(CELLS, "quality") == 1.0
    # all tied: the share of wrong labels
    assert score.average_precision(CELLS, "quality_first") == pytest.approx(0.5)


def test_ranked_by_hand():
    wrong, quality = np.array([True, False, True]), np.array([0.1, 0.2, 0.3])
    assert score.ranked(wrong, quality) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert np.isnan(score.ranked(np.zeros(3, bool), quality))


def test_a_promise_is_kept_when_the_new_label_is_true_or_the_dropped_one_false():
    edits = pd.DataFrame(
        [
            ("1", "relabel", "b", "a", 0.9),
            ("2", "relabel", "a", "b", 0.7),
            ("3", "drop", "b", "", 0.8),
            ("4", "drop", "a", "", 0.8),
            ("5", "fill", "", "a", 0.6),
            ("6", "weight", "a", "a", 0.5),
            ("nowhere", "fill", "", "a", 0.6),
        ],
        columns=["row", "action", "old", "new", "expected_precision"],
    ).assign(dataset="d", task="t")
    truth = pd.DataFrame({"dataset": "d", "id": list("123456"), "task": "t", "truth": "a"})
    found = {e["action"]: e for e in score.promises(edits, truth)}
    assert set(found) == {"relabel", "drop", "fill"}
    assert (found["relabel"]["n"], found["relabel"]["real"]) == (2, 0.5)
    assert found["relabel"]["promised"] == pytest.approx(0.8)
    assert (found["drop"]["real"], found["fill"]["n"], found["fill"]["real"]) == (0.5, 1, 1.0)
    assert score.promises(edits[:0], truth) == []


def test_constant_fill_takes_the_commonest_training_label():
    cells = CELLS.assign(given=CELLS["given"].where(CELLS["given"].isna(), "b"))
    assert score.constant_fill(cells) == 1.0


def test_label_accuracy_counts_a_missing_label_as_not_right():
    cells = CELLS.assign(voted=CELLS["given"].notna())
    found = score.label_accuracy(cells, "final")
    assert found["voted"] == pytest.approx(2 / 6)
    assert found["all"] == pytest.approx(3 / 9)
    assert found["labelled"] == pytest.approx(3 / 7)


def test_accuracy_by_dataset_and_mean_area_under_the_curve():
    frame = pd.DataFrame({"score": [0.9, 0.2, 0.6, 0.4], "label": [1, 0, 1, 0], "given": [1, 0, 0, 1]})
    frame["dataset"] = ["a", "a", "b", "b"]
    assert score.accuracy(frame) == 0.5
    assert score.by_dataset(frame) == {"a": 1.0, "b": 0.0}
    assert score.mean_auc({"t": frame, "one class": frame[frame["given"] == 1]}) == pytest.approx(0.75)


def test_cells_meet_the_truth_of_a_real_run(finished, tmp_path):
    work = finished.work
    rows = work.pool.rows_of("people")
    truth = pd.DataFrame(
        {"dataset": "people", "id": work.pool.row_ids[rows], "task": "level", "truth": "low"}
    )
    truth.to_parquet(tmp_path / "truth.parquet")
    found = score.cells(finished, tmp_path)
    assert len(found) == len(truth)
    assert set(found["split"]) == {"train", "holdout", "test"}
    given = finished.datasets["people"].to_pandas().set_index("jointset_row")["level__given"]
    assert found.set_index("id")["given"].dropna().to_dict() == given.dropna().to_dict()
    truth.assign(id="nobody").head(1).to_parquet(tmp_path / "truth.parquet")
    with pytest.raises(ValueError, match="0 cells match the truth's 1"):
        score.cells(finished, tmp_path)
