"""One conformance test over all searches, and what each is known for."""

import numpy as np
import pytest

from jointset.augment import Policy, Step
from jointset.augment.search import POLICY_SEARCHES, PolicyGradient, PolicyTrial, Population, Space
from jointset.config.augment import SEARCHES

OPERATIONS = ("image.rotate", "image.flip", "image.noise", "image.erase")
SPACE = Space(Policy({o: Step(0.1) for o in OPERATIONS}), OPERATIONS, ("digit",))
BEST = np.array([0.7, 0.0, 0.2, 0.4, 0.7])


def worth(point):
    return 1.0 - float(np.abs(np.asarray(point) - BEST).mean()) if len(point) else 0.5


def trials_of(search):
    trials = [PolicyTrial(i, (), Policy(), {}, 0.5, 1.0) for i in (0, 1)]
    while (asked := search.propose(trials)) is not None:
        point, parent = asked
        assert point.shape == (SPACE.size,) and (point >= 0).all() and (point <= 1).all()
        assert -1 <= parent < len(trials)
        policy = search.policy(point)
        assert set(policy.operations()) <= set(OPERATIONS) and 0.2 <= policy.share <= 1.0
        trials.append(PolicyTrial(len(trials), tuple(point.tolist()), policy, {}, worth(point), 1.0, parent))
    return trials


def test_the_configuration_names_what_there_is():
    assert {*POLICY_SEARCHES, "differentiable"} == set(SEARCHES)


@pytest.mark.parametrize("name", sorted(POLICY_SEARCHES))
def test_a_search_ends_within_its_budget_and_is_a_function_of_its_trials(name):
    first, again = (trials_of(POLICY_SEARCHES[name](SPACE, 8, seed=3)) for _ in range(2))
    assert [t.point for t in first] == [t.point for t in again]
    pieces = POLICY_SEARCHES[name].pieces
    assert 2 < len(first) <= 2 + 6 * pieces
    assert len(trials_of(POLICY_SEARCHES[name](SPACE, 2))) == 2


@pytest.mark.parametrize(("name", "seeds"), [("bayes", 1), ("policy_gradient", 3), ("population", 3)])
def test_a_search_that_learns_gets_better(name, seeds):
    gains = []
    for seed in range(seeds):
        scores = [t.score for t in trials_of(POLICY_SEARCHES[name](SPACE, 20, seed=seed))[2:]]
        gains.append(np.mean(scores[-6:]) - np.mean(scores[:6]))
    assert np.mean(gains) > 0.03


def test_the_sampler_leans_towards_what_was_rewarded():
    search = PolicyGradient(SPACE, 20)
    drawn = [(1.0, 0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 0.0)] * 4
    trials = [PolicyTrial(i, p, Policy(), {}, p[0], 1.0) for i, p in enumerate(drawn)]
    logits = search.logits(trials)
    assert logits[0].argmax() == 4 and logits[0].argmin() == 0
    assert search.logits(trials[:1]).any() == False  # noqa: E712  a single reward says nothing


def test_the_worst_members_go_on_from_the_best():
    search = Population(SPACE, 6, seed=0)
    trials = trials_of(search)
    first, second = trials[2:6], trials[6:10]
    worst, best = min(first, key=lambda t: t.score), max(first, key=lambda t: t.score)
    assert second[first.index(worst)].parent == best.number
    assert [t.parent for t in second if t.parent != best.number or t.point == best.point]


def test_levels_mean_strength_and_for_switches_frequency():
    policy = SPACE.policy(np.array([1.0, 0.5, 0.01, 0.0, 0.0]))
    assert policy.steps["image.rotate"].magnitude == 45.0
    assert policy.steps["image.flip"] == Step(1.0, 0.5)
    assert set(policy.operations()) == {"image.rotate", "image.flip"} and policy.share == 0.2
    by_task = Space(Policy(), OPERATIONS, ("a", "b"), by_task=True)
    both = by_task.policy(np.array([1, 0, 0, 0, 0, 1, 0, 0, 1.0]))
    assert list(both.of("a")) == ["image.rotate"] and list(both.of("b")) == ["image.flip"]
