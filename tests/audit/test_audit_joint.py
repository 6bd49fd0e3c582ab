"""Several tasks: what one label says about another."""

import numpy as np
import pytest

from jointset.audit import fillable, find_label_errors, issues, run
from jointset.audit.joint import Edge, Forest, evidence, fit_forest, messages
from jointset.audit.label_errors.regression import bin_edges
from jointset.records import Issues, Task

N = 3000


def softmax(z):
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


def noisy(true, k, noise, rng):
    return np.where(rng.random(len(true)) < noise, (true + rng.integers(1, k, len(true))) % k, true)


def view(true, k, rng, sharp=1.5):
    """Probabilities of a middling model, calibrated: a Gaussian view of the one-hot label."""
    seen = sharp * np.eye(k)[true] + rng.normal(size=(len(true), k))
    return softmax(sharp * seen)


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 6, N)
    coarse = fine // 2
    labels = {"fine": noisy(fine, 6, 0.2, rng), "coarse": noisy(coarse, 3, 0.2, rng)}
    probs = {"fine": view(fine, 6, rng), "coarse": view(coarse, 3, rng)}
    return {"fine": fine, "coarse": coarse}, labels, probs


def ranking(found, true):
    """Share of the errors among the lowest qualities, as many as there are errors."""
    error = found.given != true
    return error[found.ranked(int(error.sum()))].mean()


def test_a_related_task_helps(pair):
    true, labels, probs = pair
    joint = find_label_errors(labels, probs)
    for task in labels:
        single = find_label_errors(labels[task], probs[task])
        assert ranking(joint[task], true[task]) > ranking(single, true[task]) + 0.05
        assert (joint[task].suggested == true[task]).mean() > (single.suggested == true[task]).mean() + 0.02


def test_promises_hold_with_several_tasks(pair):
    true, labels, probs = pair
    for name, found in find_label_errors(labels, probs).items():
        error = found.given != true[name]
        assert abs(error[found.is_error].mean() - found.promised_precision) < 0.06
        assert abs((found.suggested == true[name]).mean() - found.confidence.mean()) < 0.04


def test_a_related_task_fills_missing_labels(pair):
    true, labels, probs = pair
    hidden = np.random.default_rng(1).random(N) < 0.4
    part = {**labels, "coarse": np.where(hidden, -1, labels["coarse"])}
    joint = find_label_errors(part, probs)["coarse"]
    single = find_label_errors(part["coarse"], probs["coarse"])
    assert (joint.suggested == true["coarse"])[hidden].mean() > (single.suggested == true["coarse"])[
        hidden
    ].mean() + 0.05
    rows = fillable(joint, 0.95)
    assert hidden[rows].all() and (joint.suggested[rows] == true["coarse"][rows]).mean() > 0.9


def test_an_unrelated_task_changes_nothing(pair):
    _, labels, probs = pair
    rng = np.random.default_rng(2)
    other = rng.integers(0, 4, N)
    with_it = find_label_errors({**labels, "other": other}, {**probs, "other": view(other, 4, rng)})
    without = find_label_errors(labels, probs)
    for task in labels:
        np.testing.assert_allclose(with_it[task].quality, without[task].quality, atol=1e-6)


def test_task_order_does_not_matter(pair):
    _, labels, probs = pair
    there = find_label_errors(labels, probs)
    back = find_label_errors(dict(reversed(labels.items())), probs)
    np.testing.assert_allclose(there["fine"].quality, back["fine"].quality, atol=5e-3)


def test_messages_on_a_chain_match_enumeration():
    rng = np.random.default_rng(0)
    lifts = [rng.random((2, 3)) + 0.1, rng.random((3, 2)) + 0.1]
    forest = Forest(3, (Edge(0, 1, lifts[0], 1.0), Edge(1, 2, lifts[1], 1.0)), ())
    beliefs = [rng.dirichlet(np.ones(k), 4) for k in (2, 3, 2)]
    full = np.einsum("ab,bc,na,nb,nc->nabc", *lifts, *beliefs)
    for task, axes in enumerate([(2, 3), (1, 3), (1, 2)]):
        exact = full.sum(axis=axes)
        got = np.exp(messages(forest, beliefs)[task]) * beliefs[task]
        np.testing.assert_allclose(
            got / got.sum(1, keepdims=True), exact / exact.sum(1, keepdims=True), rtol=1e-6
        )


def test_the_forest_is_the_strongest_one():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 2, 4000)
    b, c = noisy(a, 2, 0.05, rng), None
    c = noisy(b, 2, 0.05, rng)
    d = rng.integers(0, 2, 4000)
    forest = fit_forest([np.eye(2)[t] for t in (a, b, c, d)], [np.ones(4000, bool)] * 4)
    assert {frozenset((e.a, e.b)) for e in forest.tree} == {frozenset((0, 1)), frozenset((1, 2))}
    assert len(forest.related) == 3 and not forest.linked(3)


