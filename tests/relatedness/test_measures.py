"""The measures before training, against closed forms, peers and what must hold for every one of them."""

from functools import cache
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, vstack
from scipy.stats import multivariate_normal, spearmanr
from scipy.stats.contingency import association as scipy_association
from sklearn.linear_model import Ridge
from sklearn.metrics import normalized_mutual_info_score

from jointset.audit.features.texts import text_terms
from jointset.errors import ArrayError
from jointset.relatedness import MEASURES, Material, affinity, association, fisher, information, mmd, probed
from jointset.relatedness.association import _drawn, _pair, correlation_ratio, cramers_v
from jointset.relatedness.columns import coded, table
from jointset.relatedness.fisher import embedding
from jointset.relatedness.h_score import h_score_of
from jointset.relatedness.information import _drawn as _informed
from jointset.relatedness.information import entropy, mutual_information, normalised, uncertainty
from jointset.relatedness.leep import leep_score
from jointset.relatedness.logme import evidence, gains, logme_score
from jointset.relatedness.probes import folds_of
from jointset.relatedness.term_probes import probed_terms

SYMMETRIC = ("fisher", "proxy_a", "mmd")
counts = st.lists(st.lists(st.integers(1, 30), min_size=3, max_size=3), min_size=2, max_size=4)


