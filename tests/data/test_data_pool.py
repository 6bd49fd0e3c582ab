"""The pool: what belongs together stays together, splits keep their shares, addresses are found."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jointset.data import build_pool, load_dataset
from jointset.errors import DataError, InternalError
from jointset.records import HOLDOUT, TEST, TRAIN


@pytest.fixture
def make(tmp_path):
    def make(name="d", inputs=None, group=None, split=None, trusted=None, **columns):
        inputs = inputs or {"text": "text"}
        return load_dataset(
            name, pa.table(columns), inputs=inputs, group=group, split=split, trusted=trusted, cache=tmp_path
        )

    return make


def drawn(*datasets, holdout=0.0, test=0.0, strata=None, seed=0):
    choices = {d.name: (d.split, holdout, test) for d in datasets}
    return build_pool(datasets, strata=strata, split_settings=choices, seed=seed)


def words(n, start=0):
    return [f"w{i}" for i in range(start, start + n)]


def whole(pool):
    """Whether every component stands on one side."""
    pairs = np.unique(np.stack([pool.component, pool.split.astype(np.int64)]), axis=1)
    return len(np.unique(pairs[0])) == pairs.shape[1]


class TestComponents:
    def test_same_text_across_datasets_under_any_column_name(self, make):
        a = make("a", text=["x", "y", None, ""])
        b = make("b", {"text": "body"}, body=["y", "z", None, " "])
        assert drawn(a, b).component.tolist() == [0, 1, 2, 3, 1, 4, 5, 6]

    def test_groups_join_what_copies_join(self, make):
        d = make(group="g", text=["x", "y", "y", "z", "v"], g=["1", "1", "2", None, None])
        assert drawn(d).component.tolist() == [0, 0, 0, 1, 2]

    def test_groups_are_shared_by_column_name_only(self, make):
        a = make("a", group="user", text=["x"], user=[1])
        b = make("b", group="user", text=["y"], user=[1])
        c = make("c", group="patient", text=["z"], patient=[1])
        assert drawn(a, b, c).component.tolist() == [0, 0, 1]

    def test_tabular_columns_count_by_name(self, make):
        a = make("a", {"tabular": ["p", "q"]}, p=[1, 2], q=[2, 1])
        b = make("b", {"tabular": ["q", "p"]}, p=[1.0, 1.0], q=[2.0, 3.0])
        assert drawn(a, b).component.tolist() == [0, 1, 0, 2]

    def test_other_modalities_are_no_copies(self, make):
        a = make("a", text=["1"])
        b = make("b", {"tabular": "text"}, text=["1"])
        c = make("c", {"text": "text", "tabular": "n"}, text=["1"], n=[1])
        assert drawn(a, b, c).component.tolist() == [0, 1, 2]

    def test_image_files_count_by_content(self, tmp_path):
        for path, data in (("x/1.png", b"same"), ("y/2.png", b"same"), ("y/3.png", b"other")):
            (tmp_path / "pics" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "pics" / path).write_bytes(data)
        d = load_dataset("d", tmp_path / "pics", inputs={"image": "image"}, cache=tmp_path / "cache")
        assert drawn(d).component.tolist() == [0, 0, 1]

    def test_sounds_count_by_content_not_by_name(self, tmp_path):
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        (tmp_path / "a.wav").write_bytes(b"same")
        values = [
            {"bytes": b"same", "path": "x.wav"},
            {"bytes": b"same", "path": None},
            {"bytes": None, "path": "a.wav"},
            {"bytes": b"other", "path": "x.wav"},
            {"bytes": None, "path": None},
            {"bytes": None, "path": None},
        ]
        d = load_dataset(
            "d",
            pa.table({"a": pa.array(values, kind)}),
            inputs={"audio": "a"},
            cache=tmp_path / "cache",
            root=tmp_path,
        )
        assert drawn(d).component.tolist() == [0, 0, 0, 1, 2, 3]


class TestGivenSplits:
    def test_every_spelling(self, make):
        names = [
            "train",
            "Training",
            None,
            "valid",
            "validation",
            "val",
            "dev",
            "holdout",
            "test",
            " testing",
        ]
        d = make(split="s", text=words(10), s=names)
        assert drawn(d, holdout=0.5).split.tolist() == [TRAIN] * 3 + [HOLDOUT] * 5 + [TEST] * 2

    def test_unknown_value(self, make):
        d = make(split="s", text=words(3), s=["train", "late", "tset"])
        with pytest.raises(DataError, match="dataset d: split column 's' holds 'late', 'tset'; known: train"):
            drawn(d)

    def test_unknown_column(self, make):
        d = make(text=words(3), part=["train"] * 3)
        with pytest.raises(DataError, match=r"no split column 'parts' \(did you mean 'part'"):
            build_pool([d], strata=None, split_settings={"d": ("parts", 0.1, 0)}, seed=0)

    def test_missing_holdout_is_drawn_from_train(self, make):
        d = make(split="s", text=words(100), s=["train"] * 80 + ["test"] * 20)
        split = drawn(d, holdout=0.25, test=0.5).split
        assert (split[80:] == TEST).all() and np.bincount(split).tolist() == [60, 20, 20]

    def test_a_copy_of_a_test_row_is_never_held_out_and_is_reported(self, make):
        text = [*words(40), *words(20)]
        d = make(split="s", text=text, s=["train"] * 40 + ["test"] * 20)
        pool = drawn(d, holdout=0.3)
        assert (pool.split[:20] == TRAIN).all()
        assert pool.notes == (
            "dataset d: 20 of 20 test rows share their inputs or group with train rows, "
            "so test scores look better than they are",
        )

    def test_drawn_rows_follow_the_given_rows_of_another_dataset(self, make):
        a = make("a", split="s", text=["x", "y", "z"], s=["train", "valid", "test"])
        b = make("b", text=["x", "y", "z", *words(20)])
        split = drawn(a, b, holdout=0.3, test=0.3).split
        assert split[3:6].tolist() == [TRAIN, HOLDOUT, TEST]


class TestDrawnSplits:
    def test_shares_within_every_stratum(self, make):
        d = make(text=words(1000))
        strata = np.repeat([0, 1, -1], [800, 100, 100])
        split = drawn(d, holdout=0.15, test=0.1, strata=strata).split
        counts = [[int(((strata == s) & (split == p)).sum()) for p in range(3)] for s in (0, 1, -1)]
        assert counts == [[600, 120, 80], [75, 15, 10], [75, 15, 10]]

    def test_many_tiny_strata_keep_the_total(self, make):
        d = make(text=words(300))
        split = drawn(d, holdout=0.15, strata=np.repeat(np.arange(150), 2)).split
        assert np.bincount(split).tolist() == [255, 45]

    def test_every_dataset_has_its_own_shares(self, make):
        a, b = make("a", text=words(100)), make("b", text=words(100, 100))
        choices = {"a": (None, 0.2, 0.0), "b": (None, 0.0, 0.5)}
        split = build_pool([a, b], strata=None, split_settings=choices, seed=0).split
        assert np.bincount(split[:100]).tolist() == [80, 20] and np.bincount(split[100:]).tolist() == [
            50,
            0,
            50,
        ]

    def test_same_seed_same_split(self, make):
        d = make(group="g", text=words(200), g=[i // 2 if i < 100 else None for i in range(200)])
        one, again, other = (drawn(d, holdout=0.3, seed=s).split for s in (1, 1, 2))
        assert (one == again).all() and (one != other).any()

    def test_groups_are_stratified(self, make):
        rng = np.random.default_rng(0)
        groups = rng.integers(0, 60, 600)
        strata = (groups % 3 == 0).astype(np.int64)
        d = make(group="g", text=words(600), g=groups)
        split = drawn(d, holdout=0.2, strata=strata).split
        for s in (0, 1):
            assert abs((split[strata == s] == HOLDOUT).mean() - 0.2) < 0.04

    def test_nothing_to_hold_out_is_noted(self, make):
        d = make(group="g", text=words(5), g=[1] * 5)
        assert drawn(d, holdout=0.2).notes == (
            "dataset d: no rows could be held out: they are too few, or belong together",
        )

    def test_shares_without_train_rows(self, make):
        with pytest.raises(DataError, match=r"holdout 0.5 and test 0.5 leave no rows to train on"):
            drawn(make(text=words(3)), holdout=0.5, test=0.5)

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.data())
    def test_components_are_never_torn(self, make, data):
        datasets = []
        for name in ("a", "b"):
            n = data.draw(st.integers(1, 25))
            text = data.draw(st.lists(st.sampled_from([*words(12), None]), min_size=n, max_size=n))
            text[0] = "w0"
            group = data.draw(
                st.lists(st.sampled_from(["1", "2", "3", None, None, None]), min_size=n, max_size=n)
            )
            datasets.append(make(name, group="g", text=pa.array(text), g=pa.array(group, pa.string())))
        n = sum(map(len, datasets))
        strata = np.array(data.draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n)))
        shares = data.draw(st.tuples(st.floats(0, 0.5), st.floats(0, 0.49)))
        choices = {"a": (None, *shares), "b": (None, shares[1], 0.0)}
        pool = build_pool(datasets, strata=strata, split_settings=choices, seed=data.draw(st.integers(0, 5)))
        assert whole(pool) and set(pool.split.tolist()) <= {TRAIN, HOLDOUT, TEST}
        assert not (pool.split[pool.rows_of("b")] == TEST).any()


class TestAddresses:
    def test_positions_names_and_rows(self, make):
        a, b = make("a", text=words(3)), make("b", text=words(2))
        pool = drawn(a, b)
        assert len(pool) == 5 and pool.rows_of("b") == slice(3, 5) and pool.offsets.tolist() == [0, 3, 5]
        order = np.array([4, 0, 3, 3])
        assert pool.positions(pool.dataset_names[order], pool.row_ids[order]).tolist() == order.tolist()
        assert pool.positions(np.empty(0, object), np.empty(0, object)).tolist() == []

    def test_unknown_addresses(self, make):
        pool = drawn(make("a", text=words(3)))
        with pytest.raises(InternalError, match=r"1 addresses are unknown .*dataset 'a', row 'nope'"):
            pool.positions(np.array(["a"], object), np.array(["nope"], object))
        with pytest.raises(InternalError, match="dataset 'z'"):
            pool.positions(np.array(["z"], object), pool.row_ids[:1])
        with pytest.raises(InternalError, match="no dataset 'z'"):
            pool.rows_of("z")


class TestTrusted:
    @pytest.mark.parametrize(
        "values", [[True, False, None], [1, 0, None], ["Yes", "no", ""], [1.0, 0.0, None]]
    )
    def test_truth_values(self, make, values):
        d = make(trusted="t", text=words(3), t=pa.array(values))
        assert drawn(d).trusted.tolist() == [True, False, False]

    def test_other_values(self, make):
        with pytest.raises(DataError, match="trusted column 't' holds '2', 'x'; expected true or false"):
            drawn(make(trusted="t", text=words(3), t=["x", "2", "1"]))

    def test_without_a_column_nothing_is_trusted(self, make):
        assert not drawn(make(text=words(3))).trusted.any()


def test_notes_of_datasets_are_handed_on(make):
    d = make("d", {"tabular": "*"}, a=[1, 2], b=pa.array([None, None], pa.int64()))
    assert drawn(d).notes == d.notes != ()
