"""Mixing: shares by the formula, rows without replacement, a state that continues exactly."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jointset.data import Sampler, mixing_shares
from jointset.errors import InternalError


@pytest.mark.parametrize(
    ("sizes", "temperature", "cap", "expected"),
    [
        ([300, 100], 1.0, None, [0.75, 0.25]),
        ([300, 100], 1.0, 100, [0.5, 0.5]),
        ([10_000, 100], 2.0, None, [10 / 11, 1 / 11]),
        ([8, 1, 0], 3.0, None, [2 / 3, 1 / 3, 0]),
        ([0, 0], 1.0, None, [0, 0]),
    ],
)
def test_shares_follow_the_formula(sizes, temperature, cap, expected):
    assert np.allclose(mixing_shares(sizes, temperature, cap), expected)


def two(seed=0, batch_size=7, cap=None, shares=(0.5, 0.5)):
    return Sampler([np.arange(20), np.arange(100, 105)], shares, batch_size, seed, cap=cap)


def test_an_epoch_at_natural_shares_is_every_row_once():
    sampler = two(shares=(20, 5))
    rows = np.concatenate(list(sampler.epoch()))
    assert sorted(rows.tolist()) == [*range(20), *range(100, 105)]
    assert sampler.effective_epochs().tolist() == [1.0, 1.0]


def test_rows_come_without_replacement_until_they_are_used_up():
    sampler = two()
    drawn = np.concatenate([b for _ in range(6) for b in sampler.epoch()])
    small = drawn[drawn >= 100]
    assert len(small) == 75  # half of 6 × 25
    passes = [sorted(small[i : i + 5].tolist()) for i in range(0, 75, 5)]
    assert passes == [[100, 101, 102, 103, 104]] * 15
    assert len({tuple(small[i : i + 5]) for i in range(0, 75, 5)}) > 5  # in a new order


def test_length_batches_and_cap():
    sampler = two(cap=10)
    assert sampler.epoch_rows == 15 and len(sampler) == 3
    assert [len(b) for b in sampler.epoch()] == [7, 7, 1]


def test_effective_epochs():
    sampler = two(cap=10)
    assert np.allclose(sampler.effective_epochs(4), [4 * 7.5 / 20, 4 * 7.5 / 5])
    for _ in range(4):
        list(sampler.epoch())
    assert np.allclose(sampler.effective_epochs(), [30 / 20, 30 / 5])
    next(sampler.epoch())
    assert sampler.effective_epochs() @ [20, 5] == pytest.approx(67)


def test_datasets_are_mixed_within_batches():
    sampler = Sampler([np.arange(1000), np.arange(1000, 2000)], [0.5, 0.5], 100, seed=0)
    shares = [(b < 1000).mean() for b in sampler.epoch()]
    assert min(shares) > 0.3 and max(shares) < 0.7


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 12), st.integers(1, 9), st.integers(0, 100))
def test_a_restored_sampler_continues_exactly(steps, batch_size, seed):
    def run(sampler, count):
        batches = []
        while len(batches) < count:
            for batch in sampler.epoch():
                batches.append(batch.tolist())
                if len(batches) == count:
                    break
        return batches

    sampler = two(seed, batch_size)
    before = run(sampler, steps)
    state = json.loads(json.dumps(sampler.state()))
    after = run(sampler, 10)
    again = two(seed, batch_size)
    again.restore(state)
    assert run(again, 10) == after
    assert run(two(seed, batch_size), steps) == before
    assert again.effective_epochs().tolist() == sampler.effective_epochs().tolist()


def test_seeds_differ_and_epochs_differ():
    first = np.concatenate(list(two(0).epoch()))
    assert (first != np.concatenate(list(two(1).epoch()))).any()
    sampler = two(0)
    list(sampler.epoch())
    assert (first != np.concatenate(list(sampler.epoch()))).any()


def test_a_dataset_without_rows_is_left_out():
    sampler = Sampler([np.arange(4), np.empty(0, np.int64)], [0.5, 0.5], 2, seed=0)
    assert sorted(np.concatenate(list(sampler.epoch())).tolist()) == [0, 1, 2, 3]
    assert sampler.effective_epochs().tolist() == [1.0, 0.0]


RATES = [np.r_[np.full(15, 1.0), np.full(4, 2.5), 5.0], np.full(5, 0.4)]


def uneven(seed=0, batch_size=7):
    return Sampler([np.arange(20), np.arange(100, 105)], [0.8, 0.2], batch_size, seed, rates=RATES)


def test_rows_come_as_often_as_their_rates_say():
    sampler = uneven()
    assert sampler.epoch_rows == 32  # 30 + 2
    rows = np.concatenate([b for _ in range(200) for b in sampler.epoch()])
    times = np.bincount(rows, minlength=105)
    wanted = np.r_[RATES[0] * 200, np.zeros(80), RATES[1] * 200]
    assert np.abs(times[:20] - wanted[:20]).max() <= 2 + 0.1 * wanted[:20].max()
    assert np.abs(times[100:] - wanted[100:]).max() < 20
    np.testing.assert_allclose(sampler.effective_epochs(), [200 * 30 / 20, 200 * 2 / 5], rtol=0.01)
    np.testing.assert_allclose(sampler.effective_epochs(200), [200 * 30 / 20, 200 * 2 / 5], rtol=0.01)


def test_within_a_pass_a_row_comes_once_more_or_less():
    sampler = Sampler([np.arange(20)], [1.0], 30, seed=3, rates=[RATES[0]])
    for _ in range(20):
        (batch,) = sampler.epoch()
        times = np.bincount(batch, minlength=20)
        assert (times[:15] == 1).all() and times[19] == 5
        assert set(times[15:19]) <= {2, 3} and times.sum() == 30


def test_rates_of_one_draw_every_row_once():
    sampler = Sampler([np.arange(50)], [1.0], 50, seed=0, rates=[np.ones(50)])
    assert all(sorted(batch) == list(range(50)) for _ in range(3) for batch in sampler.epoch())


def test_a_capped_dataset_keeps_its_cap_in_natural_passes():
    rates = [np.full(20, 2.0), np.ones(5)]
    sampler = Sampler([np.arange(20), np.arange(100, 105)], [0.5, 0.5], 7, 0, cap=10, rates=rates)
    assert sampler.epoch_rows == 25
    assert sampler.shares.tolist() == [2 / 3, 1 / 3]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 12), st.integers(1, 9), st.integers(0, 100))
def test_a_restored_sampler_with_rates_continues_exactly(steps, batch_size, seed):
    def run(sampler, count):
        batches = []
        while len(batches) < count:
            for batch in sampler.epoch():
                batches.append(batch.tolist())
                if len(batches) == count:
                    break
        return batches

    sampler = uneven(seed, batch_size)
    run(sampler, steps)
    state = json.loads(json.dumps(sampler.state()))
    after = run(sampler, 10)
    again = uneven(seed, batch_size)
    again.restore(state)
    assert run(again, 10) == after
    assert again.effective_epochs().tolist() == sampler.effective_epochs().tolist()


def test_a_state_of_other_rates_is_refused():
    other = Sampler([np.arange(20), np.arange(100, 105)], [0.8, 0.2], 7, 0, rates=[r[::-1] for r in RATES])
    with pytest.raises(InternalError, match="sampler: saved for"):
        other.restore(uneven().state())


def test_misuse():
    with pytest.raises(InternalError, match="no dataset has both rows and a share"):
        Sampler([np.empty(0, np.int64)], [1.0], 2, seed=0)
    with pytest.raises(InternalError, match="sampler: saved for"):
        two(seed=1).restore(two(seed=0).state())


def test_a_low_temperature_takes_the_largest_datasets_alone():
    assert mixing_shares([900, 100, 900, 0], 1e-6).tolist() == [0.5, 0.0, 0.5, 0.0]
    assert np.allclose(mixing_shares([900, 100], 0.5), mixing_shares([81, 1]))
