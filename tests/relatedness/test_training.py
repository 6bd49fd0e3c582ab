"""Measures in and after training: accumulators against their sums, lookahead on a quadratic, the surrogate on truth."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointset.errors import ArrayError
from jointset.relatedness import (
    choose_auxiliaries,
    conflict_rate,
    first_order_lookahead,
    gradient_cosine,
    group_tasks,
    lookahead,
    loss_ratios,
    measure_transfer,
    plan_trainings,
    training_rates,
    treatments,
)
from jointset.relatedness import gradients as accumulate
from jointset.relatedness import tag as looks
from jointset.relatedness.gradients import start, step
from jointset.relatedness.transfer_gain import Check

TASKS = ("a", "b", "c")


@given(st.integers(0, 10_000), st.sampled_from([1.0, 0.9]))
def test_the_accumulator_is_the_weighted_mean_of_the_steps(seed, decay):
    rng = np.random.default_rng(seed)
    state, cosines, there = start(3), [], []
    for _ in range(6):
        g = rng.normal(size=(3, 5))
        present = rng.random(3) < 0.8
        state = step(state, g @ g.T, present, decay=decay)
        unit = g / np.linalg.norm(g, axis=1, keepdims=True)
        cosines.append(unit @ unit.T)
        there.append(np.outer(present, present))
    weight = decay ** np.arange(5, -1, -1)[:, None, None] * np.array(there)
    with np.errstate(invalid="ignore"):
        mean = (weight * cosines).sum(0) / weight.sum(0)
        rate = (weight * (np.array(cosines) < 0)).sum(0) / weight.sum(0)
    found = gradient_cosine(state, TASKS)
    np.testing.assert_allclose(found.values, mean, atol=1e-12)
    np.testing.assert_allclose(conflict_rate(state, TASKS).values, rate, atol=1e-12)
    np.testing.assert_array_equal(found.support, np.array(there).sum(0))


def test_the_length_of_a_gradient_does_not_matter_and_absent_tasks_do_not_count():
    g = np.array([[1.0, 0], [-1, 1], [0, 0]])
    plain = step(start(3), g @ g.T)
    scaled = step(start(3), (g * [[100], [0.01], [1]]) @ (g * [[100], [0.01], [1]]).T)
    np.testing.assert_allclose(plain.cosine, scaled.cosine)
    assert plain.steps[2].sum() == 0 and np.isnan(gradient_cosine(plain, TASKS)["a", "c"])
    broken = g @ g.T
    broken[0] = np.nan
    assert step(start(3), broken).steps[0].sum() == 0
    with pytest.raises(ArrayError, match="gramian of shape"):
        step(start(2), np.eye(3))
    with pytest.raises(ArrayError, match="decay"):
        step(start(3), np.eye(3), decay=0.0)


def test_conflicts_lead_to_a_lower_weight():
    g = np.array([[1.0, 0.1], [-1, 0.2], [-1, 0.0]])
    rate = conflict_rate(accumulate.step(accumulate.start(3), g @ g.T), TASKS)
    assert [t.action for t in treatments(TASKS, conflict=rate)] == ["down-weight", "keep", "keep"]


def test_the_first_order_is_what_a_small_step_does():
    """Quadratics |θ − c_t|² + 1; a step that takes 1 % off a loss, made small, against the losses themselves."""
    rng = np.random.default_rng(0)
    theta, centres = rng.normal(size=4), rng.normal(size=(3, 4))

    def losses(at):
        return ((at - centres) ** 2).sum(1) + 1

    grads = 2 * (theta - centres)
    found = first_order_lookahead(step(start(3), grads @ grads.T, losses=losses(theta)), TASKS)
    for i in range(3):
        after = losses(theta - 1e-6 * grads[i])
        fallen = 1 - after / losses(theta)
        np.testing.assert_allclose(found.values[i], fallen / fallen[i], rtol=1e-4)


def test_losses_that_say_nothing_are_left_out_of_the_lookahead():
    gramian = np.array([[4.0, 1.0, -1.0], [1.0, 1.0, 0.5], [-1.0, 0.5, 1.0]])
    state = step(start(3), gramian, losses=[2.0, np.nan, 1.0])
    state = step(state, gramian, losses=[2.0, 0.0, 1.0])
    state = step(state, gramian)
    values = first_order_lookahead(state, TASKS).values
    assert np.isnan(values[1]).all() and np.isnan(values[:, 1]).all()
    assert values[0, 2] == pytest.approx(-0.5) and values[2, 0] == pytest.approx(-0.5)


def test_lookahead_of_a_quadratic_is_its_closed_form():
    """Losses ½ |θ − c|²: a step of rate r on a leaves b's loss ½ |(1 − r) θ + r c_a − c_b|²."""
    centres = {"a": np.array([1.0, 0.0]), "b": np.array([0.8, 0.4]), "c": np.array([-1.0, 0.0])}
    theta, rate = np.array([0.0, 0.0]), 0.1

    def losses(at):
        return {t: 0.5 * float((at - c) @ (at - c)) for t, c in centres.items()}

    found = lookahead(
        looks.step(looks.start(TASKS), losses(theta), lambda s: losses(theta - rate * (theta - centres[s])))
    )
    expected = 1 - losses(0.1 * centres["a"])["b"] / losses(theta)["b"]
    assert found["a", "b"] == pytest.approx(expected) and found["a", "b"] > 0 > found["a", "c"]
    with pytest.raises(ArrayError, match="no task 'd'"):
        looks.step(looks.start(TASKS), {"d": 1.0}, lambda s: {})


