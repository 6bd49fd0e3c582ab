"""Ways of parting rows into sites: what must hold for all, what a law leads one to expect, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointset.data import sites
from jointset.data.sites import METHODS, dirichlet_share, gini_of_dirichlet, gini_of_lognormal, heterogeneity
from jointset.data.sites.classes import owners
from jointset.data.sites.mixture import mixed_counts
from jointset.data.sites.noise import levels, noisy, noisy_pixels
from jointset.errors import ArrayError, DataError

SKEWED = np.repeat(np.arange(5), [400, 300, 150, 100, 50])
OPTIONS = {
    "iid": {},
    "dirichlet": {"alpha": 0.5},
    "mixture": {"alpha": 0.5},
    "quantity": {"alpha": 0.5},
    "lognormal": {"sigma": 1.0},
    "shards": {"each": 2},
    "classes": {"each": 2},
    "clusters": {},
}
OF_LABELS = ("dirichlet", "mixture", "shards", "classes")


def draw(name, label, n_sites, *, seed=0, **more):
    first = len(label)
    if name in OF_LABELS:
        first = label
    elif name == "clusters":
        first = np.random.default_rng(9).normal(size=(len(label), 2))
    return METHODS[name](first, n_sites, seed=seed, **OPTIONS[name], **more)


def counts(site, label):
    table = np.zeros((int(label.max()) + 1, int(site.max()) + 1))
    np.add.at(table, (label, site), 1)
    return table


def test_the_table_is_covered():
    assert set(METHODS) == {*OPTIONS, "by", "noise"}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_row_has_a_site_every_site_has_rows_and_the_seed_decides(name):
    site = draw(name, SKEWED, 6, seed=3)
    assert site.shape == SKEWED.shape and site.dtype == np.int64
    assert np.bincount(site, minlength=6).min() >= 1 and site.max() == 5
    assert np.array_equal(site, draw(name, SKEWED, 6, seed=3))
    if name != "clusters":
        assert not np.array_equal(site, draw(name, SKEWED, 6, seed=4))


@pytest.mark.parametrize("name", OPTIONS)
def test_rows_of_a_component_share_a_site(name):
    component = np.arange(len(SKEWED)) // 3
    site = draw(name, SKEWED, 5, component=component)
    assert all(len(np.unique(site[component == c])) == 1 for c in np.unique(component))


@pytest.mark.parametrize("name", [n for n in OPTIONS if n not in ("clusters", "shards", "classes")])
def test_no_site_is_smaller_than_asked(name):
    for seed in range(5):
        assert np.bincount(draw(name, SKEWED, 5, least=60, seed=seed)).min() >= 60


@given(
    label=st.lists(st.integers(-1, 3), min_size=12, max_size=60).filter(lambda y: max(y) >= 0),
    n_sites=st.integers(2, 4),
    name=st.sampled_from(["dirichlet", "mixture", "shards"]),
    seed=st.integers(0, 99),
)
def test_unknown_labels_are_placed_too(label, n_sites, name, seed):
    site = draw(name, np.array(label), n_sites, seed=seed)
    assert len(site) == len(label) and np.bincount(site, minlength=n_sites).min() >= 1


def test_shares_of_a_class_follow_the_dirichlet_law():
    label, runs = np.repeat(np.arange(3), [900, 600, 300]), 300
    shares = np.stack([counts(draw("dirichlet", label, 10, seed=s), label) for s in range(runs)])
    shares /= shares.sum(2, keepdims=True)  # (run, class, site)
    law = dirichlet_share(np.full(10, 0.5))
    assert law.mean[0] == 0.1 and law.variance[0] == pytest.approx(0.09 / 6)
    # 9,000 shares: the standard error of the variance is near 0.0004; a site of no row at all is drawn again
    assert shares.var() == pytest.approx(law.variance[0], rel=0.06)
    assert np.abs(shares.mean((0, 1)) - 0.1).max() < 0.02


def test_a_sites_mixture_follows_the_dirichlet_multinomial_law_before_a_class_runs_out():
    total, runs = np.array([50_000, 30_000, 20_000]), 500
    drawn = np.stack([mixed_counts(total, 1000, 2.0, np.random.default_rng(s))[:, 0] for s in range(runs)])
    law = dirichlet_share(2.0 * total / total.sum(), rows=100)
    assert law.variance[0] == pytest.approx(0.25 / 3 * (102 / 100))  # p (1 − p) / (α + 1) · (n + α) / n
    q = drawn / 100
    assert np.abs(q.mean(0) - law.mean).max() < 4 * np.sqrt(law.variance.max() / runs)
    assert q.var(0) == pytest.approx(law.variance, rel=0.2)
    assert (q**2).sum(1).mean() == pytest.approx(law.concentration, rel=0.05)


def test_sizes_follow_their_laws():
    found = [heterogeneity(sites.quantity(20_000, 50, alpha=1.0, seed=s)).gini for s in range(60)]
    assert gini_of_dirichlet(1.0, 50) == pytest.approx(0.49)  # (P − 1)/P · 1/2 of the exponential law
    assert np.mean(found) == pytest.approx(0.49, abs=0.02)
    found = [heterogeneity(sites.lognormal(40_000, 200, sigma=0.8, seed=s)).gini for s in range(20)]
    assert np.mean(found) == pytest.approx(gini_of_lognormal(0.8), abs=0.02)
    assert np.ptp(np.bincount(sites.iid(1003, 10))) <= 1


def test_even_sites_are_no_more_associated_with_labels_than_chance():
    found = [heterogeneity(draw("iid", SKEWED, 4, seed=s), SKEWED).labels for s in range(300)]
    assert all(f.dof == 12 for f in found)
    assert np.mean([f.chi2 for f in found]) == pytest.approx(12 * 1000 / 999, abs=4 * np.sqrt(24 / 300))
    assert np.mean([f.p_value < 0.05 for f in found]) == pytest.approx(0.05, abs=0.04)
    assert np.mean([f.cramers_v for f in found]) < 0.03


def test_a_smaller_alpha_is_more_skewed():
    far = [
        heterogeneity(sites.mixture(SKEWED, 5, alpha=a, seed=s), SKEWED).labels.jensen_shannon.mean()
        for a in (100.0, 1.0, 0.05)
        for s in range(3)
    ]
    means = np.reshape(far, (3, 3)).mean(1)
    assert means[0] < means[1] < means[2]


def test_shards_are_those_of_the_paper():
    label = np.repeat(np.arange(10), 600)  # 100 clients of two shards of 30, as MNIST's 100 of two of 300
    site = sites.shards(label, 100, each=2, seed=1)
    table = counts(site, label)
    assert np.bincount(site).tolist() == [60] * 100
    assert set(np.unique(table)) <= {0, 30, 60} and (table > 0).sum(0).max() == 2


def test_every_site_has_the_classes_asked_for():
    site = sites.classes(SKEWED, 10, each=3, seed=2)
    assert ((counts(site, SKEWED) > 0).sum(0) == 3).all()
    times = owners(5, 10, 3, np.random.default_rng(0)).sum(1)
    assert times.tolist() == [6] * 5


def test_clusters_are_found():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [50, 40, 30])
    x = rng.normal(size=(120, 3)) * 0.1 + truth[:, None]
    x[0, 0] = np.nan
    site = sites.clusters(np.c_[x, np.ones(120)], 3, seed=0)
    assert np.array_equal(site, truth)  # the largest first


def test_noise_grows_from_none_and_leaves_the_first_site_alone():
    site = np.repeat([0, 1, 2], 2000)
    x = np.random.default_rng(0).normal(5.0, 2.0, (6000, 1))
    x[0] = np.nan
    assert levels(3, 1.0).tolist() == [0.0, 0.5, 1.0]
    moved = noisy(x, site, levels(3, 1.0), np.random.default_rng(1)) - x
    assert np.nanmax(np.abs(moved[site == 0])) == 0 and np.isnan(moved[0, 0])
    assert moved[site == 1].std() == pytest.approx(1.0, rel=0.06)  # half of the deviation 2
    assert moved[site == 2].std() == pytest.approx(2.0, rel=0.06)
    grey = np.full((60, 60), 128, np.uint8)
    assert noisy_pixels(grey, 0.1, np.random.default_rng(0)).std() == pytest.approx(25.5, rel=0.05)


def test_copies_on_natural_sites_go_where_most_of_them_are():
    codes, component = np.array([0, 1, 1, 0, 0, 1]), np.array([0, 0, 0, 1, 2, 3])
    assert METHODS["by"](codes, names=["a", "b"], component=component).tolist() == [1, 1, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sites.dirichlet(SKEWED, 4, alpha=0.0), "alpha is 0; it must be above 0"),
        (lambda: sites.mixture(SKEWED, 4, alpha=-1), "alpha is -1; it must be above 0"),
        (lambda: sites.quantity(10, 4, alpha=float("nan")), "alpha is nan"),
        (lambda: sites.lognormal(10, 4, sigma=0), "sigma is 0"),
        (lambda: sites.iid(3, 4), "4 sites, and only 3 rows; ask for fewer sites"),
        (lambda: sites.iid(4, 3, component=np.array([0, 0, 1, 1])), "2 groups of rows that stay together"),
        (lambda: sites.iid(4, 1), "sites is 1; there must be 2 at least"),
        (
            lambda: sites.iid(10, 4, least=3),
            "need 12 rows, found 10; ask for at most 3 sites, or for at least 2",
        ),
        (lambda: sites.iid(10, 4, least=0), "it must be 1 at least"),
        (lambda: sites.dirichlet(SKEWED, 9, alpha=0.01, least=100), "larger alpha"),
        (lambda: sites.classes(SKEWED, 2, each=2), "ask for at least 3 sites"),
        (lambda: sites.classes(SKEWED, 4, each=6), "a site can have 1 to 5 of the 5 classes"),
        (lambda: sites.shards(SKEWED, 400, each=4), "400 sites × 4 shards are more than the 1,000 rows"),
        (lambda: sites.clusters(np.ones((9, 2)), 2), "only 1 distinct rows"),
        (lambda: sites.dirichlet(np.full(9, -1), 2, alpha=1), "no row has a label"),
        (lambda: sites.dirichlet(np.zeros(9), 2, alpha=1), "whole class codes"),
        (
            lambda: METHODS["by"](np.array([0, -1]), names=["a", "b"]),
            r"1 of 2 rows have no site \(first in row 1\)",
        ),
        (lambda: METHODS["by"](np.array([0, 0]), names=["a"]), "one value, 'a'"),
        (
            lambda: METHODS["by"](np.array([0, 1]), names=["a", "b"], least=2),
            "2 of 2 sites have fewer than 2",
        ),
        (
            lambda: METHODS["by"](np.array([0, 1, 1]), names=["a", "b"], component=np.zeros(3, int)),
            "'a' \\(0\\)",
        ),
    ],
)
def test_mistakes_are_one_clear_line(call, message):
    with pytest.raises((ArrayError, DataError), match=message) as told:
        call()
    assert "\n" not in str(told.value)
