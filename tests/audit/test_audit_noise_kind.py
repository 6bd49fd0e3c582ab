"""Whether noise follows the class or the input, read off the given labels."""

import numpy as np
import pytest

from jointset.audit import find_label_errors
from jointset.audit.noise_kind import input_share, sure_rows


def looks(n=6000, k=5, seed=0):
    """Probabilities over classes, most rows sure of one."""
    return np.random.default_rng(seed).dirichlet(np.full(k, 0.25), n)


def drawn_from(p, seed=1):
    return (p.cumsum(axis=1) > np.random.default_rng(seed).random((len(p), 1))).argmax(axis=1)


def flipped(label, transition, seed=2):
    return drawn_from(transition[label], seed)


@pytest.mark.parametrize("pattern", ["even", "pairs"])
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_noise_by_class_follows_no_input(pattern, share):
    p, k = looks(), 5
    wrong = np.full((k, k), 1 / (k - 1)) if pattern == "even" else np.roll(np.eye(k), 1, axis=1)
    np.fill_diagonal(wrong, 0)
    given = flipped(p.argmax(axis=1), (1 - share) * np.eye(k) + share * wrong)
    assert input_share(p, given) < 0.1


def test_labels_given_by_looks_follow_the_input():
    p = looks()
    assert input_share(p, drawn_from(p)) > 0.3


def test_clean_labels_and_two_classes_say_nothing():
    p = looks()
    assert input_share(p, p.argmax(axis=1)) == 0
    two = looks(k=2)
    assert input_share(two, drawn_from(two)) == 0


def test_a_few_wrong_labels_show_little():
    p = looks(200)
    given = flipped(p.argmax(axis=1), np.full((5, 5), 0.02) + 0.9 * np.eye(5))
    assert input_share(p, given) < 0.2


def test_ties_are_all_sure():
    p = np.tile([[0.8, 0.2]], (100, 1))
    assert sure_rows(p, np.zeros(100, int), 0.1).all()
    mixed = np.r_[p, np.tile([[0.1, 0.9]], (50, 1)), np.tile([[0.3, 0.7]], (50, 1))]
    np.testing.assert_array_equal(
        sure_rows(mixed, mixed.argmax(axis=1), 0.3), np.r_[np.ones(150, bool), np.zeros(50, bool)]
    )


def test_people_that_err_where_it_is_hard_to_see_are_ranked_by_what_is_seen():
    """Nothing but P(given | x) is to be known where labels are drawn by looks, so no T may reorder it."""
    p = looks(8000, 6)
    given = drawn_from(p)
    found = find_label_errors(given, p)
    own = p[np.arange(len(p)), given]
    order = np.argsort(np.argsort(found.quality)), np.argsort(np.argsort(own))
    assert np.corrcoef(*order)[0, 1] > 0.98