@cache
def material(seed: int = 0, n: int = 300) -> Material:
    """Tasks of every kind on shared rows, some labels missing; `random` follows nothing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6))
    level = np.digitize(x[:, 0], [-0.5, 0.5])
    words = np.array(["low calm", "mid even", "high loud"], object)[level]
    labels = {
        "level": np.where(rng.random(n) < 0.2, -1, level),
        "positive": (x[:, 0] + 0.3 * rng.normal(size=n) > 0).astype(int),
        "amount": np.where(rng.random(n) < 0.1, np.nan, x[:, 0] + 0.1 * rng.normal(size=n)),
        "tags": np.stack([x[:, 0] > 0, x[:, 1] > 0], axis=1).astype(np.int8),
        "random": rng.integers(3, size=n),
    }
    return Material(labels, features=x, texts=words.tolist(), seed=seed)


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_gives_a_matrix_within_its_bounds(name):
    found = affinity(name, material())
    values = found.values[np.isfinite(found.values)]
    assert found.tasks == ("level", "positive", "amount", "tags", "random") and found.measure == name
    assert len(values) and values.min() >= found.bounds[0] - 1e-9 and values.max() <= found.bounds[1] + 1e-9
    assert found.support.max() > 0 and found.seconds >= 0


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_repeats_itself_and_follows_the_order_of_tasks(name):
    one = material()
    turned = Material(dict(reversed(list(one.labels.items()))), one.features, one.texts, one.groups, one.seed)
    first, again, other = affinity(name, one), affinity(name, one), affinity(name, turned)
    np.testing.assert_array_equal(first.values, again.values)
    close = 0.05 if name in ("proxy_a", "mmd") else 1e-9  # the sides of a draw change places
    np.testing.assert_allclose(first.values, other.values[::-1, ::-1], atol=close)


@pytest.mark.parametrize("name", MEASURES)
def test_names_of_classes_do_not_matter(name):
    one = material()
    labels = {**one.labels, "level": np.where(one.labels["level"] < 0, -1, 2 - one.labels["level"])}
    renamed = Material(labels, one.features, one.texts, one.groups, one.seed)
    close = (
        0.02 if MEASURES[name].reads == ("outputs", "nulls") else 1e-3
    )  # chance draws, and steps of an optimiser
    np.testing.assert_allclose(affinity(name, one).values, affinity(name, renamed).values, atol=close)


@pytest.mark.parametrize("name", ["association", "information", "leep", "logme", "h_score", "fisher"])
def test_what_is_related_is_found_and_what_is_random_is_not(name):
    found = affinity(name, material(1, 600))
    assert found["positive", "level"] > 2 * found["random", "level"]
    assert found.top("positive")[-1][0] == "random"
    if found.chance is not None:
        assert found.above_chance()[found.index("amount"), found.index("level")]
        assert not found.above_chance()[found.index("level"), found.index("random")]
        assert not found.above_chance()[found.index("random"), found.index("tags")]


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_measures_are(name):
    found = affinity(name, material())
    np.testing.assert_array_equal(found.values, found.values.T)
    assert found.symmetric


@pytest.mark.parametrize("name", ["logme", "h_score", "fisher", "mmd", "proxy_a", "leep"])
def test_the_unit_of_a_feature_does_not_matter(name):
    one = material()
    scaled = Material(one.labels, one.features * [1, 10, 0.1, 3, 1, 7] + 5, one.texts, None, one.seed)
    np.testing.assert_allclose(affinity(name, one).values, affinity(name, scaled).values, atol=1e-6)


@given(counts)
def test_cramers_v_before_its_correction_is_scipys(rows):
    given = np.array(rows, float)
    assert cramers_v(given, corrected=False) == pytest.approx(
        scipy_association(given.astype(int), method="cramer"), abs=1e-9
    )
    assert 0 <= cramers_v(given) <= 1


def test_cramers_v_by_hand():
    # Bergsma (2013): φ² = 0.36, n = 100: φ̃² = .36 − 1/99, k̃ = r̃ = 2 − 1/99
    expected = np.sqrt((0.36 - 1 / 99) / (1 - 1 / 99))
    assert cramers_v(np.array([[40.0, 10.0], [10.0, 40.0]])) == pytest.approx(expected)


def test_cramers_v_of_independent_labels_has_no_bias():
    rng = np.random.default_rng(0)
    plain, mended = [], []
    for _ in range(200):
        found = table(rng.integers(6, size=60), rng.integers(6, size=60))
        plain.append(cramers_v(found, corrected=False) ** 2)
        mended.append(cramers_v(found) ** 2)
    assert np.mean(plain) > 0.07 and np.mean(mended) < 0.02


@given(counts)
def test_information_of_a_table(rows):
    given = np.array(rows, float)
    a, b = (np.repeat(i.ravel(), given.ravel().astype(int)) for i in np.indices(given.shape))
    assert normalised(given) == pytest.approx(normalized_mutual_info_score(a, b), abs=1e-9)
    told = mutual_information(given)
    assert uncertainty(given, corrected=False) == pytest.approx(told / entropy(given.sum(0)), abs=1e-9)
    assert uncertainty(given) <= uncertainty(given, corrected=False) + 1e-12


def test_the_correlation_ratio_by_hand_and_its_link_to_the_f_test():
    # Wikipedia's worked example: marks in algebra, geometry and statistics, η² = 6780 / 9640
    marks = [[45, 70, 29, 15, 21], [40, 20, 30, 42], [65, 95, 80, 70, 85, 73]]
    values = np.array([v for group in marks for v in group], float)
    classes = np.repeat([0, 1, 2], [5, 4, 6])
    assert correlation_ratio(classes, values, corrected=False) == pytest.approx(6780 / 9640)
    assert correlation_ratio(classes, values * -3 + 2) == pytest.approx(correlation_ratio(classes, values))


def test_numbers_are_compared_by_rank():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=50), rng.normal(size=50)
    a[:5] = np.nan
    found = association({"a": a, "b": b, "c": np.exp(b)})
    assert found["a", "b"] == pytest.approx(abs(spearmanr(a[5:], b[5:]).statistic), abs=1e-9)
    assert found["a", "b"] == found["a", "c"] and found["b", "c"] == 1.0
    assert found.support[0, 1] == 45


def test_a_constant_number_has_no_association_whatever_its_value():
    a, other = np.arange(200) % 2, np.arange(200.0)
    for value in np.round(np.arange(0.1, 5, 0.1), 1):
        found = association({"a": a, "constant": np.full(200, value), "other": other})
        assert np.isnan(found.values[1]).all() and np.isnan(found.values[:, 1]).all()
        by_rounding = np.full(200, value) * (1 + 1e-15 * a)
        assert np.isnan(association({"a": a, "b": by_rounding, "c": other}).values[1]).all()


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_the_unit_of_a_number_does_not_matter(unit):
    rng = np.random.default_rng(0)
    a, number = np.arange(200) % 2, rng.normal(size=200) + np.arange(200) % 2
    found, other = (association({"a": a, "n": n}) for n in (number, unit * number))
    np.testing.assert_allclose(found.values, other.values, atol=1e-9)
    np.testing.assert_allclose(found.chance, other.chance, atol=1e-9)


def test_half_precision_does_not_overflow():
    rng = np.random.default_rng(0)
    a = np.arange(200) % 2
    number = ((rng.normal(size=200) + 2 * a) * 1e4).astype(np.float16)
    found = association({"a": a, "n": number})
    assert (
        found["n", "a"] > 0.5
        and found["n", "a"] == association({"a": a, "n": number.astype(float)})["n", "a"]
    )


def test_true_and_false_are_classes():
    one = material()
    plain = {**one.labels, "positive": np.asarray(one.labels["positive"])}
    truth = {**one.labels, "positive": plain["positive"] == 1, "tags": plain["tags"] == 1}
    for name in MEASURES:
        given, other = (Material(y, one.features, one.texts, None, one.seed) for y in (plain, truth))
        np.testing.assert_array_equal(affinity(name, given).values, affinity(name, other).values)


KINDS = {
    "numbers": lambda rng, n: rng.normal(size=n),
    "prices": lambda rng, n: np.exp(rng.normal(size=n)),
    "classes": lambda rng, n: rng.integers(3, size=n),
    "sets": lambda rng, n: (rng.random((n, 6)) < 0.2).astype(int),
}


@pytest.mark.parametrize("measure", [association, information])
@pytest.mark.parametrize(
    ("a", "b", "n"),
    [("numbers", "prices", 12), ("classes", "classes", 40), ("prices", "classes", 40), ("sets", "sets", 60),
     ("numbers", "sets", 60)],
)  # fmt: skip
def test_one_in_twenty_unrelated_pairs_is_above_chance(measure, a, b, n):
    rng = np.random.default_rng(0)
    above = []
    for seed in range(100):
        found = measure({"a": KINDS[a](rng, n), "b": KINDS[b](rng, n)}, seed=seed)
        above.append(found.above_chance()[0, 1])
    assert np.mean(above) <= 0.12  # of 100 draws at .05, more than 12 come once in 700


@pytest.mark.parametrize("measure", [association, information])
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_what_follows_another_label_is_above_chance_both_ways(measure, kind):
    rng = np.random.default_rng(0)
    for seed in range(20):
        a = KINDS[kind](rng, 120)
        noisy = np.where(rng.random(120) < 0.5, a, KINDS[kind](rng, 120))
        found = measure({"a": a, "b": noisy}, seed=seed)
        assert found.above_chance()[0, 1] and found.above_chance()[1, 0]


def _of_rows(a, b):
    rows = (a >= 0) & (b >= 0)
    return uncertainty(table(a[rows], b[rows]))


@pytest.mark.parametrize(
    ("drawn", "plain_one"), [(_drawn, lambda a, b: _pair(a, b)[0]), (_informed, _of_rows)]
)
def test_permuted_values_are_those_of_the_permuted_labels(drawn, plain_one):
    """The product of matrices against the plain functions, with missing labels on both sides."""
    rng, n = np.random.default_rng(0), 80
    columns = {
        "classes": [np.where(rng.random(n) < 0.2, -1, rng.integers(4, size=n))],
        "sets": list(np.where(rng.random((3, n)) < 0.2, -1, rng.integers(2, size=(3, n)))),
        "numbers": [np.where(rng.random(n) < 0.2, np.nan, 5 + np.exp(rng.normal(size=n)))],
    }
    if drawn is _informed:
        columns = {name: [coded(c) for c in parts] for name, parts in columns.items()}
    orders = np.stack([np.arange(n), rng.permutation(n)])
    for one, other in combinations(columns, 2):
        for source, target in ((one, other), (other, one)):
            found = drawn(columns[source], columns[target], orders)
            for b, order in enumerate(orders):
                plain = [[plain_one(x, y[order]) for y in columns[target]] for x in columns[source]]
                np.testing.assert_allclose(found[b], plain, atol=1e-6)


def test_the_chance_between_numbers_is_the_critical_value_of_spearmans_rho():
    found = association({"a": np.arange(30.0), "b": np.sin(np.arange(30.0))})
    assert found.chance[0, 1] == pytest.approx(0.362, abs=0.003)  # Zar's table: n = 30, two-sided .05


def test_labels_without_shared_rows_have_no_association():
    y = np.arange(40) % 2
    found = association({"a": np.where(np.arange(40) < 20, y, -1), "b": np.where(np.arange(40) < 20, -1, y)})
    assert np.isnan(found["a", "b"]) and found.top("a") == []


def test_information_is_directed():
    fine = np.tile(np.arange(6), 100)
    found = information({"fine": fine, "coarse": fine // 3})
    assert found["fine", "coarse"] > 0.98 and found["coarse", "fine"] == pytest.approx(
        1 / np.log2(6), abs=0.01
    )


@given(st.integers(0, 1000), st.integers(2, 4), st.integers(2, 4))
def test_leep_lies_between_what_hard_classes_say_and_nothing(seed, wide, classes):
    """LEEP ≥ −H(y | z) ≥ −H(y) by Jensen's inequality, with z drawn from the source's probabilities."""
    rng = np.random.default_rng(seed)
    soft, y = rng.dirichlet(np.ones(wide), size=60), rng.integers(classes, size=60)
    joint = np.stack([soft[y == k].sum(0) for k in np.unique(y)]) / 60
    conditional = -(joint * np.log(joint / joint.sum(0))).sum()
    assert -entropy(np.bincount(y).astype(float)) - 1e-9 <= -conditional - 1e-9 + 1e-9
    assert -conditional - 1e-9 <= leep_score(soft, y) <= 1e-12


def test_leep_by_hand():
    # θ(x) = (.8, .2) for y = 0 twice, (.3, .7) for y = 1 twice: P(0 | z) = (1.6 / 2.2, .4 / 1.8)
    soft, y = np.array([[0.8, 0.2]] * 2 + [[0.3, 0.7]] * 2), np.array([0, 0, 1, 1])
    zero = 0.8 * 1.6 / 2.2 + 0.2 * 0.4 / 1.8
    one = 0.3 * 0.6 / 2.2 + 0.7 * 1.4 / 1.8
    assert leep_score(soft, y) == pytest.approx((np.log(zero) + np.log(one)) / 2)


@pytest.mark.parametrize("seed", range(4))
def test_logme_is_the_greatest_evidence(seed):
    """The fixed point against a general optimiser on the normal density of the labels themselves."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(25, 4))
    y = features @ rng.normal(size=4) + rng.normal(size=25)

    def against(logs):
        alpha, beta = np.exp(logs)
        cov = features @ features.T / alpha + np.eye(25) / beta
        return -multivariate_normal.logpdf(y, np.zeros(25), cov) / 25

    best = minimize(against, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10})
    assert logme_score(features, y) == pytest.approx(-best.fun, abs=1e-5)


