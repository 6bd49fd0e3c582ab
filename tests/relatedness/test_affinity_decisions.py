"""What is made of affinities: auxiliaries, groups, treatments, copies, random labels, pools."""

import time
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jointset.errors import ArrayError
from jointset.relatedness import (
    Affinity,
    Signal,
    association,
    choose_auxiliaries,
    company,
    consensus,
    group_tasks,
    information,
    label_signal,
    pool_datasets,
    same_content,
    treatments,
)
from jointset.relatedness.transfer_gain import Training


def gains(values, tasks=None, **more) -> Affinity:
    values = np.asarray(values, float)
    return Affinity(
        "gain", tuple(tasks or [f"t{i}" for i in range(len(values))]), values, "skill", (-1, 1), **more
    )


def worth(values, members, serves) -> float:
    total = 0.0
    for t in serves:
        others = [values[s, t] for s in members if s != t]
        total += float(np.mean(others)) if others else 0.0
    return total


def partitions(n, groups):
    """The best value of all ways to put n tasks into at most so many groups, by trying each."""
    for code in product(range(groups), repeat=n):
        yield [[t for t in range(n) if code[t] == g] for g in set(code)]


@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 3))
def test_the_optimum_is_that_of_trying_all(seed, n, groups):
    values = np.random.default_rng(seed).normal(size=(n, n))
    found = group_tasks(gains(values), groups)
    best = max(sum(worth(values, b, b) for b in p) for p in partitions(n, groups))
    assert found.value == pytest.approx(best) and found.exact and found.share == 1.0
    served = sorted(t for g in found.groups for t in g.serves)
    assert served == [f"t{i}" for i in range(n)] and len(found.groups) <= groups


@given(st.integers(0, 10_000), st.integers(2, 4))
def test_helpers_never_make_groups_worse_and_are_the_optimum_too(seed, n):
    values = np.random.default_rng(seed).normal(size=(n, n))
    found = group_tasks(gains(values), 2, helpers=True)
    best = -np.inf
    for p in partitions(n, 2):
        total = 0.0
        for block in p:
            sets = [m for m in product([0, 1], repeat=n) if all(m[t] for t in block)]
            total += max(worth(values, [t for t in range(n) if m[t]], block) for m in sets)
        best = max(best, total)
    assert found.value == pytest.approx(best)
    assert found.value >= group_tasks(gains(values), 2).value - 1e-9
    assert all(set(g.serves) <= set(g.trained) for g in found.groups)


@given(st.integers(0, 10_000))
def test_a_beam_is_near_the_optimum_and_within_its_bound(seed):
    values = np.random.default_rng(seed).normal(size=(7, 7))
    exact = group_tasks(gains(values), 3)
    beam = group_tasks(gains(values), 3, exact_up_to=0)
    assert not beam.exact and beam.value <= exact.value + 1e-9 <= beam.bound + 2e-9
    assert beam.value >= 0.85 * exact.value
    total = sum(worth(values, *(2 * [[int(t[1:]) for t in g.trained]])) for g in beam.groups)
    assert total == pytest.approx(beam.value)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 4), st.floats(-1, 1))
def test_the_bound_of_company_and_of_means_is_one_and_is_reached_where_all_help(seed, groups, shift):
    found = gains(np.random.default_rng(seed).normal(size=(6, 6)) + shift)
    for score in (None, company(found)):
        exact = group_tasks(found, groups, score=score)
        beam = group_tasks(found, groups, score=score, exact_up_to=0)
        assert beam.value <= exact.value + 1e-9 <= beam.bound + 2e-9
    helpful = gains(np.abs(found.values))
    assert group_tasks(helpful, groups, score=company(helpful), exact_up_to=0).share == 1.0


def test_many_tasks_are_grouped_in_little_time_with_a_bound_that_is_known():
    names = [f"task{i}" for i in range(41)]
    found = gains(np.random.default_rng(0).uniform(-1, 1, (41, 41)), names)
    begun = time.process_time()
    for score, least in ((company(found), 0.7), (None, 0.3)):
        made = group_tasks(found, 3, score=score)
        assert least < made.share <= 1 and sorted(t for g in made.groups for t in g.serves) == sorted(names)
    assert time.process_time() - begun < 5


def test_a_score_of_many_tasks_is_asked_once_for_each_group_and_has_no_bound():
    asked = []

    def score(members, task):
        asked.append((members, task))
        return len(members) % 5 - 2.0

    found = group_tasks(gains(np.zeros((14, 14))), 3, score=score)
    assert len(set(asked)) == len(asked) and np.isnan(found.share)
    assert found.value == sum((len(g.serves) % 5 - 2.0) * len(g.serves) for g in found.groups)


