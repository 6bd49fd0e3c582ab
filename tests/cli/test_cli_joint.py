"""The commands on a run with losses, sampling and joint inference."""

import json
import re

import pandas as pd
import pytest

from jointset.models.saved import SavedModel


@pytest.fixture
def people(balanced):
    return balanced.path.parents[1] / "people.csv"


def test_the_run_is_finished_and_its_losses_come_back(balanced):
    assert balanced.summary["rounds"] == 1
    tasks = {t.name: t for t in balanced.model.tasks}
    assert tuple(tasks.values()) == balanced.work.tasks
    assert tasks["risky"].loss == {"name": "focal", "gamma": 1.0, "alpha": 0.75}
    assert tasks["kinds"].sampling == {"mode": "under", "power": 1.0, "most": 10.0}


def test_check_names_losses_and_sampling(balanced, cli):
    done = cli("check", balanced.path.parents[1] / "jointset.yaml")
    assert done.code == 0, done.err
    assert (
        "level: multiclass, 3 classes: high, low, mid; judged by accuracy; loss logit_adjustment, tau 1"
        in done.out
    )
    assert "loss focal, gamma 1, alpha 0.75; over-sampled, power 0.5" in done.out


def test_predictions_read_the_labels_of_a_file(balanced, people, cli, tmp_path):
    out = tmp_path / "p.csv"
    done = cli("predict", balanced.path, people, "--out", out)
    assert done.code == 0, done.err
    assert "predicted for 4 tasks, labels of level, risky, kinds, price read: " in done.out
    read = pd.read_csv(out)
    done = cli("predict", balanced.path, people, "--out", out, "--ignore-labels")
    assert "labels of" not in done.out
    ignored = pd.read_csv(out)
    assert not read["level__confidence"].equals(ignored["level__confidence"])
    frame = pd.read_csv(people)
    plain = balanced.model.predict(frame.drop(columns=["grade", "risk", "tags", "amount"]))
    pd.testing.assert_series_equal(
        plain["level__confidence"],
        ignored["level__confidence"],
        check_exact=False,
        rtol=1e-5,
        check_dtype=False,
    )


def test_a_label_does_not_change_its_own_prediction(balanced, people):
    frame = pd.read_csv(people)
    other = frame.assign(grade=frame["grade"].map({"low": "mid", "mid": "high", "high": "low"}))
    first, second = balanced.model.predict(frame), balanced.model.predict(other)
    assert first["level__confidence"].equals(second["level__confidence"])
    assert not first["risky__confidence"].equals(second["risky__confidence"])
    assert balanced.model.predict(frame, ignore_labels=True).equals(
        balanced.model.predict(other, ignore_labels=True)
    )


def test_a_column_that_is_not_there_is_not_read(balanced, people):
    frame = pd.read_csv(people)
    assert set(balanced.model.known(_table(frame.drop(columns=["grade", "tags"])))) == {"risky", "price"}
    assert balanced.model.known(_table(frame[["note"]].rename(columns={"note": "body"}))) == {}


def test_without_joint_inference_nothing_is_read(finished):
    frame = pd.read_csv(finished.path.parents[1] / "people.csv")
    assert not finished.model.joint
    assert finished.model.known(_table(frame)) == {}
    assert finished.model.predict(frame).equals(finished.model.predict(frame, ignore_labels=True))


def test_evaluation_says_what_the_other_labels_are_worth(balanced, people, cli):
    for file in ([], [people]):
        done = cli("evaluate", balanced.path, *file)
        assert done.code == 0, done.err
        assert len(re.findall(r"^\w+, the row's other labels known: ", done.out, re.M)) == 4
        scores = json.loads(cli("evaluate", balanced.path, *file, "--json").out)
        assert set(scores["level"]["knowing_others"]) == set(scores["level"]["metrics"])
        assert scores["level"]["knowing_others"] != scores["level"]["metrics"]


def test_probabilities_are_those_of_the_labels_and_decisions_those_of_the_loss(balanced, people):
    table = _table(pd.read_csv(people))
    outputs, decisions = balanced.model.judged(table)
    for name in ("level", "risky", "kinds"):
        assert (outputs[name] != decisions[name]).any()
    assert (outputs["price"] == decisions["price"]).all()
    again = SavedModel(balanced.directory.model).judged(table)
    assert (again[0]["level"] == outputs["level"]).all()


def _table(frame):
    import pyarrow as pa

    return pa.Table.from_pandas(frame, preserve_index=False)
