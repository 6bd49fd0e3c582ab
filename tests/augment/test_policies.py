"""What is drawn for a row: chances, masks, forbidden operations, modalities together."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jointset.augment import Policy, Step, image
from jointset.augment.rules import Rule, found_rule, rule_of
from jointset.errors import ConfigError
from jointset.operations import OPERATIONS, is_raw, mistake, modality_of, names, usual
from jointset.records import Task

STEPS = {o: Step(op.usual) for o, op in OPERATIONS.items()}
BOTH = np.ones((200, 2), bool)


def rng(seed=0):
    return np.random.default_rng(seed)


@given(st.integers(0, 1000), st.integers(1, 4), st.floats(0.05, 1.0))
def test_draws_stay_within_their_ranges(seed, number, share):
    policy = Policy(STEPS, share=share, number=number)
    draws = policy.draw(("a", "b"), BOTH, rng(seed))
    for operation, strength in draws.strength.items():
        assert (np.abs(strength) <= STEPS[operation].magnitude + 1e-9).all()
        assert OPERATIONS[operation].signed or (strength >= 0).all()
    for modality in ("image", "text", "tabular"):
        done = sum(s != 0 for o, s in draws.strength.items() if modality_of(o) == modality)
        assert done.max() <= (1 if modality == "text" else number)
    assert all((f == 1).all() for f in draws.factor.values())


def test_all_modalities_of_a_row_are_augmented_together():
    draws = Policy(STEPS, share=0.5, number=1).draw(("a",), BOTH[:, :1], rng())
    done = {
        m: np.any([s != 0 for o, s in draws.strength.items() if modality_of(o) == m], axis=0)
        for m in ("image", "text", "audio", "tabular")
    }
    assert 60 < done["image"].sum() < 140
    assert all((d == done["image"]).all() for d in done.values())


def test_share_and_chance_are_kept():
    policy = Policy({"image.flip": Step(1.0, 3.0), "image.rotate": Step(10.0, 1.0)}, share=0.8, number=1)
    draws = policy.draw(("a",), np.ones((20000, 1), bool), rng())
    flips, turns = ((s != 0).mean() for s in (draws.strength["image.flip"], draws.strength["image.rotate"]))
    assert flips == pytest.approx(0.6, abs=0.02) and turns == pytest.approx(0.2, abs=0.02)


def test_a_task_that_forbids_is_never_shown_and_one_that_masks_does_not_learn():
    verdicts = {"a": {"image.flip": "forbid"}, "b": {"image.quarter": "mask"}}
    policy = Policy(
        {"image.flip": Step(1.0), "image.quarter": Step(3.0)}, verdicts=verdicts, share=1.0, number=2
    )
    labelled = BOTH.copy()
    labelled[:100, 0] = False  # the first half is labelled for b alone
    draws = policy.draw(("a", "b"), labelled, rng())
    assert (draws.strength["image.flip"][100:] == 0).all() and (draws.strength["image.flip"][:100] != 0).all()
    assert (draws.strength["image.quarter"][:100] == 0).all(), "nobody learns from it"
    assert (draws.strength["image.quarter"][100:] > 0).all()
    assert (draws.factor["b"][100:] == 0).all() and (draws.factor["b"][:100] == 1).all()
    assert (draws.factor["a"][100:] == 1).all()


def test_operations_of_a_task_are_for_its_rows():
    policy = Policy({}, {"a": {"image.blur": Step(1.0)}}, share=1.0)
    labelled = np.array([[True, False], [False, True]] * 50)
    blur = policy.draw(("a", "b"), labelled, rng()).strength["image.blur"]
    assert (blur[::2] > 0).all() and (blur[1::2] == 0).all()


def test_what_a_row_cannot_have_is_not_drawn():
    able = {"image.flip": np.arange(200) < 50}
    draws = Policy({"image.flip": Step(1.0)}, share=1.0).draw(("a", "b"), BOTH, rng(), available=able)
    assert ((draws.strength["image.flip"] > 0) == able["image.flip"]).all()


def test_a_policy_survives_json():
    policy = Policy(
        {"image.flip": Step(1.0, 2.0)}, {"a": {"text.swap": Step(0.2)}}, {"a": {"image.flip": "mask"}},
        {"b": {"image.quarter": Rule(classes=(1, 0))}}, 0.5, 3, "edge",
    )  # fmt: skip
    assert Policy.read(json.loads(json.dumps(policy.record()))) == policy


def test_rules_of_numbers_and_classes():
    angle = Task("angle", "regression")
    rule = rule_of(angle, "image.rotate", {"add": 1, "modulo": 360})
    assert rule.apply(np.array([350.0, np.nan, 5.0]), np.array([20.0, 5.0, 0.0])).tolist()[::2] == [10.0, 5.0]
    side = Task("side", "multiclass", ("left", "middle", "right"))
    rule = rule_of(side, "image.flip", {"left": "right", "right": "left"})
    assert rule.apply(np.array([0, 1, 2, -1]), np.array([1.0, 1.0, 1.0, 1.0])).tolist() == [2, 1, 0, -1]
    with pytest.raises(ConfigError, match=r"no class 'lef' \(did you mean 'left'\?\)"):
        rule_of(side, "image.flip", {"lef": "right"})
    with pytest.raises(ConfigError, match=r"no number 'ad'"):
        rule_of(angle, "image.rotate", {"ad": 1})
    with pytest.raises(ConfigError, match="multilabel; take mask"):
        rule_of(Task("t", "multilabel", ("a",)), "image.flip", {"a": "a"})


@given(st.integers(0, 1000), st.floats(0.01, 3.0))
def test_what_is_done_in_whole_steps_is_drawn_so_and_labels_go_along(seed, most):
    policy = Policy({"image.quarter": Step(most), "image.posterize": Step(most)}, share=1.0, number=2)
    draws = policy.draw(("a",), BOTH[:, :1], rng(seed))
    for operation in policy.operations():
        strength = draws.strength[operation]
        assert set(strength.tolist()) <= set(range(1, int(np.ceil(most)) + 1))
    turns = draws.strength["image.quarter"]
    x = torch.arange(16.0).reshape(1, 1, 4, 4).repeat(200, 1, 1, 1)
    seen = image.augmented(x, {"quarter": turns}, "zero", rng(seed))
    angle = Rule(add=90.0, modulo=360.0).apply(np.zeros(200), turns)
    for picture, label, before in zip(seen, angle.tolist(), x, strict=True):
        assert torch.allclose(picture, torch.rot90(before, int(label) // 90, (1, 2)), atol=0.01)


def test_rules_of_numbers_are_finite():
    for value in ("left", float("nan"), float("inf"), True, None):
        with pytest.raises(ConfigError, match="add is a finite number, found"):
            rule_of(Task("angle", "regression"), "image.rotate", {"add": value})
    switched = rule_of(Task("t", "binary", ("0", "1")), "image.flip", {0: 1, 1.0: 0})
    assert switched.classes == (1, 0)


def test_a_change_of_places_is_found_only_where_all_classes_move_surely():
    moved = np.array([[1, 0, 9], [10, 0, 0], [0, 10, 0.0]])
    assert found_rule(moved, least=0.8, some=[True] * 3) == Rule(classes=(2, 0, 1))
    assert found_rule(np.eye(3), least=0.8, some=[True] * 3) is None
    assert found_rule(moved, least=0.95, some=[True] * 3) is None
    assert found_rule(moved, least=0.8, some=[True, False, True]) is None
    assert found_rule(np.array([[0, 9.0], [0, 9]]), least=0.8, some=[True, True]) is None


def test_the_table_of_operations_is_sound():
    for name, operation in OPERATIONS.items():
        assert 0 < operation.usual <= operation.most, name
        assert mistake(*name.split("."), operation.usual) is None
    assert [m for m in ("image", "text", "audio", "tabular") if not usual(m)] == []
    assert all(is_raw(f"text.{n}") for n in names("text"))
    assert "(that is text.swap)" in mistake("image", "swap", 0.1)