def test_more_groups_are_never_worth_less_and_twelve_tasks_are_parted_by_their_blocks():
    blocks = np.kron(np.eye(4), np.ones((3, 3))) * 2 - 1
    one, four = (group_tasks(gains(blocks), g) for g in (1, 4))
    assert four.value == 12 and four.share == 1.0 and one.value < four.value
    assert sorted(g.serves for g in four.groups)[0] == ("t0", "t1", "t2")
    assert [group_tasks(gains(blocks[:6, :6]), g).value for g in (1, 2, 3)] == pytest.approx([-1.2, 6, 6])


def test_a_score_of_sets_may_stand_in_for_the_matrix():
    def score(members, task):
        return float(len(members) == 2 and task == "t0")

    found = group_tasks(gains(np.zeros((3, 3))), 2, score=score)
    assert found.value == 1.0 and any(len(g.serves) == 2 and "t0" in g.serves for g in found.groups)
    with pytest.raises(ArrayError, match="at least 1"):
        group_tasks(gains(np.zeros((2, 2))), 0)


def test_auxiliaries_are_those_above_chance_and_excluded_ones_say_why():
    values = np.array([[1, 0, 0, 0], [0.9, 1, 0, 0], [0.5, 0, 1, 0], [0.1, 0, 0, 1.0]])
    found = choose_auxiliaries(gains(values, chance=np.full((4, 4), 0.2)), "t0", exclude={"t1": "a copy"})
    assert found.chosen == ("t2",) and found.trainings == 0
    assert [(s.source, s.taken) for s in found.steps] == [("t1", False), ("t2", True), ("t3", False)]
    assert found.steps[0].reason == "a copy"


def test_the_measured_check_outranks_the_affinity():
    values = np.array([[1, 0, 0, 0], [0.9, 1, 0, 0], [0.5, 0, 1, 0], [0.3, 0, 0, 1.0]])
    table = {("t1",): -0.1, ("t2",): 0.05, ("t2", "t3"): 0.02}
    asked = []

    def gain(chosen):
        asked.append(chosen)
        return table[chosen], table[chosen] - 0.01, table[chosen] + 0.01

    found = choose_auxiliaries(gains(values), "t0", gain=gain)
    assert found.chosen == ("t2",) and found.gain == 0.05 and found.trainings == len(asked) == 3
    assert choose_auxiliaries(gains(values), "t0", gain=gain, patience=1).chosen == ()


def test_an_auxiliary_must_be_sure_where_intervals_are_known_and_the_search_ends_with_the_budget():
    values = np.array([[0, 0, 0, 0], [0.05, 0, 0, 0], [0.04, 0, 0, 0], [0.03, 0, 0, 0.0]])
    spread = np.array([[0, 0, 0, 0], [0.049, 0, 0, 0], [0.02, 0, 0, 0], [0.04, 0, 0, 0.0]])
    found = choose_auxiliaries(gains(values, low=values - spread, high=values + spread), "t0")
    assert found.chosen == ("t2",) and found.measure == "gain" and found.steps[0].reason == "not surely"
    unsure = choose_auxiliaries(gains(values), "t0", gain=lambda chosen: (0.05, -0.01, 0.11))
    assert unsure.chosen == () and "not surely better" in unsure.reason
    assert choose_auxiliaries(gains(values), "t0", gain=lambda chosen: None).trainings == 0


def test_treatments_by_the_first_reason_that_holds():
    values = np.array([[0, -0.2, 0, 0], [0.3, 0, 0, 0], [0, -0.1, 0, 0], [0.2, 0.1, 0, 0.0]])
    interval = {"low": values - 0.02, "high": values + 0.02}
    by = {t.task: t for t in treatments(("t0", "t1", "t2", "t3"), gain=gains(values, **interval))}
    assert [by[f"t{i}"].action for i in range(4)] == ["keep", "branch", "keep", "keep"]
    assert "t0, t2 make it worse" in by["t1"].reason and "better by t3" in by["t1"].reason
    unsure = treatments(("t0", "t1", "t2", "t3"), gain=gains(values, low=values - 1, high=values + 1))
    assert {t.action for t in unsure} == {"keep"}
    rate = gains(np.array([[0, 0.9, 0.9], [0.9, 0, 0], [0.9, 0, 0.0]]))
    assert [t.action for t in treatments(("t0", "t1", "t2"), conflict=rate)] == [
        "down-weight", "keep", "keep",
    ]  # fmt: skip
    with pytest.raises(ArrayError, match="it says nothing of task 't9'"):
        treatments(("t9",), gain=gains(values))


