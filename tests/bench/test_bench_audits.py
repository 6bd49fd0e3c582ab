"""The scoring code of the label-error benchmark, on data worked out by hand."""

import ast
import io
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from bench.audits import (
    crossfit,
    handover,
    images,
    judged,
    models,
    noise,
    promises,
    rows,
    scores,
    speed,
    votes,
)
from bench.audits.context import Context, digest, kept
from bench.audits.handover import SCRIPT
from bench.audits.peer import clocked

from bench import label_errors

GIVEN, TRUTH = np.array([0, 1, 2, 0]), np.array([0, 2, 2, 1])
FLAGGED, SUGGESTED = np.array([True, True, False, True]), np.array([1, 2, 0, 2])


def test_relabelling_by_hand():
    # label 0 was right and is spoilt, label 1 is mended, label 3 is replaced by another wrong one
    assert scores.relabelled(GIVEN, TRUTH, FLAGGED, SUGGESTED) == {
        "right_flagged": pytest.approx(1 / 3),
        "right_wrong": 0.5,
        "noise_left": 0.5,
    }


def test_no_flag_leaves_the_noise_and_has_no_share_of_right_suggestions():
    found = scores.relabelled(GIVEN, TRUTH, np.zeros(4, bool), SUGGESTED)
    assert found == {"right_flagged": None, "right_wrong": 0.0, "noise_left": 0.5}


def test_detection_agrees_with_scikit_learn():
    from sklearn.metrics import average_precision_score, f1_score

    rng = np.random.default_rng(0)
    wrong, quality, flagged = rng.random(200) < 0.3, rng.random(200), rng.random(200) < 0.4
    assert scores.f1(wrong, flagged) == pytest.approx(f1_score(wrong, flagged))
    assert scores.average_precision(wrong, quality) == pytest.approx(average_precision_score(wrong, -quality))
    table = wrong.reshape(50, 4), quality.reshape(50, 4)
    assert scores.average_precision(*table) == scores.average_precision(wrong, quality)
    assert scores.f1(np.zeros(3, bool), flagged[:3]) is None
    assert scores.average_precision(np.zeros(3, bool), quality[:3]) is None


def test_raw_scores_are_the_peers():
    # cleanlab 2.9.0 on the same arrays
    probs = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.25, 0.25, 0.5]])
    found = scores.raw_scores(np.array([0, 2, 1]), probs)
    assert found["self_confidence"] == pytest.approx([0.7, 0.3, 0.25])
    assert found["normalized_margin"] == pytest.approx([0.75, 0.35, 0.375])
    golden = [0.68503362, 0.48263383, 0.41357138]
    assert found["confidence_weighted_entropy"] == pytest.approx(golden, abs=1e-5)


def test_a_promise_counts_the_flagged_alone():
    p_error = np.array([0.9, 0.7, 0.1, 0.8])
    found = scores.promise(GIVEN != TRUTH, FLAGGED, 0.85, p_error)
    assert found == {"n": 3, "promised": 0.85, "p_error": pytest.approx(0.8), "real": pytest.approx(2 / 3)}
    assert scores.promise(GIVEN != TRUTH, np.zeros(4, bool), float("nan"), p_error)["promised"] is None


@pytest.mark.parametrize("name", ["sym20", "sym40", "pair30", "confusable30"])
def test_digit_noise_has_its_share_and_form(name):
    truth = np.repeat(np.arange(10), 1000)
    given = noise.digit_noises(truth, np.random.default_rng(0))[name]
    moved = given != truth
    assert moved.mean() == pytest.approx(int(name[-2:]) / 100, abs=0.015)
    partners = [len(np.unique(given[moved & (truth == k)])) for k in range(10)]
    assert partners == [9 if name.startswith("sym") else 1] * 10


def test_confusable_digits_are_each_others_partners():
    assert noise.CONFUSABLE[noise.CONFUSABLE].tolist() == list(range(10))
    assert (np.arange(10) != noise.CONFUSABLE).all()


