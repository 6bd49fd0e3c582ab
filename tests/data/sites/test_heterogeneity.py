"""Statistics of heterogeneity against closed forms, SciPy and worked values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency
from scipy.stats.contingency import association as plain

from jointset.data.sites import dirichlet_share, gini_of_lognormal, heterogeneity
from jointset.data.sites.heterogeneity import association, facts, gini
from jointset.errors import ArrayError

TABLES = st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=2, max_size=5).filter(
    lambda t: min(map(sum, t)) > 0
)


def rows(table):
    table = np.asarray(table)
    site, label = np.indices(table.shape)
    return np.repeat(site.ravel(), table.ravel()), np.repeat(label.ravel(), table.ravel())


@given(TABLES)
def test_distances_are_those_of_scipy_and_bounded(table):
    skew = heterogeneity(*rows(table)).labels
    k = skew.counts.shape[1]
    share = np.asarray(table)[:, :k] / np.sum(table, 1, keepdims=True)
    for j, q in enumerate(share):
        assert skew.jensen_shannon[j] == pytest.approx(jensenshannon(q, skew.pooled, base=2), abs=1e-6)
        tv, h = skew.total_variation[j], skew.hellinger[j]
        assert h**2 - 1e-9 <= tv <= np.sqrt(2) * h + 1e-9  # Le Cam
        assert 1 - 1e-9 <= skew.effective_classes[j] <= k + 1e-9


@given(TABLES)
def test_the_association_is_pearsons(table):
    kept = np.asarray(table)[:, np.sum(table, 0) > 0]
    chi2, dof, p, v = association(np.asarray(table))
    if kept.shape[1] < 2:
        assert (chi2, dof, p, v) == (0.0, 0, 1.0, 0.0)
        return
    wanted = chi2_contingency(kept, correction=False)
    assert (chi2, dof, p) == pytest.approx((wanted.statistic, wanted.dof, wanted.pvalue), abs=1e-9)
    assert 0 <= v <= 1


def test_the_corrected_v_nears_the_plain_one_for_many_rows_and_nought_for_none():
    table = np.array([[300_000, 100_000], [100_000, 300_000]])
    assert association(table)[3] == pytest.approx(plain(table, method="cramer"), abs=1e-5)
    assert plain(table, method="cramer") == pytest.approx(0.5)
    assert association(np.array([[10, 20], [20, 40]]))[3] == 0.0


def test_two_sites_without_a_common_class_are_as_far_as_can_be_from_a_half():
    skew = heterogeneity([0, 0, 1, 1], [0, 0, 1, 1]).labels
    assert skew.total_variation.tolist() == [0.5, 0.5]
    assert skew.hellinger == pytest.approx([np.sqrt(1 - np.sqrt(0.5))] * 2)
    # JSD((1, 0), (½, ½)) = H(¾, ¼) − ½ H(½, ½) = 0.8113 − 0.5 bits
    assert skew.jensen_shannon**2 == pytest.approx([0.311278] * 2, abs=1e-6)
    assert skew.effective_classes.tolist() == [1.0, 1.0] and skew.cramers_v == pytest.approx(1.0)


def test_unknown_labels_are_left_out_and_a_site_without_any_has_no_distance():
    skew = heterogeneity([0, 0, 1, 2], [0, 1, -1, 1]).labels
    assert skew.counts.tolist() == [[1, 1], [0, 0], [0, 1]]
    assert np.isnan(skew.total_variation[1]) and not np.isnan(skew.total_variation[[0, 2]]).any()
    told = facts(heterogeneity([0, 0, 1, 2], [0, 1, -1, 1]), ["a", "b", "c"], ["x", "y"], [])
    assert told["sites"]["b"]["total_variation"] is None and told["labels"]["dof"] == 1


@given(st.lists(st.integers(0, 50), min_size=2, max_size=9).filter(any))
def test_gini_is_half_the_relative_mean_difference(sizes):
    x = np.array(sizes, float)
    assert gini(x) == pytest.approx(np.abs(x[:, None] - x).mean() / (2 * x.mean()))


def test_mean_differences_are_those_that_were_planted():
    rng = np.random.default_rng(0)
    site = np.repeat([0, 1], 20_000)
    x = rng.normal(size=(40_000, 2)) + np.array([0.5, 0.0]) * site[:, None]
    assert heterogeneity(site, features=x).smd[1] == pytest.approx([0.5, 0.0], abs=0.03)


def test_moments_of_known_laws():
    uniform = dirichlet_share([1.0, 1.0])  # a share that is uniform on [0, 1]
    assert uniform.mean.tolist() == [0.5, 0.5] and uniform.variance == pytest.approx([1 / 12] * 2)
    polya = dirichlet_share([1.0, 1.0], rows=4)  # uniform on {0, ¼, …, 1}
    assert polya.variance == pytest.approx([np.var(np.arange(5) / 4)] * 2)
    assert dirichlet_share([2.0, 2.0]).concentration == pytest.approx(2 * (0.05 + 0.25))
    assert gini_of_lognormal(1.0) == pytest.approx(0.5204998778)  # erf(1/2), Abramowitz and Stegun, table 7.1


def test_lengths_must_meet():
    with pytest.raises(ArrayError, match="label has 2 rows, site 3"):
        heterogeneity([0, 1, 1], [0, 1])
    with pytest.raises(ArrayError, match="codes from 0"):
        heterogeneity([0.5, 1.0])
    with pytest.raises(ArrayError, match="alpha must be"):
        dirichlet_share([1.0, 0.0])


@pytest.mark.parametrize(
    "label", [np.array(["a", "b"] * 5), np.array([0.0, 1.0] * 5), np.zeros((10, 2), int)]
)
def test_labels_that_are_no_codes_are_refused(label):
    with pytest.raises(ArrayError, match=r"^label must be \(n,\) class codes[^\n]+$"):
        heterogeneity([0, 1] * 5, label)