def test_multilabel_columns_inform_each_other():
    rng = np.random.default_rng(0)
    true = np.stack([np.arange(N) % 2] * 2 + [rng.integers(0, 2, N)], axis=1)
    given = np.where(rng.random(true.shape) < 0.1, 1 - true, true)
    given[rng.random(true.shape) < 0.2] = -1
    probs = np.stack([view(t, 2, rng, 1.0)[:, 1] for t in true.T], axis=1)
    found = find_label_errors(given, probs)
    assert found.kind == "multilabel" and found.noise_matrix.shape == (3, 2, 2)
    error = (given != true) & (given >= 0)
    worst = found.ranked(int(error.sum()))
    assert error.ravel()[worst].mean() > 0.6
    np.testing.assert_array_equal(np.isnan(found.quality), given < 0)
    assert abs(error[found.is_error].mean() - found.promised_precision) < 0.08


@pytest.fixture(scope="module")
def audited(pair):
    _, labels, probs = pair
    tasks = [
        Task("fine", "multiclass", tuple("abcdef")),
        Task("coarse", "multiclass", ("low", "mid", "high")),
    ]
    part = {**labels, "coarse": np.where(np.arange(N) < 100, -1, labels["coarse"])}
    return tasks, run(part, probs, tasks)


def test_contradictions_are_real(pair, audited):
    true, labels, _ = pair
    found = audited[1].contradictions
    assert len(found) > 100
    assert (labels["fine"][found.row] // 2 != labels["coarse"][found.row]).mean() > 0.99
    wrong = np.where(
        found.wrong == 0,
        labels["fine"][found.row] != true["fine"][found.row],
        labels["coarse"][found.row] != true["coarse"][found.row],
    )
    assert wrong.mean() > 0.8 and (np.diff(found.p_both) >= 0).all()


def test_issues_are_addressed_and_named(audited):
    tasks, result = audited
    rows = np.array([f"r{i}" for i in range(N)])
    found = issues(result, tasks, np.full(N, "toys"), rows, margin={"fine": np.linspace(-1, 1, N)})
    assert isinstance(found, Issues) and set(found.code) == {"label_error", "missing_label", "contradiction"}
    assert ((found.score >= 0) & (found.score <= 1)).all() and set(found.dataset) == {"toys"}
    fill = found.take(found.code == "missing_label")
    assert (
        set(fill.row) <= set(rows[:100])
        and set(fill.given) == {""}
        and set(fill.suggested) <= {"low", "mid", "high"}
    )
    first = found.take((found.code == "label_error") & (found.task == "fine"))
    assert '"margin"' in first.evidence[0] and any('"because": "coarse=' in e for e in first.evidence)
    assert Issues.from_arrow(found.to_arrow()).row.tolist() == found.row.tolist()


def test_no_tasks():
    assert len(find_label_errors({}, {})) == 0


@pytest.fixture(scope="module")
def marks():
    """Two numeric tasks that go together, a class that depends on them, and predictions that know a little."""
    rng = np.random.default_rng(0)
    skill = rng.normal(size=N)
    true = {
        t: 10 + 3 * (0.6 * skill + 0.8 * (0.85 * z + 0.53 * rng.normal(size=N)))
        for t, z in zip(("first", "second"), [rng.normal(size=N)] * 2, strict=True)
    }
    mean = (true["first"] + true["second"]) / 2
    true["passed"] = (mean + rng.normal(size=N) > 9).astype(int)
    labels = {}
    for task in ("first", "second"):
        wrong = rng.random(N) < 0.1
        labels[task] = np.where(wrong, rng.permutation(true[task]), true[task])
    labels["passed"] = noisy(true["passed"], 2, 0.15, rng)
    probs = {"first": 10 + 1.8 * skill, "second": 10 + 1.8 * skill}
    odds = np.exp(0.8 * (1.8 * skill + 1))
    probs["passed"] = np.stack([1 / (1 + odds), odds / (1 + odds)], axis=1)
    return true, labels, probs


def precision_of(found, true):
    from sklearn.metrics import average_precision_score

    known = np.isfinite(found.p_error)
    return average_precision_score((found.given != true)[known], found.p_error[known])


def test_numeric_tasks_help_each_other(marks):
    true, labels, probs = marks
    joint = find_label_errors(labels, probs)
    for task, gain in (("first", 0.05), ("second", 0.05), ("passed", 0.03)):
        single = find_label_errors(labels[task], probs[task])
        assert precision_of(joint[task], true[task]) > precision_of(single, true[task]) + gain


def test_numeric_labels_are_filled_from_other_tasks(marks):
    true, labels, probs = marks
    hidden = np.random.default_rng(1).random(N) < 0.4
    part = {**labels, "first": np.where(hidden, np.nan, labels["first"])}
    joint = find_label_errors(part, probs)["first"]
    single = find_label_errors(part["first"], probs["first"])
    errors = [np.square(a.suggested - true["first"])[hidden].mean() for a in (joint, single)]
    assert errors[0] < 0.8 * errors[1]
    assert joint.confidence[hidden].mean() > single.confidence[hidden].mean() + 0.1
    inside = (joint.interval[:, 0] <= true["first"]) & (true["first"] <= joint.interval[:, 1])
    assert inside[hidden].mean() > 0.88


def test_an_unrelated_numeric_task_changes_nothing(marks):
    _, labels, probs = marks
    rng = np.random.default_rng(2)
    other = rng.normal(size=N)
    classes = {"passed": labels["passed"]}
    with_it = run_all({**classes, "other": other}, {**probs, "other": other + rng.normal(size=N)})
    without = run_all(classes, probs)
    for field in ("quality", "posterior", "suggested", "confidence"):
        np.testing.assert_array_equal(getattr(with_it["passed"], field), getattr(without["passed"], field))
    alone = run_all({"first": labels["first"]}, probs)["first"]
    beside = run_all({"first": labels["first"], "other": other}, {**probs, "other": np.zeros(N)})["first"]
    np.testing.assert_array_equal(alone.p_error, beside.p_error)
    np.testing.assert_array_equal(alone.interval, beside.interval)


def run_all(labels, probs):
    return find_label_errors(labels, {t: probs[t] for t in labels})


def test_order_and_names_of_numeric_tasks_do_not_matter(marks):
    _, labels, probs = marks
    there = run_all(labels, probs)
    renamed = {"zz": "first", "m": "passed", "a": "second"}
    back = find_label_errors(
        {new: labels[old] for new, old in renamed.items()}, {new: probs[old] for new, old in renamed.items()}
    )
    for new, old in renamed.items():
        np.testing.assert_allclose(there[old].quality, back[new].quality, atol=5e-3)


def test_a_copy_of_a_task_is_no_contradiction_of_it(marks):
    _, labels, probs = marks
    twice = {"first": labels["first"], "again": labels["first"]}
    found = find_label_errors(twice, dict.fromkeys(twice, probs["first"]))
    np.testing.assert_allclose(found["first"].quality, found["again"].quality, atol=1e-6)
    assert found["first"].is_error.mean() < 0.15


def test_a_numeric_task_missing_everywhere(marks):
    _, labels, probs = marks
    found = find_label_errors(
        {**labels, "second": np.full(N, np.nan)},
        probs,
        kind=dict.fromkeys(("first", "second"), "regression") | {"passed": "binary"},
    )
    without = run_all({t: labels[t] for t in ("first", "passed")}, probs)
    np.testing.assert_array_equal(found["first"].quality, without["first"].quality)
    assert np.isfinite(found["second"].suggested).all()


def test_messages_between_numbers_are_the_conditional_normal():
    from scipy.stats import multivariate_normal, norm

    rng = np.random.default_rng(0)
    pair = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 40_000)
    cuts = bin_edges(pair[:, 0])
    codes = np.stack([np.searchsorted(cuts, y) for y in pair.T])
    k = len(cuts) + 1
    hot = [np.eye(k)[c] for c in codes]
    forest = fit_forest(hot, [np.ones(len(pair), bool)] * 2)
    share = [h.mean(axis=0, keepdims=True).repeat(len(h), axis=0) for h in hot]
    said = np.exp(evidence(forest, share, [hot[0], share[1]])[1][1]) * share[1]
    said /= said.sum(axis=1, keepdims=True)
    ends = np.r_[-8, cuts, 8]
    joint = multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]])
    below = np.array([[joint.cdf([a, b]) for b in ends] for a in ends])
    exact = np.diff(np.diff(below, axis=0), axis=1) / np.diff(norm.cdf(ends))[:, None]
    np.testing.assert_allclose(said, exact[codes[0]], atol=0.025)