def test_rates_and_ratios_of_losses():
    assert training_rates({"a": [1, 0.5], "b": [4, 2], "c": [1, 0.5]}) == {"a": 1, "b": 1, "c": 1}
    rng = np.random.default_rng(0)
    steps = rng.random((2, 8))
    curves = {
        "a": np.exp(-np.cumsum(steps[0])),
        "b": np.exp(-np.cumsum(2 * steps[0])),
        "c": np.exp(-np.cumsum(steps[1])),
    }
    found = loss_ratios(curves)
    assert found["a", "b"] == pytest.approx(1) and found["a", "c"] < 1
    assert np.isnan(loss_ratios({"a": [2, 1], "b": [2, 1]}).values).all()
    with pytest.raises(ArrayError, match="positive"):
        training_rates({"a": [1, 0]})


@given(st.integers(2, 9), st.integers(0, 40), st.integers(0, 100))
def test_a_plan_is_within_its_budget_and_holds_every_task_alone(t, more, seed):
    tasks = tuple(f"t{i}" for i in range(t))
    plan = plan_trainings(tasks, t + 1 + more, seed=seed)
    assert len(plan) <= t + 1 + more and len(set(plan)) == len(plan)
    assert plan[:t] == [(n,) for n in tasks] and plan[t] == tasks
    with pytest.raises(ArrayError, match="budget"):
        plan_trainings(tasks, t)


def test_a_plan_meets_every_pair_about_as_often():
    plan = plan_trainings(tuple("abcdefghij"), 11 + 20, size=4)[11:]
    met = {p: sum(set(p) <= set(s) for s in plan) for p in combinations("abcdefghij", 2)}
    assert len(plan) == 20 and min(met.values()) >= 1 and max(met.values()) <= 5


