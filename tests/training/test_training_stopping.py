"""When training stops, for all tasks and for each."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from jointset.training.stopping import Stopping


def after(curves, by_task=True):
    stopping = Stopping(patience=2, by_task=by_task)
    better = [stopping.add(dict(zip("ab", skills, strict=False))) for skills in curves]
    return stopping, better


def test_the_best_epoch_is_that_of_the_mean():
    stopping, better = after([(0.1, 0.1), (0.5, 0.2), (0.4, 0.2), (0.6, 0.0)])
    assert better == [True, True, False, False]
    assert stopping.best_epoch == 2 and stopping.over


def test_a_task_that_no_longer_learns_rests_while_the_others_go_on():
    stopping, _ = after([(0.5, 0.1), (0.4, 0.3), (0.4, 0.5)])
    assert stopping.resting == {"a"} and not stopping.over


def test_a_task_that_rises_above_its_best_rests_no_more():
    stopping, _ = after([(0.5, 0.1), (0.4, 0.3), (0.4, 0.5), (0.6, 0.6)])
    assert stopping.resting == set()


def test_training_is_over_when_all_rest_although_the_mean_still_rose():
    stopping, better = after([(0.5, 0.5), (0.45, 0.48), (0.44, 0.47)])
    assert stopping.resting == {"a", "b"} and stopping.over and better == [True, False, False]


def test_tasks_stop_together_where_asked():
    stopping, _ = after([(0.5, 0.1), (0.4, 0.3), (0.4, 0.5)], by_task=False)
    assert stopping.resting == set()


def test_without_held_out_rows_nothing_stops():
    stopping, better = after([(), (), (), ()])
    assert better == [True] * 4 and stopping.best_epoch == 4 and not stopping.over
    assert all(math.isnan(s) for s in stopping.scores)


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=2, max_size=12), st.data())
def test_it_goes_on_from_its_state(curves, data):
    cut = data.draw(st.integers(1, len(curves) - 1))
    whole, _ = after(curves)
    part, _ = after(curves[:cut])
    resumed = Stopping(patience=2, by_task=True)
    resumed.restore(json.loads(json.dumps(part.state())))
    for skills in curves[cut:]:
        resumed.add(dict(zip("ab", skills, strict=True)))
    assert resumed == whole and resumed.resting == whole.resting