def test_issues_name_numbers(marks):
    _, labels, probs = marks
    tasks = [
        Task("first", "regression"),
        Task("second", "regression"),
        Task("passed", "binary", ("no", "yes")),
    ]
    result = run(labels, probs, tasks)
    found = issues(result, tasks, np.full(N, "marks"), np.arange(N).astype(str), level=0.2)
    wrong = found.take((found.task == "first") & (found.code == "label_error"))
    assert (
        len(wrong) and all(float(v) for v in wrong.given) and any('"because": "' in e for e in wrong.evidence)
    )
    clash = found.take((found.code == "contradiction") & (found.task == "first"))
    given = dict(zip(np.arange(N).astype(str), labels["first"], strict=True))
    assert all(np.isclose(float(g), given[r], rtol=1e-4) for g, r in zip(clash.given, clash.row, strict=True))


def test_many_tasks_are_related_in_one_go():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2, 2000)
    tasks = [np.where(rng.random(2000) < 0.1 + 0.004 * i, 1 - first, first) for i in range(60)]
    hot, known = [np.eye(2)[t] for t in tasks], [rng.random(2000) < 0.5 for _ in tasks]
    forest = fit_forest(hot, known)
    assert len(forest.tree) == 59
    for edge in forest.related[:5]:
        pair = fit_forest([hot[edge.a], hot[edge.b]], [known[edge.a], known[edge.b]]).related[0]
        np.testing.assert_allclose(pair.lift, edge.lift, rtol=1e-6)
    swapped = fit_forest(hot[::-1], known[::-1])
    assert {frozenset((e.a, e.b)) for e in forest.tree} == {
        frozenset((59 - e.a, 59 - e.b)) for e in swapped.tree
    }