@given(st.integers(0, 1000))
def test_logme_does_not_turn_with_the_features(seed):
    rng = np.random.default_rng(seed)
    features, y = rng.normal(size=(40, 3)), rng.integers(3, size=40)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert logme_score(features @ turn, y) == pytest.approx(logme_score(features, y), abs=1e-6)
    assert gains(features, y, 3, rng).min() >= 0


def test_logme_of_more_columns_than_rows_and_of_no_relation():
    rng = np.random.default_rng(0)
    wide = evidence(rng.normal(size=(20, 50)), rng.normal(size=(20, 2)))
    assert wide.shape == (2,) and np.isfinite(wide).all()
    nothing = gains(rng.normal(size=(500, 3)), rng.normal(size=500), 0, rng)
    assert 0 <= nothing[0] < 0.02


def test_the_h_score_of_a_number_and_two_classes_is_the_correlation_ratio():
    rng = np.random.default_rng(0)
    y = np.arange(50) % 2
    x = rng.normal(size=50) + y
    eta = correlation_ratio(y, x, corrected=False)
    assert h_score_of(x[:, None], y, regularised=False) == pytest.approx(eta)


def test_the_h_score_is_the_definition_and_does_not_change_under_linear_maps():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 3)), rng.integers(4, size=80)
    means = np.stack([x[y == k].mean(0) for k in range(4)])[y]
    defined = np.trace(np.linalg.inv(np.cov(x.T, bias=True)) @ np.cov(means.T, bias=True))
    plain = h_score_of(x, y, regularised=False)
    assert plain == pytest.approx(defined)
    assert h_score_of(x @ rng.normal(size=(3, 3)), y, regularised=False) == pytest.approx(plain)
    assert (
        h_score_of(rng.normal(size=(30, 60)), np.arange(30) % 2) < 1.0
    )  # unregularised it is 1 by dimension


