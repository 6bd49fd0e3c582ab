"""The SMOTE family: imbalanced-learn's own rows, and what is said of classes that are too small."""

import numpy as np
import pytest
from imblearn.over_sampling import ADASYN, SMOTE, SMOTENC

from jointset.augment.smote import further_rows
from jointset.errors import DataError


def rows(n=(60, 12), seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(n)), n)
    return (
        rng.normal(size=(len(labels), 3)) + 2.0 * labels[:, None],
        rng.integers(0, 4, (len(labels), 2)),
        labels,
    )


def test_rows_are_those_of_imbalanced_learn():
    x, c, y = rows()
    made, _, named = further_rows(x, c[:, :0], y, seed=3)
    theirs = SMOTE(random_state=3, k_neighbors=5).fit_resample(x, y)[0][72:]
    np.testing.assert_array_equal(made, theirs)
    assert (named == 1).all() and len(made) == 48
    both, codes, _ = further_rows(x, c, y, seed=3)
    theirs = SMOTENC([3, 4], random_state=3, k_neighbors=5).fit_resample(np.concatenate([x, c], 1), y)[0][72:]
    np.testing.assert_array_equal(np.concatenate([both, codes], 1), theirs)
    dense = further_rows(x, c[:, :0], y, method="adasyn", seed=3)[0]
    np.testing.assert_array_equal(dense, ADASYN(random_state=3, n_neighbors=5).fit_resample(x, y)[0][72:])


@pytest.mark.parametrize("method", ["borderline", "svm", "adasyn", "decoded"])
def test_categories_come_from_rows_of_the_class(method):
    x, c, y = rows((80, 20))
    c[y == 1] = 7
    made, codes, named = further_rows(x, c, y, method=method)
    assert len(made) == len(codes) == len(named) > 0 and (codes[named == 1] == 7).all()


def test_a_class_too_small_is_one_line():
    x, c, y = rows((60, 12, 4))
    with pytest.raises(DataError) as error:
        further_rows(x, c, y, where="augment.tasks.kind.smote", classes=("a", "b", "rare"))
    said = str(error.value)
    assert (
        "augment.tasks.kind.smote: class 'rare' has 4 rows" in said and "needs 6" in said and "\n" not in said
    )


def test_even_classes_get_nothing():
    x, c, y = rows((30, 30))
    assert len(further_rows(x, c, y)[0]) == 0
