"""Transfer between groups: DeLong's variance, the level on random divisions, and harm that is still found."""

import numpy as np
import pytest

from jointset.audit import shift_matrix
from jointset.audit.shift.transfer import area_parts, transfers


def test_the_variance_of_areas_is_that_of_delong():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [40, 25])
    scores = [np.round(y + rng.normal(size=65), 1) for _ in range(2)]  # with ties

    def placements(s):  # DeLong et al. (1988), eq. 3 to 5
        psi = (s[y == 1][:, None] > s[y == 0]) + 0.5 * (s[y == 1][:, None] == s[y == 0])
        return psi.mean(), psi.mean(axis=1), psi.mean(axis=0)

    (a, v10, v01), (b, w10, w01) = map(placements, scores)
    want = np.var(v10 - w10, ddof=1) / 25 + np.var(v01 - w01, ddof=1) / 40
    (one, first), (two, second) = (area_parts(y, np.stack([-s, s], axis=1)) for s in scores)
    assert (one, two) == pytest.approx((a, b))
    assert ((first - second) ** 2).sum() == pytest.approx(want)


@pytest.mark.parametrize("sizes", [(60,) * 5, (60, 600)])
def test_a_random_division_has_no_bad_transfers(sizes):
    rng = np.random.default_rng(0)
    alarms = candidates = 0
    for seed in range(12):
        group = np.repeat(np.arange(len(sizes)), sizes)
        x = rng.normal(size=(len(group), 5))
        y = (rng.random(len(group)) < 1 / (1 + np.exp(-x[:, 0]))).astype(int)
        rows = [np.flatnonzero(group == g) for g in range(len(sizes))]
        found = transfers(x, y, np.arange(len(group)), rows, fewest=20, level=0.01, seed=seed)
        candidates += bool(((found.loss >= 0.05) | (found.worth < 0)).any())
        alarms += np.nanmin(found.p_value) * len(sizes) * (len(sizes) - 1) < 0.01
    assert candidates >= 2 and alarms == 0  # the estimates alone say that there are some


def test_a_source_that_does_harm_is_found_and_one_of_noise_loses():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(600, 5))
    y = (rng.random(600) < 1 / (1 + np.exp(-2 * x[:, 0]))).astype(int)
    site = np.repeat(["a", "b", "c"], 200)
    harm, noise = y.copy(), y.copy()
    harm[400:] = 1 - y[400:]
    noise[400:] = rng.integers(0, 2, 200)
    for labels, target in ((harm, {"a", "b"}), (noise, {"a", "b"})):
        found = shift_matrix(x, site, labels=labels)
        bad = found.findings.subject[found.findings.code == "bad_transfer"].tolist()
        assert {f"c → {t}" for t in target} <= set(bad) and not {"a → b", "b → a"} & set(bad)
        assert found.p_transfer[2, 0] < 0.01 and found.p_transfer[0, 1] == 1
