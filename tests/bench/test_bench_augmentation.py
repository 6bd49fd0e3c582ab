"""The table of the benchmark of augmentation, out of given figures."""

from bench.augmentation import SEARCHED, SECTIONS, rows


def met(lines):
    return {line["what"]: line["met"] for line in lines}


def test_the_gain_on_digits_is_relative():
    better = {"none.digit": 0.96, "default.digit": 0.97, "none.seconds": 1.0, "default.seconds": 2.0}
    found = met(rows("digits", [better] * 3))
    assert found["digits, 1,000 rows: error less by"] is True
    assert (
        met(rows("digits", [{**better, "default.digit": 0.969}]))["digits, 1,000 rows: error less by"]
        is False
    )


def test_harm_is_asked_of_the_shared_policy_and_forbidden_to_the_other():
    figures = {f"{a}.{t}": 0.9 for a in ("none", "shared", "by task") for t in ("digit", "turn")}
    found = met(rows("turned", [{**figures, "shared.turn": 0.6}]))
    assert found["turned digits, turn: by task − none"] is True
    assert found["turned digits, turn: shared − none"] is True
    assert (
        met(rows("turned", [{**figures, "by task.turn": 0.8}]))["turned digits, turn: by task − none"]
        is False
    )


def test_the_worst_task_counts():
    figures = {
        "a.none": 0.8,
        "a.auto": 0.9,
        "b.none": 0.8,
        "b.auto": 0.79,
        "auto.kept": 1.0,
        "auto.seconds": 3.0,
    }
    found = met(rows("tox21", [figures]))
    assert found == {"tox21: gain, mean over tasks": True, "tox21: worst task": False}


def test_searches_are_compared_with_the_default():
    figures = {f"{m}.digit": 0.97 for m in (*SEARCHED, "default", "none")}
    figures |= {f"{m}.seconds": 9.0 for m in SEARCHED}
    found = met(rows("searches", [{**figures, "bayes.digit": 0.95}]))
    assert found["digits, bayes"] is False and found["digits, trivial"] is True
    assert set(SECTIONS) >= {"digits", "turned", "auto", "tox21", "sentences", "searches", "tables"}