def test_fisher_embeddings_are_the_mean_square_of_a_scales_gradient():
    """Against the definition, by finite differences of the log-probability in the scale of each column."""
    from jointset.relatedness.probes import logistic

    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    y = np.digitize(x[:, 0] + 0.5 * rng.normal(size=60), [-0.5, 0.5])
    model = logistic(x, y)

    def log_p(scale):
        z = (x * scale) @ model.coef_.T + model.intercept_
        return z - np.log(np.exp(z).sum(1, keepdims=True))

    p, step = np.exp(log_p(np.ones(3))), 1e-5
    for j in range(3):
        nudge = np.eye(3)[j] * step
        slope = (log_p(1 + nudge) - log_p(1 - nudge)) / (2 * step)
        assert embedding(x, y)[j] == pytest.approx((p * slope**2).sum(1).mean(), rel=1e-4)


def test_a_task_is_nearest_to_itself():
    found = fisher(material().labels, material().features)
    assert np.allclose(np.diag(found.values), 1) and (found.values <= 1).all()


def test_inputs_that_move_apart_are_less_alike():
    rng = np.random.default_rng(0)
    rows = {"a": np.repeat([0, -1], 150), "b": np.repeat([-1, 0], 150)}
    for name in ("proxy_a", "mmd"):
        found = [
            affinity(name, Material(rows, rng.normal(size=(300, 2)) + np.repeat([0, far], 150)[:, None]))[
                "a", "b"
            ]
            for far in (0.0, 1.0, 4.0)
        ]
        assert found[0] > found[1] > found[2]