def test_swapped_entries_keep_every_class_as_frequent_as_it_was():
    truth = (np.random.default_rng(0).random((500, 3)) < [0.1, 0.4, 0.02]).astype(np.int8)
    given = noise.swapped_entries(truth, 0.1, np.random.default_rng(1))
    assert given.sum(0).tolist() == truth.sum(0).tolist()
    assert ((given != truth).sum(0) == 2 * np.round(0.1 * truth.sum(0))).all()


@pytest.mark.parametrize("whole", [True, False])
def test_wrong_numbers_always_differ(whole):
    truth = np.random.default_rng(0).normal(10, 3, 1000)
    truth = np.round(truth) if whole else truth
    given = noise.numbers(truth, 0.1, np.random.default_rng(1))
    assert (given != truth).sum() == 100
    assert not whole or (given == np.round(given)).all()
    far = np.abs(given - truth)[given != truth] / truth.std()
    assert np.sum(far > 1.4) >= 50


def test_out_of_fold_rows_are_predicted_by_models_that_did_not_see_them():
    from sklearn.neighbors import KNeighborsClassifier

    x, given = np.arange(40.0)[:, None], np.random.default_rng(0).integers(0, 3, 40)
    given[:5] = -1

    def nearest() -> KNeighborsClassifier:
        return KNeighborsClassifier(1)

    probs = models.class_probs(nearest, x, given, 3, folds=4, seed=0)
    assert probs.sum(1) == pytest.approx(np.ones(40))
    # the nearest neighbour of a row that was trained on would be itself
    fold = models.folds_of(40, 4, 0)
    for row in np.flatnonzero(given >= 0):
        others = np.flatnonzero((fold != fold[row]) & (given >= 0))
        gap = np.abs(others - row)
        assert probs[row].argmax() in given[others[gap == gap.min()]]


def test_out_of_fold_with_one_class_is_sure_of_it():
    given = np.zeros((6, 1), int)
    assert models.entry_probs(lambda: None, np.zeros((6, 1)), given).tolist() == [[0.0]] * 6


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 400)
    probs = np.where(truth[:, None] == np.arange(3), 0.9, 0.05).astype(np.float32)
    given = truth.copy()
    given[:40] = (given[:40] + 1) % 3
    return judged.Case("multiclass", given, probs, truth)


def test_an_obvious_case_scores_full_marks(case):
    found = judged.ours({"one": case})["one"]
    assert (found["ap"], found["f1"], found["right_flagged"], found["noise_left"]) == (1, 1, 1, 0)
    assert found["wrong"] == found["flagged"] == 0.1
    assert [found[f"promise.{p}"]["n"] for p in judged.PROMISES] == [40, 40]
    assert found["filled_right"] is None


def test_missing_labels_are_neither_wrong_nor_flagged_but_filled(case):
    case.given[-40:] = -1
    found = judged.ours({"one": case, "two": case})["one"]
    assert found["wrong"] == pytest.approx(40 / 360)
    assert found["filled_right"] == 1
    assert found["f1"] == 1


def test_without_a_peer_the_table_says_so(case, tmp_path):
    context = Context(tmp_path)
    assert judged.theirs(context, case) is None
    found = judged.both(context, {"one": case})
    line = rows.row("what", "≥ 1", [found["one"]["ours"]["ap"]], peers=rows.peers(found.values(), "ap", "x"))
    assert line["baseline"] == rows.ABSENT


def test_the_peers_default_and_best_are_named():
    cases = [{"peer": {"ap": {"a": 0.5, "b": 0.7}}}, {"peer": {"ap": {"a": 0.9, "b": 0.8}}}, {"peer": None}]
    assert rows.peers(cases, "ap", "a") == {"a (default)": 0.7, "b (best)": 0.75}
    assert rows.peers(cases, "ap", "a", lowest=True)["a (best)"] == 0.7


def test_a_row_is_decided_by_the_mean():
    line = rows.row("x", "≥ 80", [0.7, None, 0.9], lambda v: v >= 79.9, peers={"p": 0.5})
    assert line["measured"] == "80.0 [70.0 to 90.0]"
    assert line["met"] is True
    assert rows.markdown([line]).splitlines()[-1] == "| x | ≥ 80 | 80.0 [70.0 to 90.0] | p 50.0 | yes |"
    assert rows.row("x", "≥ 80", [], lambda v: True)["met"] is None