def test_the_victim_is_set_apart_not_the_source_of_harm_and_only_beyond_the_margin():
    values = np.array([[0, 0.03, -0.05], [0.02, 0, -0.05], [0, 0, 0.0]])
    tasks = ("a", "b", "c")
    narrow = {"low": values - 1e-4, "high": values + 1e-4}
    assert [t.action for t in treatments(tasks, gain=gains(values, tasks, **narrow))] == [
        "keep", "keep", "alone",
    ]  # fmt: skip
    faint = np.array([[0, 0, -0.0013], [0, 0, -0.0013], [0, 0, 0.0]])
    tiny = {"low": faint - 1e-5, "high": faint + 1e-5}
    assert {t.action for t in treatments(tasks, gain=gains(faint, tasks, **tiny))} == {"keep"}
    assert treatments(tasks, gain=gains(faint, tasks, **tiny), margin=0.001)[2].action == "alone"


def test_bounds_are_widened_for_the_number_of_sources():
    values = np.full((21, 21), 0.5)
    low, high = gains(values, low=values - 1.6449, high=values + 1.6449).simultaneous()
    assert low[0, 1] == pytest.approx(0.5 - 2.807, abs=1e-3)  # the normal quantile of 1 - .05 / 20
    assert high[0, 1] == pytest.approx(0.5 + 2.807, abs=1e-3)


def test_what_the_training_of_all_costs_decides_where_it_was_measured():
    values = np.array([[0, 0.0, -0.05], [0.0, 0, 0.04], [0, 0, 0.0]])
    gain, tasks = gains(values, ("a", "b", "c")), ("a", "b", "c")

    def joint(at):
        return Training(tasks, {"a": 0.0, "b": 0.0, "c": at}, dict.fromkeys(tasks, 1e-6), 0.0)

    assert treatments(tasks, gain=gain, joint=joint(0.02))[2].action == "keep"
    assert treatments(tasks, gain=gain, joint=joint(-0.03))[2].action == "branch"
    dropped = {"a": Signal("a", "no signal", "random", 0.5, 0.5, 0.5, 900)}
    assert [t.action for t in treatments(tasks, gain=gain, joint=joint(-0.03), signals=dropped)] == [
        "drop", "keep", "keep",
    ]  # fmt: skip


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_treatments_agree_with_the_groups_beside_them(seed, groups):
    found = gains(np.random.default_rng(seed).normal(size=(5, 5)))
    made = group_tasks(found, groups)
    alone = {g.trained[0] for g in made.groups if len(g.trained) == 1} if len(made.groups) > 1 else set()
    treated = treatments(found.tasks, gain=found, grouping=made)
    assert {t.task for t in treated if t.action == "alone"} == alone


def test_copies_and_random_labels_are_told_from_real_ones():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5))
    real = np.digitize(x[:, 0] + 0.3 * rng.normal(size=400), [-0.5, 0.5])
    labels = {
        "real": real,
        "copy": np.where(rng.random(400) < 0.3, -1, (real + 1) % 3),
        "coarse": (real == 2).astype(int),
        "random": rng.permutation(real),
        "amount": x[:, 1] + rng.normal(size=400),
        "price": np.exp(x[:, 1] * 0) * np.arange(400.0),
    }
    labels["rank"] = labels["price"] ** 3
    signals = label_signal(labels, x)
    assert {n: s.outcome for n, s in signals.items()} == {
        "real": "signal", "copy": "signal", "coarse": "signal", "random": "no signal", "amount": "signal",
        "price": "no signal", "rank": "no signal",
    }  # fmt: skip
    same = {(s.source, s.target): s.kind for s in same_content(labels)}
    assert same == {
        ("real", "copy"): "copy",
        ("real", "coarse"): "determines",
        ("copy", "coarse"): "determines",
        ("price", "rank"): "copy",
    }
    treated = {
        t.task: t.action for t in treatments(tuple(labels), signals=signals, same=same_content(labels))
    }
    assert treated["copy"] == "merge" and treated["random"] == "drop" and treated["real"] == "keep"