def test_probes_do_not_see_the_row_they_predict():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 40)), rng.integers(2, size=60)
    right = (probed({"t": y}, x)["t"].argmax(1) == y).mean()
    assert right < 0.75  # a model that had seen the rows is right on all of them
    twice = probed({"t": np.tile(y, 2)}, np.tile(x, (2, 1)), groups=np.tile(np.arange(60), 2))["t"]
    assert (twice.argmax(1) == np.tile(y, 2)).mean() < 0.75


def words(kind, n, rng):
    """Texts of 40 common words, and one of two words that say what ``kind`` ``(n,)`` is."""
    common = rng.integers(40, size=(n, 12))
    telling = np.array([["dull", "fine"], ["poor", "great"]])[rng.integers(2, size=n), kind]
    return [" ".join([*(f"w{i}" for i in row), word]) for row, word in zip(common, telling, strict=True)]


def test_terms_tell_what_a_source_learnt_from_few_labels_of_the_target():
    rng = np.random.default_rng(0)
    kind = rng.integers(2, size=660)
    x = text_terms(words(kind, 660, rng))
    side = np.repeat(["source", "other", "target"], [300, 300, 60])
    labels = {
        "source": np.where(side == "source", kind, -1),
        "other": np.where(side == "other", rng.integers(2, size=660), -1),
        "target": np.where(side == "target", kind, -1),
    }
    material = Material(labels, terms=x)
    for name in ("leep", "logme", "h_score"):
        found = affinity(name, material)
        above = found.above_chance()
        assert above[0, 2] and found["source", "target"] > 5 * found["other", "target"], name
    assert material.has("leep") and not material.has("fisher")


def test_probes_of_terms_do_not_see_the_row_and_solve_the_normal_equations():
    rng = np.random.default_rng(1)
    x, y = csr_matrix(rng.normal(size=(60, 8)) / 3), rng.integers(3, size=60)
    said, chance = probed_terms({"t": y}, x, draws=3)
    fold = folds_of(60, None, 2, 0)
    train, one = fold == 1, np.eye(3)[y]
    own = Ridge(alpha=1.0, fit_intercept=False).fit(x.toarray()[train], one[train] - one[train].mean(0))
    expected = np.clip(own.predict(x.toarray()[~train]) + one[train].mean(0), 1e-4, 1 - 1e-4)
    np.testing.assert_allclose(said["t"][~train], expected, atol=1e-9)
    assert len(chance) == 3 and not np.allclose(chance[0]["t"], chance[1]["t"])
    twice = probed_terms({"t": np.tile(y, 2)}, vstack([x, x]).tocsr(), groups=np.tile(np.arange(60), 2))[0][
        "t"
    ]
    assert (twice.argmax(1) == np.tile(y, 2)).mean() < 0.6
    with pytest.raises(ArrayError, match="terms: 60 rows for 3 rows"):
        probed_terms({"t": y[:3]}, x)


def test_mistakes_are_told():
    y = np.arange(30) % 2
    with pytest.raises(ArrayError, match=r"no measure of relatedness is called 'leap'.*'leep'"):
        affinity("leap", Material({"a": y}))
    with pytest.raises(ArrayError, match="measure fisher: it reads features"):
        affinity("fisher", Material({"a": y}))
    with pytest.raises(ArrayError, match="task b: labels must be 30"):
        association({"a": y, "b": y[:5]})
    with pytest.raises(ArrayError, match="features must be finite numbers"):
        mmd({"a": y}, np.full((30, 2), np.nan))
    with pytest.raises(ArrayError, match="no task 'b'"):
        association({"a": y}).top("b")