def truth(seed: int, t: int = 8):
    """Gains that are means of pairwise effects, with noise; and what a training gives."""
    rng = np.random.default_rng(seed)
    tasks = tuple(f"t{i}" for i in range(t))
    effects = np.kron(np.array([[1, -1], [-1, 1]]), np.ones((t // 2, t // 2))) * 0.05
    effects += rng.normal(0, 0.01, (t, t))

    def train(chosen):
        out = {}
        for n in chosen:
            j = tasks.index(n)
            others = [effects[tasks.index(s), j] for s in chosen if s != n]
            gain = float(np.mean(others)) if others else 0.0
            rows = 0.7 + gain + rng.normal(0, 0.05, 400)
            out[n] = (float(rows.mean()), rows)
        return out

    return tasks, effects, train


def test_the_surrogate_finds_the_groups_with_fewer_trainings_than_pairs():
    tasks, effects, train = truth(0)
    found = measure_transfer(train, tasks, 8 + 1 + 14, size=3)
    off = ~np.eye(8, dtype=bool)
    assert np.corrcoef(found.affinity.values[off], effects[off])[0, 1] > 0.7
    assert len(found.trainings) == 15
    groups = group_tasks(found.affinity, 2)
    assert sorted(g.serves for g in groups.groups) == [tasks[:4], tasks[4:]]
    assert found.predicted(tasks[:4], "t0") > 0 > found.predicted(("t0", *tasks[4:]), "t0")
    assert found.predicted(("t0",), "t0") == 0.0
    assert found.predicted(tasks, "t0") == found.trainings[0].gain["t0"]


def test_intervals_of_measured_pairs_hold_the_truth_as_often_as_they_say():
    held = []
    for seed in range(12):
        tasks, effects, train = truth(seed, 4)
        found = measure_transfer(train, tasks, 4 + 1 + 6).affinity
        off = ~np.eye(4, dtype=bool)
        held += ((found.low <= effects) & (effects <= found.high))[off].tolist()
    assert 0.8 <= np.mean(held) <= 0.97


def by_chance(seed: int, t: int = 12, rows: int = 400):
    """Tasks that nothing helps nor harms: every training is its rows' level and noise."""
    rng = np.random.default_rng(seed)
    tasks, level = tuple(f"t{i}" for i in range(t)), rng.normal(0.3, 0.5, (t, rows))

    def train(chosen):
        noisy = {n: level[tasks.index(n)] + rng.normal(0, 0.3, rows) for n in chosen}
        return {n: (float(x.mean()), x) for n, x in noisy.items()}

    return tasks, train


def test_of_tasks_that_nothing_harms_few_are_set_apart():
    by_all, by_pairs = [], []
    for seed in range(10):
        tasks, train = by_chance(seed)
        found = measure_transfer(train, tasks, 12 + 1 + 66)
        for kept, joint in ((by_all, found.joint), (by_pairs, None)):
            treated = treatments(tasks, gain=found.affinity, joint=joint)
            kept.append(np.mean([t.action != "keep" for t in treated]))
    assert np.mean(by_all) <= 0.05 and np.mean(by_pairs) <= 0.05


def test_auxiliaries_that_gain_by_chance_are_hardly_chosen_and_sure_ones_are():
    chosen = []
    for seed in range(6):
        tasks, train = by_chance(seed)
        found = measure_transfer(train, tasks, 12 + 1 + 66).affinity
        chosen += [len(choose_auxiliaries(found, t).chosen) for t in tasks]
    assert np.mean(chosen) <= 0.1
    tasks, _, train = truth(0, 4)
    found = measure_transfer(train, tasks, 4 + 1 + 6)
    assert choose_auxiliaries(found.affinity, "t0").chosen == ("t1",)


def test_a_check_takes_what_was_trained_and_then_the_trainings_that_are_left():
    tasks, _, train = truth(0, 4)
    found = measure_transfer(train, tasks, 4 + 1 + 6)
    check = Check(train, found, "t0", 1)
    assert found.spent == 11 and check(("t1",))[0] == found.affinity["t1", "t0"] and check.left == 1
    value, low, high = check(("t1", "t2"))
    assert low < value < high and check.left == 0
    assert check(("t2", "t3")) is None and check(("t1", "t2", "t3"))[0] == found.joint.gain["t0"]


def test_without_scores_of_rows_nothing_is_sure():
    def train(chosen):
        return {n: (0.5 - 0.1 * (len(chosen) > 1), np.empty(0)) for n in chosen}

    found = measure_transfer(train, TASKS, 5)
    off = ~np.eye(3, dtype=bool)
    assert np.isinf(found.affinity.low[off]).all() and np.isinf(found.affinity.high[off]).all()
    assert {t.action for t in treatments(TASKS, gain=found.affinity, joint=found.joint)} == {"keep"}


def test_mistakes_of_a_training_are_told():
    with pytest.raises(ArrayError, match="no score of task 'b'"):
        measure_transfer(lambda s: {"a": (1.0, np.ones(3))}, ("a", "b"), 4)
    with pytest.raises(ArrayError, match="same every time"):
        measure_transfer(lambda s: {t: (1.0, np.ones(len(s) + 2)) for t in s}, ("a", "b"), 4)


def test_a_task_that_is_not_scored_has_no_gains_and_spoils_no_others():
    tasks, _, train = truth(0, 4)

    def some(chosen):
        return {n: s if n != "t1" else (float("nan"), np.empty(0)) for n, s in train(chosen).items()}

    for budget, size in ((4 + 1 + 6, None), (4 + 1 + 2, 3)):
        found = measure_transfer(some, tasks, budget, size=size)
        known = np.delete(np.arange(4), 1)
        assert np.isnan(found.affinity.values[[0, 2, 3], 1]).all()
        assert np.isfinite(found.affinity.values[:, known]).all()
        assert not found.affinity.support[:, 1].any()
        assert found.predicted(tasks, "t1") == 0.0 and found.predicted(("t0", "t1"), "t1") == 0.0
        assert choose_auxiliaries(found.affinity, "t1").chosen == ()
        for joint in (None, found.joint):
            told = {t.task: t for t in treatments(tasks, gain=found.affinity, joint=joint)}
            assert told["t1"].action == "keep" and "nan" not in " ".join(t.reason for t in told.values())
        grouped = group_tasks(found.affinity, 2, score=found.predicted)
        assert np.isfinite(grouped.value) and sorted(t for g in grouped.groups for t in g.serves) == list(
            tasks
        )
    with pytest.raises(ArrayError, match="finite score"):
        measure_transfer(lambda s: {t: (float("nan"), np.ones(3)) for t in s}, tasks, 5)