def test_promises_pool_seeds_and_leave_small_sets_out():
    def seed(n, real):
        entry = {"n": n, "promised": 0.9, "p_error": 0.92, "real": real}
        return {"cases": {"a": {"ours": {"promise.0.9": entry}}}}

    raw = {"digits": {"0": seed(60, 0.9), "1": seed(20, 0.5)}, "few": {"0": seed(49, 0.0)}, "bad": {"0": {}}}
    assert promises.kept(raw, 0.9) == {
        "digits, a": {
            "promised": pytest.approx(0.9),
            "p_error": pytest.approx(0.92),
            "real": pytest.approx(0.8),
        }
    }
    average, worst, section = promises.rows(raw)
    assert section["what"].startswith("promises at 0.9, digits")
    assert "|" not in average["what"]
    assert average["value"] == pytest.approx(10)
    assert (worst["value"], worst["met"]) == (pytest.approx(-10), False)


def test_what_was_made_is_read_back_until_its_input_changes(tmp_path):
    made, array = [], np.arange(3)

    def make():
        made.append(1)
        return array * 2

    for _ in range(2):
        assert kept(Context(tmp_path), "x", [array], make).tolist() == [0, 2, 4]
    kept(Context(tmp_path), "x", [array + 1], make)
    assert len(made) == 2
    assert digest([array]) != digest([array.astype(np.int8)])


def test_a_failing_section_is_a_row_and_is_not_kept(tmp_path, monkeypatch, capsys):
    def broken(seed, context):
        raise ValueError("no such thing")

    monkeypatch.setitem(label_errors.SECTIONS, "digits", (broken, lambda raws: []))
    found = label_errors.measured("digits", 0, Context(tmp_path), again=False)
    assert found == {"error": "ValueError: no such thing"}
    [line] = label_errors.lines("digits", {"digits": {"0": found}})
    assert line["met"] is False
    assert not list(tmp_path.rglob("scores.json"))
    assert "no such thing" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="reads Linux's /proc")
def test_a_call_is_charged_with_the_memory_it_takes():
    def call():
        taken = np.ones(8_000_000)
        time.sleep(0.1)
        return taken

    found = clocked(call)
    assert found["seconds"] >= 0.1
    assert found["anonymous"] > 60e6
    assert found["peak"] > 60e6


def test_the_peers_script_imports_nothing_of_ours():
    tree = ast.walk(ast.parse(SCRIPT.read_text(encoding="utf-8")))
    found = {n.module.split(".")[0] for n in tree if isinstance(n, ast.ImportFrom) and n.module}
    tree = ast.walk(ast.parse(SCRIPT.read_text(encoding="utf-8")))
    found |= {a.name for n in tree if isinstance(n, ast.Import) for a in n.names}
    assert found - sys.stdlib_module_names == {"numpy", "cleanlab"}


@pytest.mark.skipif(
    handover.interpreter(None) is None, reason="cleanlab is not installed in this environment"
)
def test_the_peer_answers(case, tmp_path):
    found = judged.theirs(Context(tmp_path, handover.interpreter(None)), case)
    assert found["ap"]["self_confidence"] == 1
    assert found["f1"]["prune_by_noise_rate"] == 1


def test_the_joint_cross_fit_keeps_the_order_of_the_rows_and_what_it_made(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 120)
    table = pd.DataFrame(
        {"id": np.arange(120), "x": truth + rng.normal(0, 0.01, 120), "a": truth, "b": 1 - truth}
    )
    table.sample(frac=1, random_state=0).sort_values("id", ascending=False).to_csv(
        tmp_path / "t.csv", index=False
    )
    config = tmp_path / "t.yaml"
    settings = {
        "datasets": {"t": {"path": "t.csv", "inputs": {"tabular": ["x"]}, "id": "id"}},
        "tasks": {t: {"kind": "binary", "labels": {"t": t}} for t in "ab"},
        "training": {"folds": 2, "epochs": 15, "learning_rate": 0.05},
    }
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    found = crossfit.cross_fit(config, ["a", "b"])
    assert ((found.probs["a"][:, 1] > 0.5) == truth).mean() > 0.9
    assert ((found.probs["b"][:, 1] > 0.5) == truth).mean() < 0.1
    assert found.seconds > 0
    again = crossfit.cross_fit(config, ["a", "b"])
    assert again.seconds == found.seconds
    assert list(crossfit.cross_fit(config, ["b"]).probs) == ["b"]