def test_permuted_labels_have_even_p_values():
    """The test keeps its level: p-values of random labels are spread evenly."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4))
    labels = {f"t{i}": rng.integers(2, size=60) for i in range(120)}
    p = np.array([s.p_value for s in label_signal(labels, x, permutations=39).values()])
    assert 0.01 <= np.mean(p <= 0.1) <= 0.2 and 0.35 <= p.mean() <= 0.65


def test_few_labels_are_not_called_random():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 30))
    faint = (x[:, 0] * x[:, 1] > 0).astype(int)
    found = label_signal({"faint": faint}, x)["faint"]
    assert found.p_value > 0.05 and found.outcome == "not judged" and "too few to tell" in found.reason
    assert treatments(("faint",), signals={"faint": found})[0].action == "keep"
    rare = np.r_[np.ones(20, int), np.zeros(480, int)]
    assert label_signal({"rare": rare}, rng.normal(size=(500, 4)))["rare"].outcome == "not judged"
    assert label_signal({"clear": (x[:, 0] > 0).astype(int)}, x[:, :3])["clear"].outcome == "signal"


def test_an_id_column_gives_nothing_away():
    rng = np.random.default_rng(0)
    assert same_content({"id": np.arange(200), "y": rng.integers(2, size=200)}) == ()


def test_pools_of_numbers_and_classes():
    rng = np.random.default_rng(0)
    x, site = rng.normal(size=(900, 8)), np.repeat(["a", "b", "c"], 300)
    slope = np.where(site == "c", -1.0, 1.0)
    y = x[:, 0] * slope + 0.5 * x[:, 1] + rng.normal(size=900)
    few = np.where(
        (site == "a") & (np.arange(900) >= 50), np.nan, y
    )  # a is small, so b's rows are worth something
    found = pool_datasets(few, site, x)
    assert found.advice["a"] == ("b",) and found.harm["a"] == ("c",) and found.harm["b"] == ("c",)
    assert found.gain["b", "a"] > 0 > found.gain["c", "a"]
    copies = pool_datasets(np.tile(y[:300], 2), np.repeat(["a", "b"], 300), np.tile(x[:300], (2, 1)),
                           groups=np.tile(np.arange(300), 2))  # fmt: skip
    assert copies.gain["b", "a"] == pytest.approx(
        0, abs=0.05
    )  # copies of a row do not teach its own prediction
    with pytest.raises(ArrayError, match="datasets must be"):
        pool_datasets(y, site[:5], x)


def test_the_consensus_is_a_share_of_the_most_that_a_task_says():
    chance = np.full((2, 2), 0.1)
    a = Affinity("a", ("x", "y"), np.array([[0.6, 0.35], [0.1, 0.1]]), "share", (0, 1), chance=chance)
    b = Affinity("b", ("x", "y"), np.array([[1.0, np.nan], [0.5, 1.0]]), "share", (0, 1))
    found = consensus([a, b])
    assert found["y", "x"] == pytest.approx((0 + 0.5) / 2)
    assert found["x", "y"] == 1 and found["y", "y"] == pytest.approx(0.5)  # in a, x says more of y than y
    nothing = Affinity("c", ("x", "y"), np.full((2, 2), 0.1), "share", (0, 1), chance=chance)
    assert np.isnan(consensus([nothing]).values).all()
    with pytest.raises(ArrayError, match="other tasks"):
        consensus([a, gains(np.zeros((3, 3)))])


def test_of_pure_noise_hardly_an_auxiliary_is_chosen():
    chosen, alone = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        labels = {f"t{i}": rng.normal(size=30) for i in range(6)}
        found = association(labels, seed=seed)
        both = consensus([found, information(labels)])
        chosen += [len(choose_auxiliaries(both, t, floor=0.1).chosen) for t in labels]
        alone += [len(choose_auxiliaries(consensus([found]), t, floor=0.1).chosen) for t in labels]
    assert np.mean(chosen) <= 0.3 and np.mean(alone) <= 0.3


def test_a_column_of_noise_says_nothing_and_one_of_a_few_rows_of_copies_does():
    chance = np.full((3, 3), 0.1)
    values = np.array([[0.12, 0.5, 0.1], [0.09, 0.3, 0.1], [0.13, 0.1, 0.1]])
    found = consensus([Affinity("a", ("x", "y", "z"), values, "share", (0, 1), chance=chance)])
    assert np.isnan(found.values[:, [0, 2]]).all() and found["x", "y"] == 1.0
    few = consensus([association({"a": np.arange(12.0), "b": np.arange(12.0) ** 3})])
    assert few["a", "b"] == 1.0


def test_an_affinity_shows_itself():
    found = gains([[0, 0.5], [np.nan, 0]], ["<a>", "b"], low=np.zeros((2, 2)))
    assert "<th>&lt;a&gt;</th>" in found._repr_html_() and "0.50" in repr(found)
    assert found.to_pandas().to_dict("list")["source"] == ["<a>", "b"]
    assert found.record()["values"] == [[0, 0.5], [None, 0]]
    with pytest.raises(ArrayError, match=r"low of shape \(2, 2\) expected"):
        gains(np.zeros((2, 2)), low=np.zeros(2))
