"""Training margins: heard where they tell right labels from wrong ones, and nowhere else."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from jointset.audit import find_label_errors, heed_margins
from jointset.audit.margins import MIN_LABELS


def drawn(n=3000, apart=1.5, seed=0):
    """P(error), calibrated by construction; which labels are wrong; margins of two kinds about a common slope."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.4, 1.6, n)
    wrong = rng.random(n) < p
    u = np.log(np.clip(p, 1e-6, 1 - 1e-6) / np.clip(1 - p, 1e-6, 1))
    margin = np.where(wrong, -apart, apart) - 0.2 * u + rng.normal(size=n)
    return p, wrong, margin, rng


@pytest.mark.parametrize("seed", range(3))
def test_margins_of_two_kinds_help(seed):
    p, wrong, margin, _ = drawn(seed=seed)
    after = heed_margins(p, margin)
    assert average_precision_score(wrong, after) > average_precision_score(wrong, p) + 0.1
    assert abs(after.mean() - wrong.mean()) < 0.02
    sure = after > 0.8
    assert abs(wrong[sure].mean() - after[sure].mean()) < 0.05


@pytest.mark.parametrize("seed", range(3))
def test_the_answer_is_that_of_the_true_mixture(seed):
    p, _, margin, _ = drawn(20_000, seed=seed)
    u = np.log(np.clip(p, 1e-6, 1 - 1e-6) / np.clip(1 - p, 1e-6, 1))
    odds = p / (1 - p) * np.exp(-0.5 * (margin + 1.5 + 0.2 * u) ** 2 + 0.5 * (margin - 1.5 + 0.2 * u) ** 2)
    np.testing.assert_allclose(heed_margins(p, margin), odds / (1 + odds), atol=0.05)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("reason", ["few long", "two lengths", "none", "constant", "slope", "turned"])
def test_margins_with_a_reason_of_their_own_are_refused(reason, seed):
    p, _, margin, rng = drawn(seed=seed)
    u = np.log(np.clip(p, 1e-6, 1 - 1e-6) / np.clip(1 - p, 1e-6, 1))
    long = rng.random(len(p)) < (0.1 if reason == "few long" else 0.3)
    lengths = np.where(long, -2.0, 2.0) - 0.5 * u + rng.normal(size=len(p))
    margin = {
        "few long": lengths,
        "two lengths": lengths,
        "none": rng.normal(size=len(p)),
        "constant": np.ones(len(p)),
        "slope": -u + rng.normal(size=len(p)),  # repeats what P(error) says
        "turned": -margin,  # wrong labels are the easy ones: that is not what a margin is
    }[reason]
    assert heed_margins(p, margin) is p


def test_what_is_not_known_is_left_alone():
    p, _, margin, rng = drawn()
    p[rng.random(len(p)) < 0.1] = np.nan
    margin[rng.random(len(p)) < 0.2] = np.nan
    before, said = p.copy(), margin.copy()
    after = heed_margins(p, margin)
    unheard = np.isnan(p) | np.isnan(margin)
    np.testing.assert_array_equal(after[unheard], p[unheard])
    assert (after[~unheard] != p[~unheard]).mean() > 0.9
    assert ((after[~unheard] >= 0) & (after[~unheard] <= 1)).all()
    np.testing.assert_array_equal(p, before)
    np.testing.assert_array_equal(margin, said)
    np.testing.assert_allclose(heed_margins(p[~unheard], margin[~unheard]), after[~unheard])


def test_scale_shift_and_order_of_margins_do_not_matter():
    p, _, margin, rng = drawn()
    there, order = heed_margins(p, margin), rng.permutation(len(p))
    np.testing.assert_allclose(heed_margins(p, 100 * margin - 7), there, atol=1e-6)
    np.testing.assert_allclose(heed_margins(p[order], margin[order]), there[order], atol=1e-6)


def test_few_labels_and_extreme_probabilities():
    p, wrong, margin, _ = drawn(MIN_LABELS - 1)
    assert heed_margins(p, margin) is p
    p, wrong, margin, _ = drawn()
    for sure in (np.zeros(len(p)), np.ones(len(p)), wrong.astype(float)):
        after = heed_margins(sure, margin)
        assert np.isfinite(after).all() and ((after >= 0) & (after <= 1)).all()


def audited(margin):
    rng = np.random.default_rng(5)
    true = rng.integers(0, 3, 4000)
    z = np.exp(2 * (2 * np.eye(3)[true] + rng.normal(size=(4000, 3))))
    wrong = rng.random(4000) < 0.2
    given = np.where(wrong, (true + rng.integers(1, 3, 4000)) % 3, true)
    given[:200] = -1
    wrong[:200] = False
    margins = {"two kinds": np.where(wrong, -1.5, 1.5) + rng.normal(size=4000), "none": None}
    margins["long"] = np.where(rng.random(4000) < 0.3, -2.0, 2.0) + rng.normal(size=4000)
    return wrong, find_label_errors(given, z / z.sum(axis=1, keepdims=True), margins=margins[margin])


def test_an_audit_with_margins_keeps_its_contract():
    (wrong, plain), (_, heard), (_, refused) = map(audited, ("none", "two kinds", "long"))
    known = np.isfinite(plain.p_error)
    ap = [average_precision_score(wrong[known], a.p_error[known]) for a in (plain, heard)]
    assert ap[1] > ap[0] + 0.02
    np.testing.assert_allclose(heard.posterior.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(heard.p_error[known] + heard.quality[known], 1, atol=1e-5)
    np.testing.assert_allclose(heard.posterior.max(axis=1), heard.confidence, atol=1e-6)
    assert (heard.suggested == heard.posterior.argmax(axis=1)).all()
    assert abs(heard.noise_rate - heard.p_error[known].mean()) < 1e-3
    assert abs(wrong[heard.is_error].mean() - heard.promised_precision) < 0.06
    np.testing.assert_array_equal(plain.quality[:200], heard.quality[:200])
    np.testing.assert_array_equal(plain.quality, refused.quality)
