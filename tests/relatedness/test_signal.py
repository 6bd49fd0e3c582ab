"""When a missing signal is ground to act."""

import numpy as np
import pytest

from jointset.errors import ArrayError
from jointset.relatedness import label_signal, says_nothing, sure_signal, treatments


@pytest.mark.parametrize("seed", range(4))
def test_true_tasks_of_few_labels_are_kept(seed):
    """So weak, and so few, as assays of molecules are: many look random, and none is told to be dropped."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(500, 40))
    score = x[:, :12] + 5 * rng.normal(size=(500, 12))
    labels = {f"t{i}": (s > np.quantile(s, 0.85)).astype(int) for i, s in enumerate(score.T)}
    suspected = [n for n, s in label_signal(labels, x).items() if s.outcome == "no signal"]
    found = sure_signal(labels, x, seed=seed)
    assert suspected and all(
        "too few labels to tell" in found[n].reason for n in suspected if found[n].p_value > 0.02
    )
    assert {t.action for t in treatments(tuple(labels), signals=found)} == {"keep"}


@pytest.mark.parametrize("rows", [790, 900])
@pytest.mark.parametrize("rarer", [90, 300])
def test_random_labels_are_told_from_so_many_on(rows, rarer):
    rng = np.random.default_rng(0)
    coin = rng.permutation(np.arange(rows) < rarer).astype(int)
    outcome = sure_signal({"coin": coin}, rng.normal(size=(rows, 3)))["coin"].outcome
    assert outcome == ("no signal" if rows > 800 and rarer > 100 else "not judged")


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_the_unit_of_a_number_does_not_silence_its_model(unit):
    y = np.random.default_rng(0).normal(size=300) * unit + 5 * unit
    assert not says_nothing(y, y[:, None])
    assert says_nothing(y, np.random.default_rng(1).normal(size=(300, 1)) * unit)
    assert says_nothing(y, np.full((300, 1), 5 * unit))
    assert says_nothing(y, 5 * unit + y[:, None] * 1e-9), "a constant but for rounding"


def test_rows_without_finite_outputs_do_not_decide():
    y = np.tile([0, 1], 100)
    good, noise = np.eye(2)[y], np.random.default_rng(0).random((200, 2))
    for bad in (np.nan, np.inf):
        one = np.arange(200)[:, None] == 5
        assert not says_nothing(y, np.where(one, bad, good)) and says_nothing(y, np.where(one, bad, noise))
    assert says_nothing(y, np.full((200, 2), np.nan)), "a model that has diverged"
    assert not says_nothing(y, np.where(np.arange(200)[:, None] < 150, np.nan, noise)), "too few to be sure"


def test_lists_and_truth_values_are_labels():
    y = [0, 1] * 100
    assert not says_nothing(y, np.eye(2)[y].tolist()) and not says_nothing(np.array(y) == 1, np.eye(2)[y])
    x = np.random.default_rng(0).normal(size=(200, 3))
    truth, codes = label_signal({"a": x[:, 0] > 0}, x)["a"], label_signal({"a": (x[:, 0] > 0) * 1}, x)["a"]
    assert truth == codes and truth.outcome == "signal"
    with pytest.raises(ArrayError, match=r"^outputs must be \(200, K\)[^\n]+$"):
        says_nothing(y, np.ones(200))
