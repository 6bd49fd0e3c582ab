"""Attributions: axioms on models whose answer is known, completeness on a trained one, parts of rows, curves."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jointset.errors import ArrayError, DataError
from jointset.interpret import Target, attribute, curves, occlusion, target_of
from jointset.interpret.grams import by_word
from jointset.interpret.units import hidden, units_of
from jointset.models.encoders.text_bag import TextBag
from jointset.records import Task

BINARY = Task("t", "binary", ("no", "yes"))


def test_log_odds_are_the_same_from_probabilities_and_from_logits():
    import torch

    z = torch.tensor([[0.3, -1.2, 2.0]], dtype=torch.float64)
    for kind, p in (("multiclass", z.softmax(-1)), ("multilabel", z.sigmoid())):
        target = Target(Task("t", kind, ("a", "b", "c")), 2)
        assert target.of_logits(z).item() == pytest.approx(target.of(p.numpy())[0])
    number = Target(Task("t", "regression", scale=(5.0, 2.0), unit="m"))
    assert number.of_logits(z).item() == pytest.approx(5.6) and number.measure == "m"
    with pytest.raises(DataError, match="did you mean 'yes'"):
        target_of(BINARY, np.array([[0.5, 0.5]]), "yess")


def test_occlusion_of_a_sum_is_its_terms():
    w = np.array([1.0, -2.0, 0.5])
    assert occlusion(lambda gone: (~gone) @ w, 3) == pytest.approx(w)
    assert len(occlusion(lambda gone: gone.sum(1), 0)) == 0


def test_words_columns_and_regions_go_and_nothing_else_changes():
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    field = pa.field("img", pa.list_(pa.uint8(), 64), metadata={"jointset.shape": "(8, 8)"})
    image = pa.array([pixels.ravel().tolist()], field.type)
    row = pa.table(
        [pa.array(["It's good, good!"]), pa.array([3]), image],
        schema=pa.schema([("t", pa.string()), ("n", pa.int64()), field]),
    )
    units = units_of(row, {"text": ["t"], "tabular": ["n"], "image": ["img"]})
    assert [u.name for u in units[:5]] == ["It's", "good", ",", "good", "!"] and len(units) == 5 + 1 + 16
    masks = np.zeros((3, len(units)), bool)
    masks[1, [1, 3, 5]] = True
    masks[2, 6] = True
    made = hidden(row, units, masks)
    assert made["t"].to_pylist() == ["It's good, good!", "It's , !", "It's good, good!"]
    assert made["n"].to_pylist() == [3, None, 3]
    changed = np.array(made["img"][2].as_py()).reshape(8, 8)
    assert (changed[:2, :2] == 32).all() and np.array_equal(changed[2:], pixels[2:])
    assert units_of(pa.table({"t": pa.array([None], pa.string())}), {"text": ["t"]}) == []


@pytest.mark.parametrize(
    "options",
    [
        {"words": 3, "chars": None},
        {"words": 2, "chars": (3, 5)},
        {"words": 0, "chars": (1, 4), "inside_words": False},
    ],
)
def test_n_grams_go_back_to_words_and_nothing_is_lost(options):
    encoder = TextBag(**options)
    text = "a good book, a very good one"
    units = units_of(pa.table({"t": [text]}), {"text": ["t"]})
    state = encoder.fit([])
    arrays = encoder.prepare(pa.table({"t": [text]}), state)
    ids = np.concatenate([arrays[k].astype(np.int64) for k in arrays if k.endswith("_ids")])
    values = np.random.default_rng(0).normal(size=len(ids))
    assert by_word(encoder, state, text, units, values, ids).sum() == pytest.approx(values.sum())
    only = encoder.prepare(pa.table({"t": ["very"]}), state)
    mine = np.isin(ids, np.concatenate([only[k] for k in only if k.endswith("_ids")])).astype(float)
    found = by_word(encoder, state, text, units, mine, ids)
    assert [u.name for u in units][int(found.argmax())] == "very"


def test_curves_of_the_best_the_worst_and_a_random_order():
    w = np.array([5.0, 4.0, 3.0, 2.0, 1.0, 0.5, 0.2, 0.1])

    def score(gone):
        return 1 / (1 + np.exp(4 - (~gone) @ w))

    best, worst, middle = (curves(score, v, steps=8) for v in (w, -w, np.random.default_rng(0).random(8)))
    assert best.deletion_area < middle.deletion_area < worst.deletion_area
    assert best.insertion_area > middle.insertion_area > worst.insertion_area
    assert best.deletion[0] == best.insertion[-1] and best.deletion[-1] == best.insertion[0]
    with pytest.raises(ArrayError, match="contributions must be"):
        curves(score, [], steps=3)


@pytest.mark.parametrize(
    ("dataset", "task"),
    [("people", "level"), ("people", "price"), ("people", "kinds"), ("posts", "level"), ("people", "risky")],
)
def test_integrated_gradients_are_complete(finished, dataset, task):
    data = next(d for d in finished.work.pool.datasets if d.name == dataset)
    of = next(t for t in finished.model.tasks if t.name == task)
    for at in (0, 7, 31):
        row = data.table.slice(at, 1)
        target = target_of(of, finished.model.outputs(row, dataset=dataset)[task])
        found = attribute(finished.model, row, target, dataset=dataset, method="integrated_gradients")
        total = found.contributions.sum() + found.rest
        assert found.value - found.baseline == pytest.approx(total + found.gap, abs=1e-6)
        assert abs(found.gap) <= 0.01 * max(1.0, abs(found.value - found.baseline)) + 1e-6
        assert np.isfinite(found.contributions).all() and len(found.units) == len(found.contributions)


def test_what_the_model_does_not_read_has_no_part(hard):
    """Sensitivity: n-grams that were never trained on stand at zero."""
    target = Target(next(t for t in hard.model.tasks if t.name == "level"), 0)
    row = pa.table({"body": ["calm quiet zzzzqq"]})
    for method in ("occlusion", "integrated_gradients"):
        found = attribute(hard.model, row, target, dataset="posts", method=method)
        by = dict(zip([u.name for u in found.units], np.abs(found.contributions), strict=True))
        assert by["zzzzqq"] < 0.3 * max(by["calm"], by["quiet"])


def test_explain_in_python(finished):
    found = finished.explain("p5", dataset="people", task="level", rows=3)
    facts = found.facts()
    assert facts["dataset"] == "people" and facts["prediction"] in ("low", "mid", "high")
    assert {p["kind"] for p in facts["parts"]} == {"word", "column"}
    assert len(facts["helpful"]) == 3 and all(r["influence"] > 0 for r in facts["helpful"])
    assert all(r["influence"] < 0 for r in facts["harmful"])
    same = [r for r in facts["helpful"] if r["task"] == "level" and r["label"] == facts["prediction"]]
    assert same  # labels of the class speak for it
    told = str(found)
    assert "what its parts add (occlusion)" in told and "speak for it" in told
    text = finished.explain("calm quiet plain", task="level", dataset="posts", rows=0)
    assert text.row == "given" and [u.name for u in text.attribution.units] == ["calm", "quiet", "plain"]
    with pytest.raises(DataError, match="0 or more; found -1"):
        finished.explain("p5", dataset="people", task="level", rows=-1)
    frame = finished.explain(
        pd.DataFrame({"age": [30.0], "job": ["nurse"], "note": ["even usual"]}), task="price", rows=2
    )
    assert frame.dataset == "people" and "push it up" in str(frame) and frame.facts()["confidence"] is None
    known = finished.explain({"body": "loud wild"}, dataset="posts", task="level", label="low", rows=0)
    assert known.attribution.target.name == "low"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("people", "p5"), "the run has 4 tasks; say which one: level"),
        (("people", "p5", "--task", "levle"), "no task 'levle' (did you mean 'level'?)"),
        (("peple", "p5", "--task", "level"), "no dataset 'peple' (did you mean 'people'?)"),
        (("people", "p5x", "--task", "level"), "has no row 'p5x' (did you mean 'p5'?)"),
        (("people", "p5", "--task", "level", "--label", "lwo"), "no class 'lwo' (did you mean 'low'?)"),
        (("people", "p5", "--task", "level", "--method", "oclusion"), "did you mean 'occlusion'?"),
        (
            ("people", "p5", "--task", "price", "--label", "low"),
            "'price' predicts a number and has no class 'low'",
        ),
        (("people", "p5", "--task", "level", "--rows", "-1"), "Invalid value for '--rows'"),
    ],
)
def test_mistakes_are_one_line(cli, finished, arguments, message):
    done = cli("explain", finished.path, *arguments)
    assert done.code == 2 and message in done.err and done.err.count("\n") == 1


def test_the_command(cli, finished):
    import json

    done = cli("explain", finished.path, "people", "p5", "--task", "level", "--rows", 2)
    assert done.code == 0 and done.out.startswith("level: ")
    done = cli("explain", finished.path, "people", "p5", "--task", "risky", "--rows", 0, "--json")
    facts = json.loads(done.out)
    assert facts["task"] == "risky" and facts["helpful"] == [] and 0.5 <= facts["confidence"] <= 1