def test_image_features_are_standardised_and_tell_an_edge_from_none():
    from PIL import Image

    def jpg(pixels):
        file = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(file, "jpeg")
        return file.getvalue()

    plain, edge = np.full((32, 32, 3), 128), np.full((32, 32, 3), 20)
    edge[:, 16:] = 230
    found = images.histograms([jpg(p) for p in (plain, edge, edge.transpose(1, 0, 2))])
    assert found.shape == (3, 633)
    assert found.mean(0) == pytest.approx(np.zeros(633), abs=1e-4)
    assert np.abs(found[1] - found[2]).max() > 1


def test_the_arrays_of_the_speed_section_are_probabilities(tmp_path):
    speed.write(tmp_path, 5000, 10, 0)
    labels, probs = np.load(tmp_path / "labels.npy"), np.load(tmp_path / "probs.npy")
    assert probs.dtype == np.float32
    assert probs.sum(1) == pytest.approx(np.ones(5000), abs=1e-5)
    assert 0.5 < (probs.argmax(1) == labels).mean() < 0.8


def test_votes_are_scored_on_the_rows_with_a_vote():
    table, truth = np.array([[0, -1], [1, 0], [-1, -1], [1, 1]]), np.array([0, 1, 1, 0])
    label, confidence = np.array([0, 1, 0, 1]), np.array([0.9, 0.6, np.nan, 0.9])
    quality = np.array([[0.9, np.nan], [0.8, 0.3], [np.nan, np.nan], [0.2, 0.1]])
    found = votes.scored(label, confidence, quality, table, truth)
    # three rows, two right; the three wrong votes have the three lowest qualities
    assert found == {"right": pytest.approx(2 / 3), "bold": pytest.approx(0.8 - 2 / 3), "ap": 1.0}


def test_text_probabilities_are_out_of_fold_and_follow_soft_labels():
    from scipy.sparse import csr_matrix

    fold, sure = np.repeat([0, 1], 20), np.tile([0.1, 0.9], 20)
    x = csr_matrix((sure > 0.5).astype(float)[:, None])
    soft = np.stack([1 - sure, sure], axis=1)
    found = votes.text_probs(x, soft, fold, 1e3)
    assert found[:, 1] == pytest.approx(sure, abs=0.01)  # the closed form: a cell's share of soft labels
    flipped = soft.copy()
    flipped[:20] = soft[:20, ::-1]
    assert votes.text_probs(x, flipped, fold, 1e3)[:20] == pytest.approx(found[:20])


def test_the_headline_of_the_votes_hides_the_rules_words():
    assert votes.VARIANTS[votes.HEADLINE] == (True, "video", 5.0)
    each = {"ours": {"right": 0.93, "bold": 0.0, "ap": 0.9}, "peer": {"right": 0.9, "bold": 0.0, "ap": 0.8}}
    alone = dict.fromkeys(votes.METHODS, each["ours"])
    youtube = {"rounds": dict.fromkeys(votes.VARIANTS, each), "votes": alone}
    found = votes.rows([{"youtube": youtube, "cifar10n": {**each, "votes": alone, "model": 0.5}}])
    assert [r["met"] for r in found if r["met"] is not None] == [True]
    assert "CROWDLAB 90.0" in found[0]["baseline"] and found[0]["value"] == pytest.approx(93)


@pytest.mark.skipif(
    handover.interpreter(None) is None, reason="cleanlab is not installed in this environment"
)
def test_the_peer_is_asked_about_rows_and_people_with_a_vote(tmp_path):
    truth = np.arange(60) % 2
    table = np.stack([truth, truth, 1 - truth, np.full(60, -1)], axis=1)
    table[0] = -1
    probs = np.where(truth[:, None] == np.arange(2), 0.9, 0.1)
    found = votes.theirs(Context(tmp_path, handover.interpreter(None)), table, probs, truth)
    assert found is not None and found["right"] == 1.0
