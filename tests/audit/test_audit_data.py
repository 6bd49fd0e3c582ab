"""Long tails, outliers, broken media, missing values, diversity, and the score of them all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointset.audit import (
    area,
    broken_images,
    broken_sounds,
    broken_texts,
    data_quality,
    diversity,
    find_missing_values,
    find_outliers,
    find_uncertain,
    image_features,
    long_tail,
    sound_features,
    table_features,
    text_features,
    vendi_score,
)
from jointset.audit.crossfit import cross_fitted, spreads
from jointset.audit.data_quality import WEIGHTS
from jointset.audit.nearest import nearest
from jointset.errors import ArrayError


def test_the_effective_number_is_that_of_cui():
    # equation 2 with n = 10 and beta = 0.9: (1 - 0.9^10) / 0.1
    assert long_tail([0] * 10, 1, beta=0.9).effective[0] == pytest.approx(6.5132156)
    assert long_tail([0] * 10, 1, beta=0.0).effective[0] == 1.0


def test_accuracy_by_band_and_classes_that_cannot_be_judged():
    y = np.r_[np.repeat([0, 1, 2], [300, 100, 6]), np.repeat([0, 1, 2], [60, 30, 3])]
    held = np.arange(len(y)) >= 406
    predicted = np.where(y == 2, 0, y)
    found = long_tail(y, 3, names=["a", "b", "c"], held_out=held, predicted=predicted)
    assert found.accuracy["head"][0] == 1.0 and found.accuracy["tail"][0] == 0.0
    assert found.accuracy["tail"][2] > 0.5  # three rows say little
    codes = dict(zip(found.findings.code, found.findings.subject, strict=True))
    assert codes["rare_class"] == codes["unjudged_class"] == "c" and found.ratio == 50
    sets = np.array([[1, 0], [1, 1], [1, -1]])
    assert long_tail(sets, 2).counts.tolist() == [3, 1]


def test_far_rows_are_found_in_every_direction():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 10)) * np.geomspace(1, 100, 10)
    wrong = rng.permutation(1000)[:10]
    x[wrong] += 12 * np.geomspace(1, 100, 10) * rng.choice([-1, 1], (10, 10))
    found = find_outliers(x)
    assert area(np.isin(np.arange(1000), wrong).astype(int), -found.score) == 1.0
    assert set(found.findings.row) == set(wrong)
    assert find_outliers(rng.normal(size=(1000, 10))).findings.code.tolist() == []
    assert (found.score[found.is_outlier] < 0.5).all() and (found.score[~found.is_outlier] >= 0.5).all()


@pytest.mark.parametrize(("values", "rows"), [(3, 500), (4, 500), (6, 500), (10, 2000)])
def test_columns_of_few_values_do_not_hide_an_outlier(values, rows):
    rng = np.random.default_rng(0)
    for seed in range(5):
        x = rng.integers(0, values, size=(rows, 2)).astype(float)
        assert find_outliers(x, seed=seed).outcome == "passed"
        x[seed] = 1e6
        assert np.flatnonzero(find_outliers(x, seed=seed).is_outlier).tolist() == [seed]


def test_many_unnamed_copies_do_not_hide_an_outlier():
    rng = np.random.default_rng(0)
    x = np.vstack([np.repeat(rng.normal(size=(30, 3)), 12, axis=0), rng.normal(size=(100, 3)), [[1e4] * 3]])
    assert np.flatnonzero(find_outliers(x).is_outlier).tolist() == [460]


def test_where_most_rows_are_one_nothing_is_said_of_outliers():
    x = np.zeros((100, 2))
    x[:30] = np.random.default_rng(0).normal(size=(30, 2))
    assert find_outliers(x).outcome == "not applicable"
    assert find_outliers(x, groups=np.r_[np.arange(30), np.full(70, 30)]).outcome == "passed"


@pytest.mark.parametrize("draw", ["normal", "uniform", "exponential"])
def test_alarms_about_outliers_are_rare(draw):
    rng = np.random.default_rng(0)
    found = [len(find_outliers(getattr(rng, draw)(size=(200, 3))).findings) for _ in range(40)]
    assert np.mean(np.array(found) > 0) <= 0.1


def test_copies_do_not_hide_an_outlier():
    x = np.vstack([np.random.default_rng(0).normal(size=(100, 3)), np.full((20, 3), 30.0)])
    copies = np.r_[np.arange(100), np.full(20, 100)]
    assert find_outliers(x, groups=copies).is_outlier[100:].all()


def test_the_approximate_search_finds_what_the_exact_one_does(monkeypatch):
    pytest.importorskip("faiss")
    x = np.random.default_rng(0).normal(size=(3000, 8)).astype(np.float32)
    exact = nearest(x, 5)
    monkeypatch.setattr("jointset.audit.nearest.EXACT", 100)
    near = nearest(x, 5)
    same = np.mean([len(np.intersect1d(a, b)) / 5 for a, b in zip(exact[1], near[1], strict=True)])
    assert same > 0.9 and np.isclose(near[0][:, 0], exact[0][:, 0]).mean() > 0.9
    assert (near[1] != np.arange(3000)[:, None]).all()


@given(st.integers(2, 30), st.integers(1, 4), st.integers(0, 5))
def test_no_row_is_its_own_neighbour(n, d, seed):
    x = np.random.default_rng(seed).integers(0, 3, (n, d)).astype(float)  # with copies
    distance, place = nearest(x, 3)
    assert (place != np.arange(n)[:, None]).all() and (np.diff(distance, axis=1) >= 0).all()
    want = np.sort(((x[:, None] - x[None]) ** 2).sum(-1) + np.where(np.eye(n), np.inf, 0), axis=1)[
        :, : place.shape[1]
    ]
    assert np.allclose(distance**2, want, atol=1e-5)


def test_uncertain_rows_stand_out_only_where_most_are_certain():
    assert find_uncertain([[0.5, 0.5]] * 5).outcome == "not applicable"
    assert find_uncertain([[0.99, 0.01]] * 50).outcome == "passed"


def test_broken_images_are_told_apart():
    rng = np.random.default_rng(0)
    sharp = [rng.integers(40, 220, (24, 24)).astype(np.uint8) for _ in range(20)]
    ramp = np.linspace(40, 220, 24).astype(np.uint8)[None, :].repeat(24, 0)
    images = [
        *sharp,
        np.full((24, 24), 90, np.uint8),
        ramp,
        sharp[0] // 9,
        255 - sharp[0] // 9,
        sharp[0][:4],
        None,
    ]
    found = broken_images(images, given=[True] * 26)
    by_row = dict(zip(found.findings.row.tolist(), found.findings.code.tolist(), strict=False))
    assert (by_row[20], by_row[22], by_row[23], by_row[24]) == (
        "image_flat",
        "image_dark",
        "image_bright",
        "image_odd_shape",
    )
    assert by_row[21] == "image_blurred" and by_row[25] == "unreadable" and not set(by_row) & set(range(20))
    assert broken_images([None]).outcome == "not applicable"


def test_broken_sounds_and_texts_are_told_apart():
    tone = 0.5 * np.sin(np.arange(4000) / 7)
    sounds = [
        tone,
        tone + 0.01,
        tone * 1e-4,
        np.clip(8 * tone, -1, 1),
        tone[:100],
        np.zeros(0),
        tone + 0.3,
        None,
    ]
    found = broken_sounds(sounds, given=[True] * 8)
    by_row = dict(zip(found.findings.row.tolist(), found.findings.code.tolist(), strict=True))
    codes = ["audio_silent", "audio_clipped", "audio_odd_length", "audio_empty", "audio_offset", "unreadable"]
    assert [by_row[i] for i in (2, 3, 4, 5, 6, 7)] == codes and 0 not in by_row and 1 not in by_row
    texts = ["a usual sentence of words", "another one, quite as usual"] * 5 + [
        "",
        "â€™ odd",
        "zzzzzzzzzzzzzz",
        "a<br>b",
        "x" + "\x00",
    ]
    found = broken_texts(texts)
    assert sorted(set(found.findings.row)) == [10, 11, 12, 13, 14]


def test_disguised_missing_values_are_found_and_honest_numbers_are_not():
    rng = np.random.default_rng(0)
    age = rng.normal(45, 12, 2000).clip(18, 90).round()
    columns = {
        "age": np.where(rng.random(2000) < 0.02, 999.0, age),
        "pressure": np.where(rng.random(2000) < 0.05, 0.0, rng.normal(70, 9, 2000).round(1)),
        "income": rng.lognormal(10, 1, 2000).round(2),
        "children": rng.poisson(1.2, 2000).astype(float),
        "gain": np.where(rng.random(2000) < 0.9, 0.0, rng.lognormal(8, 1, 2000).round()),
        "balance": rng.normal(0, 100, 2000).round(1),
        "capped": np.minimum(rng.exponential(30, 2000).round(1), 90.0),
        "job": rng.choice(np.array(["clerk", "nurse", "?", "Unknown"], object), 2000),
        "gone": np.where(rng.random(2000) < 0.4, np.nan, 1.5),
    }
    found = find_missing_values(columns)
    assert found.disguised == {"age": [999.0], "pressure": [0.0], "job": ["?", "Unknown"]}
    assert found.findings.subject[found.findings.code == "missing_values"].tolist() == ["gone"]
    assert found.mask["age"].sum() == (columns["age"] == 999).sum()


def test_vendi_is_the_number_of_orthogonal_kinds():
    assert vendi_score(np.repeat(np.eye(6), 9, axis=0)) == pytest.approx(6)
    assert vendi_score(np.ones((4, 3))) == pytest.approx(1)


def test_a_set_that_lacks_a_region_is_named():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(6, 4)) * 20
    x = np.vstack([c + rng.normal(size=(100, 4)) for c in centres])
    narrow = np.vstack([c + rng.normal(size=(100, 4)) for c in centres[:3]])
    found = diversity(np.vstack([x, narrow]), groups=np.repeat(["wide", "narrow"], [600, 300]))
    by = dict(zip(found.findings.code, found.findings.subject, strict=True))
    assert by["coverage_gap"] == "narrow" and by["low_coverage"] == "narrow of wide"
    # 100 rows of a region in each: about two in five have none of the others nearer than their fifth neighbour
    assert found.coverage[1, 0] > 0.9 and 0.4 < found.coverage[0, 1] < 0.55
    again = diversity(x[:40], copies=np.arange(40) // 2)
    assert again.findings.code.tolist() == ["redundancy"] and again.effective["all"] == 20


@given(st.dictionaries(st.sampled_from(list(WEIGHTS)), st.floats(0, 1), min_size=1))
def test_the_score_lies_between_its_worst_and_best_part_and_rises_with_each(parts):
    found = data_quality(parts)
    low, high = min(parts.values()), max(parts.values())
    assert max(low, 0.01) - 1e-3 <= found.score <= max(high, 0.01) + 1e-3
    better = data_quality({**parts, next(iter(parts)): 1.0})
    assert better.score >= found.score - 1e-9


def test_embeddings_put_like_inputs_near():
    rng = np.random.default_rng(0)
    tones = [np.sin(np.arange(3000) * f) + rng.normal(0, 0.05, 3000) for f in (0.05, 0.051, 0.9, 0.91)]
    stripes = [np.kron(rng.integers(0, 60, (4, 4)), np.ones((5, 5))) + o for o in (0, 0)]
    images = [stripes[0], stripes[0] + 2, stripes[1], stripes[1] + 2]
    words = ["good old book", "a good old book", "loud noise at night", "a loud noise at night"]
    table = {"x": np.array([1, 1.1, 9, 9.1]), "c": np.array(["a", "a", "b", "b"], object)}
    for points in (
        sound_features(tones),
        image_features([i.astype(np.uint8) for i in images]),
        text_features(words, width=3),
        table_features(table),
    ):
        assert nearest(points, 1)[1].ravel().tolist() == [1, 0, 3, 2]


def test_mistakes_are_one_clear_line():
    for call in (
        lambda: long_tail([0, 3], 2),
        lambda: long_tail([0.5], 1),
        lambda: long_tail([0], 1, beta=1),
        lambda: find_outliers([1.0, 2.0]),
        lambda: find_outliers([["a"]]),
        lambda: find_outliers(np.ones((40, 2)), groups=np.array([None, "a"] * 20, object)),
        lambda: find_missing_values({"a": [1], "b": [1, 2]}),
        lambda: diversity([[1.0], [2.0]], groups=["a"]),
        lambda: data_quality({"distict": 1.0}),
        lambda: data_quality({"distinct": 2.0}),
        lambda: table_features({}),
        lambda: nearest([[1.0], [2.0]], 0),
    ):
        with pytest.raises(ArrayError, match=r"^\S[^\n]+$"):
            call()


@pytest.mark.parametrize("unit", [1e-12, 1e12])
@pytest.mark.parametrize("standardise", [True, False])
def test_the_unit_does_not_decide_what_is_far(unit, standardise):
    x = np.random.default_rng(0).normal(size=(300, 4))
    x[:3] *= 30
    plain, scaled = (find_outliers(x * u, standardise=standardise) for u in (1.0, unit))
    assert plain.is_outlier[:3].all()
    np.testing.assert_array_equal(scaled.is_outlier, plain.is_outlier)
    np.testing.assert_allclose(scaled.findings.score, plain.findings.score, rtol=1e-4)


def test_spreads_of_many_rows_keep_their_digits():
    rng = np.random.default_rng(0)
    years = 2000 + rng.integers(0, 25, 200_000)
    x = np.stack([years, np.full(200_000, 3.3)], axis=1).astype(np.float32)
    assert spreads(x, none=-1.0) == pytest.approx([years.std(), -1.0], rel=1e-5)


def test_groups_of_mixed_types_are_refused():
    x, groups = np.random.default_rng(0).normal(size=(40, 2)), np.array([None, "a"] * 20, object)
    with pytest.raises(ArrayError, match=r"^groups: [^\n]*NoneType[^\n]*$"):
        cross_fitted(x, np.tile([0, 1], 20), 2, groups=groups)
