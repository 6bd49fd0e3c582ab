"""Every search keeps the contract; its proposals follow from the trials alone."""

import sys

import numpy as np
import pytest

from jointset.errors import ConfigError, MissingExtra
from jointset.search import SEARCHES, Bayes, Grid, Trial, front, hopeless, worth

NAMES = ("a", "b", "c")
BEST = np.array([0.3, 1.2, 1.5])


@pytest.fixture(params=list(SEARCHES))
def kind(request):
    if request.param == "bayes":
        pytest.importorskip("optuna", reason="the extra `search` is not installed")
    return SEARCHES[request.param]


def trial(number, weights, names=NAMES):
    """A smooth landscape: the score falls with the distance of the log-weights from the best ones."""
    w = np.array([weights[n] for n in names])
    off = np.log(w) - np.log(BEST[: len(names)])
    scores = dict(zip(names, (-(off**2)).tolist(), strict=True))
    return Trial(number, weights, scores, float(-np.var(off)), 1, (0.0,), False, 0.0)


def run(search, until=None):
    trials = []
    while len(trials) != until and (weights := search.propose(trials)) is not None:
        trials.append(trial(len(trials), weights, search.tasks))
    return trials


def test_equal_weights_come_first_and_the_best_is_never_worse(kind):
    trials = run(kind(NAMES, 9))
    assert trials[0].weights == {"a": 1.0, "b": 1.0, "c": 1.0}
    assert max(t.score for t in trials) > trials[0].score
    assert 2 <= len(trials) <= 9


def test_weights_have_mean_one_and_keep_the_span(kind):
    for t in run(kind(NAMES, 12, span=20.0)):
        w = np.array(list(t.weights.values()))
        assert w.mean() == pytest.approx(1, abs=1e-5)
        assert w.max() / w.min() <= 20.0 * 1.001


def test_a_search_that_is_cut_goes_on_to_the_same_trials(kind):
    whole = run(kind(NAMES, 8, seed=5))
    for cut in (1, 3, 6):
        assert kind(NAMES, 8, seed=5).propose(whole[:cut]) == whole[cut].weights
    assert kind(NAMES, 8, seed=5).propose(whole) is None


def test_no_weights_are_tried_twice(kind):
    seen = [tuple(t.weights.values()) for t in run(kind(NAMES, 10))]
    assert len(set(seen)) == len(seen)


def test_the_grid_takes_the_finest_lattice_it_can_pay():
    assert [Grid(NAMES, b).length for b in (7, 18, 19, 36, 37)] == [7, 7, 19, 19, 37]
    assert [Grid(NAMES[:2], b).length for b in (3, 4, 5, 20)] == [3, 3, 5, 19]
    with pytest.raises(ConfigError, match=r"grid of 3 tasks has at least 7 points, found budget 6; raise"):
        Grid(NAMES, 6)


def test_bayes_comes_closer_than_the_grid_with_half_the_trials():
    pytest.importorskip("optuna", reason="the extra `search` is not installed")
    grid, bayes = run(Grid(NAMES, 19)), run(Bayes(NAMES, 9))
    assert len(bayes) == 9 and len(grid) == 19
    assert max(t.score for t in bayes) > max(t.score for t in grid)


def test_other_seeds_propose_other_weights():
    pytest.importorskip("optuna", reason="the extra `search` is not installed")
    first = run(Bayes(NAMES, 150, seed=0), until=8)
    assert Bayes(NAMES, 150, seed=1).propose(first[:7]) != first[7].weights


@pytest.mark.parametrize("budget", [10, 150])
@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_a_front_asks_for_several_scores(budget, tasks):
    pytest.importorskip("optuna", reason="the extra `search` is not installed")
    names = tuple("abcde"[:tasks])
    search = Bayes(names, budget, front=True)
    rng = np.random.default_rng(0)
    trials = []
    for i in range(6):
        weights = search.propose(trials)
        scores = dict(zip(names, rng.random(tasks).tolist(), strict=True)) | {"unjudged": float("nan")}
        trials.append(Trial(i, weights, scores, 0.0, 1, (0.0,), False, 0.0))
    assert len({tuple(t.weights.values()) for t in trials}) == 6


def test_bayes_without_optuna_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r'bayes needs optuna.*: pip install "jointset\[search\]"'):
        Bayes(NAMES, 5)


def curves(*values, pruned=False):
    return [Trial(i, {}, {}, c[-1], 1, c, pruned, 0.0) for i, c in enumerate(values)]


def test_a_trial_behind_the_median_is_hopeless_and_the_best_never_is():
    done = curves((0.0, 0.1, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4), (0.0, 0.0, 0.1, 0.2), (0.3, 0.3, 0.3, 0.3))
    assert hopeless(0.29, 4, done)
    assert not hopeless(0.31, 4, done)
    assert not hopeless(0.4, 4, done)
    assert not hopeless(0.0, 3, done), "too early"
    assert not hopeless(0.0, 4, done[:3]), "too few"
    assert not hopeless(0.0, 4, [*done[:3], *curves((0.5, 0.5, 0.5, 0.5), pruned=True)]), (
        "pruned ones do not count"
    )
    assert hopeless(0.29, 9, done), "a trial that had stopped by then counts with its best"


def test_the_front_is_what_nothing_dominates():
    scores = np.random.default_rng(0).random((60, 3)).round(1)
    on = front(scores)
    for i, row in enumerate(scores):
        beaten = [(other >= row).all() and (other > row).any() for other in scores]
        assert on[i] == (not any(beaten))
    assert on[scores.mean(1).argmax()]
    assert front(np.ones((3, 2))).all()


def test_the_best_of_equals_is_worth_nothing_and_a_real_gain_stays():
    rng = np.random.default_rng(0)
    noise, rest = rng.normal(0, 0.01, (20, 500)), rng.normal(0, 0.01, (20, 500))
    flat = worth(noise.mean(1) + rng.normal(0, 0.01, 20), noise, rest)
    assert flat.gain > 0.01
    assert abs(flat.expected) < 0.003
    assert flat.low < 0 < flat.high
    better = np.zeros((20, 1))
    better[7] = 0.1
    found = worth(better[:, 0], noise + better, rest + better)
    assert found.gain == 0.1
    assert found.expected == pytest.approx(0.1, abs=0.003)
    assert found.low > 0.05


def test_the_first_trial_as_the_best_is_worth_zero():
    found = worth(np.array([0.5, 0.2]), np.full((2, 9), [[0.5], [0.2]]), np.full((2, 9), [[0.4], [0.3]]))
    assert (found.gain, found.expected, found.low, found.high) == (0, 0, 0, 0)
