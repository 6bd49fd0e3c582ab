"""Every loss of the table: its form, its least value, and the way back to P(given | x)."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight

from jointset.errors import ConfigError
from jointset.records import Task
from jointset.tasks import KINDS
from jointset.tasks.losses import LOSSES, ClassLoss, NumberLoss, Seen, fitting, make_loss
from jointset.tasks.losses.base import effective_weights

COUNTS = {3: [500, 40, 3], 2: [900, 25]}
VARIANTS = [
    ("cross_entropy", {}),
    ("cross_entropy", {"adjust": 1.0}),
    ("class_balanced", {}),
    ("class_balanced", {"beta": 1.0}),
    ("class_balanced", {"beta": 0.0}),
    ("class_balanced", {"defer": 0.5}),
    ("logit_adjustment", {}),
    ("logit_adjustment", {"tau": 0.5}),
    ("focal", {}),
    ("focal", {"gamma": 0.5}),
    ("focal", {"gamma": 3.0}),
    ("ldam", {"scale": 1.0}),
    ("ldam", {"scale": 5.0, "margin": 0.3, "defer": 0.5}),
    ("asymmetric", {}),
    ("asymmetric", {"positive": 1.0, "negative": 2.0, "clip": 0.0}),
]
TWO = [*VARIANTS, ("focal", {"alpha": 0.25}), ("focal", {"gamma": 1.0, "alpha": 0.8})]


def made(name, **options):
    kind = "multilabel" if name == "asymmetric" else "multiclass"
    if "alpha" in options:
        kind = "binary"
    classes = ("a", "b") if kind == "binary" else ("a", "b", "c")
    loss = make_loss(Task("t", kind, classes, loss={"name": name, **options}))
    assert isinstance(loss, ClassLoss)
    return loss


def expectation(loss, p, seen):
    """The logits (C,) of the least expected loss under the distribution p (C,)."""
    z = torch.zeros(len(p), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([z], max_iter=500, tolerance_grad=1e-12, line_search_fn="strong_wolfe")
    labels = torch.arange(len(p))

    def closure():
        optimizer.zero_grad()
        if len(p) == 2:  # the form of label sets, which every loss takes
            values = loss.values(z.expand(2, 1, 2), labels[:, None], seen)[:, 0]
        else:
            values = loss.values(z.expand(len(p), len(p)), labels, seen)
        total = (p * values).sum()
        total.backward()
        return total

    optimizer.step(closure)
    return z.detach()


def test_the_table_names_what_fits_each_kind():
    assert fitting("multiclass") == ["cross_entropy", "class_balanced", "logit_adjustment", "focal", "ldam"]
    assert fitting("binary") == fitting("multiclass")
    assert fitting("multilabel") == [
        "cross_entropy",
        "class_balanced",
        "logit_adjustment",
        "focal",
        "asymmetric",
    ]
    assert fitting("regression") == ["squared", "huber", "beta_nll"]
    assert {n for kind in KINDS for n in fitting(kind)} == set(LOSSES)
    assert {n for n, _ in VARIANTS} == {n for n, loss in LOSSES.items() if issubclass(loss, ClassLoss)}


@pytest.mark.parametrize(("name", "options"), TWO)
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("p", [[0.7, 0.3], [0.95, 0.05], [0.2, 0.8]])
def test_the_way_back_from_the_least_expected_loss_of_two_classes_is_the_truth(name, options, late, p):
    loss, p = made(name, **options), torch.tensor(p, dtype=torch.float64)
    seen = Seen(torch.tensor(COUNTS[2]), late)
    back = loss.calibrated(expectation(loss, p, seen)[None], seen)[0].softmax(-1)
    torch.testing.assert_close(back.double(), p, atol=2e-3, rtol=0)


@pytest.mark.parametrize(("name", "options"), [v for v in VARIANTS if v[0] != "asymmetric"])
@pytest.mark.parametrize("late", [False, True])
def test_the_way_back_from_the_least_expected_loss_of_three_classes_is_the_truth(name, options, late):
    loss, seen = made(name, **options), Seen(torch.tensor(COUNTS[3]), late)
    for p in ([0.6, 0.3, 0.1], [0.05, 0.05, 0.9], [0.34, 0.33, 0.33]):
        p = torch.tensor(p, dtype=torch.float64)
        back = loss.calibrated(expectation(loss, p, seen)[None], seen)[0].softmax(-1)
        torch.testing.assert_close(back.double(), p, atol=2e-3, rtol=0)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_values_and_ways_back_are_finite_for_extreme_logits(name, options):
    loss = made(name, **options)
    logits = torch.tensor([[-60.0, 60.0], [60.0, -60.0], [0.0, 0.0], [0.0, -3.0]], requires_grad=True)
    for late in (False, True):
        seen = Seen(torch.tensor([10, 0]), late)
        for labels in ([0] * 4, [1] * 4):
            values = loss.values(logits[:, None], torch.tensor(labels)[:, None], seen)
            assert values.shape == (4, 1)
            assert torch.isfinite(values).all() and (values >= 0).all()
            values.sum().backward()
            assert torch.isfinite(logits.grad).all()
        found = loss.calibrated(logits[:, None], seen)[:, 0]
        assert torch.isfinite(found.softmax(-1)).all() and found.shape == (4, 2)
        assert torch.isfinite(loss.decided(logits[:, None], seen)).all()


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_the_way_back_keeps_the_order_of_rows(name, options):
    loss, seen = made(name, **options), Seen(torch.tensor(COUNTS[2]), True)
    z = torch.linspace(-6, 6, 60)
    found = loss.calibrated(torch.stack([torch.zeros(60), z], -1)[:, None], seen)[:, 0]
    odds = found[:, 1] - found[:, 0]
    assert (odds.diff() >= -1e-5).all()
    if name != "asymmetric":  # learns nothing from the surest negatives
        assert (odds.diff() > 0).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("class_balanced", {"beta": 0.0}),
        ("logit_adjustment", {"tau": 0.0}),
        ("focal", {"gamma": 0.0}),
        ("ldam", {"margin": 0.0}),
        ("asymmetric", {"positive": 0.0, "negative": 0.0, "clip": 0.0}),
    ],
)
def test_each_is_cross_entropy_at_its_neutral_setting(name, options):
    loss, seen = made(name, **options), Seen(torch.tensor(COUNTS[2]))
    logits, labels = torch.randn(50, 1, 2, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 2
    plain = F.cross_entropy(logits[:, 0], labels, reduction="none")
    torch.testing.assert_close(loss.values(logits, labels[:, None], seen)[:, 0], plain, atol=5e-4, rtol=1e-3)


# Golden values from the papers' formulas, worked out by hand


def test_class_weights_by_inverse_frequency_are_scikit_learns_balanced_ones():
    labels = np.array([0] * 7 + [1] * 2 + [2] * 3)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    found = effective_weights(torch.tensor([7, 2, 3]), 1.0, 100.0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_class_weights_of_effective_numbers():
    beta, n = 0.99, np.array([1000, 10])
    expected = (1 - beta) / (1 - beta**n)
    expected *= n.sum() / (expected * n).sum()
    np.testing.assert_allclose(effective_weights(torch.tensor(n), beta, 100.0), expected, rtol=1e-5)


def test_class_weights_are_capped_and_absent_classes_have_one():
    found = effective_weights(torch.tensor([100_000, 10, 0]), 1.0, 100.0)
    assert found[1] / found[0] == pytest.approx(100.0)
    assert found[2] == 1
    assert float((found[:2] * torch.tensor([100_000, 10])).sum()) == pytest.approx(100_010, rel=1e-5)
    assert effective_weights(torch.tensor([0, 0]), 0.999, 100.0).tolist() == [1, 1]


def test_label_sets_are_weighed_label_by_label():
    found = effective_weights(torch.tensor([[90, 10], [50, 50]]), 1.0, 100.0)
    np.testing.assert_allclose(found, [[100 / 180, 5.0], [1.0, 1.0]], rtol=1e-5)


def test_focal_loss_of_a_sure_label():
    loss, seen = made("focal", gamma=2.0, alpha=0.25), Seen(torch.tensor([1, 1]))
    z = math.log(0.9 / 0.1)
    values = loss.values(torch.tensor([[0.0, z], [0.0, z]]), torch.tensor([1, 0]), seen)
    np.testing.assert_allclose(
        values, [0.25 * 0.01 * -math.log(0.9), 0.75 * 0.81 * -math.log(0.1)], rtol=1e-4
    )


def test_logit_adjustment_adds_the_log_shares():
    loss, seen = made("logit_adjustment"), Seen(torch.tensor([90, 9, 1]))
    shifted = torch.zeros(3).log_softmax(0) + torch.tensor([0.9, 0.09, 0.01]).log()
    expected = -(shifted - shifted.logsumexp(0))
    torch.testing.assert_close(loss.values(torch.zeros(3, 3), torch.arange(3), seen), expected)
    assert made("cross_entropy", adjust=1.0).decided(torch.zeros(1, 3), seen).argmax() == 2


def test_margins_grow_with_the_fourth_root():
    loss, seen = made("ldam", margin=0.5, scale=2.0), Seen(torch.tensor([81, 16, 1]))
    margins = np.array([1 / 3, 1 / 2, 1.0])  # n^(-1/4) over its largest, times s·C = 1
    expected = [-math.log(math.exp(-m) / (math.exp(-m) + 2)) for m in margins]
    np.testing.assert_allclose(loss.values(torch.zeros(3, 3), torch.arange(3), seen), expected, rtol=1e-5)


def test_asymmetric_loss_drops_easy_negatives():
    loss, seen = made("asymmetric"), Seen(torch.ones(1, 2))
    z = torch.tensor([math.log(0.04 / 0.96), math.log(0.45 / 0.55)])
    logits = torch.stack([torch.zeros(2), z], -1)[:, None]
    off = loss.values(logits, torch.zeros(2, 1, dtype=torch.long), seen)[:, 0]
    np.testing.assert_allclose(off, [0.0, 0.4**4 * -math.log(0.6)], rtol=1e-4)
    on = loss.values(logits, torch.ones(2, 1, dtype=torch.long), seen)[:, 0]
    np.testing.assert_allclose(on, [-math.log(0.04), -math.log(0.45)], rtol=1e-4)


@pytest.mark.parametrize("name", fitting("regression"))
def test_losses_of_numbers_are_least_at_the_target(name):
    loss = make_loss(Task("t", "regression", loss={"name": name}))
    assert isinstance(loss, NumberLoss)
    target = torch.full((9,), 0.5)
    logits = torch.zeros(9, loss.outputs)
    logits[:, 0] = torch.linspace(-1.5, 2.5, 9)
    values = loss.values(logits, target)
    assert values.shape == (9,) and int(values.argmin()) == 4
    torch.testing.assert_close(values, values.flip(0))


def test_huber_is_linear_far_out_and_squared_close():
    loss = make_loss(Task("t", "regression", loss={"name": "huber", "delta": 2.0}))
    found = loss.values(torch.tensor([[0.0], [0.0]]), torch.tensor([1.0, 10.0]))
    assert found.tolist() == [0.5, 2.0 * (10.0 - 1.0)]


def test_a_learnt_variance_is_the_scatter():
    loss = make_loss(Task("t", "regression", loss={"name": "beta_nll", "beta": 0.0}))
    target = torch.tensor([-2.0, 2.0])
    logits = torch.zeros(2, 2, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(600):
        optimizer.zero_grad()
        z = logits.mean(0).expand(2, 2)
        loss.values(z, target).sum().backward()
        optimizer.step()
    found = logits.detach().mean(0)
    assert abs(float(found[0])) < 0.05
    assert float(found[1].exp()) == pytest.approx(4.0, rel=0.02)


# Settings


@pytest.mark.parametrize(
    ("kind", "loss", "parts"),
    [
        (
            "multiclass",
            {"name": "focall"},
            ["'focall' is unknown", "did you mean 'focal'?", "one of cross_entropy"],
        ),
        (
            "regression",
            {"name": "ldam"},
            ["ldam does not fit a task of kind regression", "one of squared, huber"],
        ),
        ("multilabel", {"name": "ldam"}, ["ldam does not fit a task of kind multilabel"]),
        ("binary", {"name": "huber"}, ["huber does not fit a task of kind binary"]),
        (
            "binary",
            {"name": "focal", "gama": 1},
            ["no option 'gama'", "did you mean 'gamma'?", "gamma, alpha"],
        ),
        ("regression", {"name": "squared", "x": 1}, ["no option 'x'", "it has none"]),
        ("binary", {"name": "focal", "gamma": -1}, ["gamma is at least 0, found -1"]),
        ("binary", {"name": "focal", "gamma": "two"}, ["loss.gamma: a number is expected, found 'two'"]),
        ("multiclass", {"name": "focal", "alpha": 0.25}, ["alpha weighs the positive one of two classes"]),
        ("binary", {"name": "class_balanced", "beta": 2}, ["beta is between 0 and 1, found 2"]),
        ("binary", {"name": "ldam", "defer": 1.5}, ["defer is between 0 and 1, found 1.5"]),
        ("multilabel", {"name": "asymmetric", "clip": 1}, ["clip is at least 0 and below 1, found 1"]),
        ("regression", {"name": "huber", "delta": 0}, ["delta is above 0, found 0"]),
    ],
)
def test_a_loss_that_does_not_fit_is_one_clear_line(kind, loss, parts):
    with pytest.raises(ConfigError) as caught:
        make_loss(Task("size", kind, ("a", "b"), loss=loss))
    message = str(caught.value)
    assert message.startswith("tasks.size.loss") and "\n" not in message
    for part in parts:
        assert part in message


def test_ldam_reads_cosines():
    task = Task("t", "multiclass", ("a", "b", "c"), loss={"name": "ldam", "scale": 10.0})
    head = KINDS["multiclass"].head(task, 4)
    found = head(1e6 * head.weight.detach()).detach()
    assert float(found.diagonal().min()) == pytest.approx(10.0, rel=1e-4)
    start = torch.zeros(2, 4, requires_grad=True)
    head(start).sum().backward()
    assert torch.isfinite(start.grad).all()


def test_what_is_sure_stays_sure_under_wide_margins():
    """1 − (1 − e^(−sΔ)) q rounds to nothing in single precision where q does to 1."""
    seen = Seen(torch.tensor([1000, 10]))
    for options in ({"margin": 0.6}, {"scale": 64.0}, {"margin": 1.0, "scale": 20.0}):
        loss = made("ldam", **options)
        logits = torch.tensor([[-27.0, 27.0], [-9.0, 9.0], [27.0, -27.0]])
        found = loss.calibrated(logits, seen).softmax(-1)
        exact = loss.calibrated(logits.double(), seen).softmax(-1)
        torch.testing.assert_close(found.double(), exact, atol=1e-6, rtol=0)
        assert found[0, 1] > 0.99 and found[2, 0] > 0.99
