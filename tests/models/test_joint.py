"""The joint model and its inputs: rows with one modality, with several, and with none."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch

from jointset.models import inputs as module
from jointset.models.encoders import make_encoders
from jointset.models.encoders.tabular import Tabular
from jointset.models.inputs import prepare_inputs
from jointset.records import TRAIN


@pytest.fixture(scope="module")
def model(problem):
    built = problem.build(0)
    for name, parameter in built.named_parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.2)
        assert torch.isfinite(parameter).all(), name
    return built.eval()


def run(model, problem, index):
    with torch.no_grad():
        return model(problem.inputs.batch(np.asarray(index)), len(index))


def test_every_row_gets_outputs_for_every_task(model, problem):
    n = len(problem.dataset_of)
    logits, embedding = run(model, problem, np.arange(n))
    assert {t: tuple(z.shape) for t, z in logits.items()} == {t.name: (n, t.n_outputs) for t in problem.tasks}
    assert embedding.shape == (n, problem.plan.width)


def test_rows_of_both_datasets_mix_in_a_batch(model, problem):
    n = len(problem.dataset_of)
    order = np.random.default_rng(0).permutation(n)[:50]
    whole, mixed = run(model, problem, np.arange(n))[0], run(model, problem, order)[0]
    for name in whole:
        torch.testing.assert_close(mixed[name], whole[name][order])


def test_rows_lack_the_modalities_of_other_datasets(bench, problem):
    people, posts = (bench.work.pool.rows_of(n) for n in ("people", "posts"))
    rows = problem.inputs.row
    assert set(rows) == {"tabular", "text"}
    assert (rows["text"][people] >= 0).all() and (rows["text"][posts] >= 0).all()
    assert (rows["tabular"][people] >= 0).all()
    assert (rows["tabular"][posts] == -1).all()
    batch = problem.inputs.batch(np.arange(posts.start, posts.stop))
    assert set(batch) == {"text"}


def test_a_row_of_two_modalities_is_their_sum_over_the_root_of_two(model, problem):
    batch = problem.inputs.batch(np.array([0]))
    seen = []
    with torch.no_grad():
        parts = [model.encoders[m](**tensors) for m, (_, tensors) in batch.items()]
        handle = model.sharing.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        model(batch, 1)
        handle.remove()
    assert len(parts) == 2
    torch.testing.assert_close(seen[0], sum(parts) / 2**0.5)


def test_a_row_without_any_input_is_zero_and_not_usable(model, problem):
    empty = {m: np.where(np.arange(len(r)) == 0, -1, r) for m, r in problem.inputs.row.items()}
    bare = dataclasses.replace(problem, inputs=dataclasses.replace(problem.inputs, row=empty))
    assert not bare.usable()[0]
    assert (bare.usable()[1:] == problem.usable()[1:]).all()
    logits, _ = run(model, bare, [0, 1])
    assert all(torch.isfinite(z).all() for z in logits.values())


def test_building_again_gives_the_same_weights_and_leaves_the_generator_alone(problem):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, second = (problem.build(3).state_dict() for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[k], second[k]) for k in first)


def test_statistics_come_from_training_rows_only(bench, problem):
    pool = bench.work.pool
    people = pool.datasets[0]
    age = people.table.column("age").to_numpy()
    train = pool.split[pool.rows_of("people")] == TRAIN
    mean, std = problem.inputs.states["tabular"]["numeric"]["age"]
    assert mean[0] == pytest.approx(age[train].mean())
    assert std[0] == pytest.approx(age[train].std())


def test_prepared_inputs_are_read_back_and_not_made_again(bench, tmp_path, monkeypatch):
    encoders = make_encoders(
        {"tabular": ("default", {}), "text": ("bag", {"bits": 8}), "image": ("default", {})}
    )
    plain = prepare_inputs(bench.work.pool, encoders, None)
    stored = prepare_inputs(bench.work.pool, encoders, tmp_path)
    monkeypatch.setattr(type(encoders["text"]), "prepare", None)
    again = prepare_inputs(bench.work.pool, encoders, tmp_path)
    for other in (stored, again):
        assert other.states == plain.states
        for modality, arrays in plain.arrays.items():
            assert isinstance(next(iter(other.arrays[modality].values())), np.memmap)
            for name, array in arrays.items():
                np.testing.assert_array_equal(other.arrays[modality][name], array)
    assert not list(tmp_path.glob("*.tmp"))


def test_other_options_are_prepared_apart(bench, tmp_path):
    for bits in (8, 9):
        encoders = make_encoders({"text": ("bag", {"bits": bits})})
        prepare_inputs(bench.work.pool, encoders, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_root_of_relative_paths_travels_with_the_table(bench):
    table = module.input_table(bench.work.pool.datasets[0], "text")
    assert table.schema.metadata[b"jointset.root"].decode() == str(bench.work.pool.datasets[0].root)


# Several modalities


def dropping(problem, share):
    plan = dataclasses.replace(problem.plan, modality_dropout=share)
    return dataclasses.replace(problem, plan=plan).build(0)


def test_modality_dropout_leaves_every_row_an_input_and_single_ones_theirs(problem):
    n = len(problem.dataset_of)
    batch = problem.inputs.batch(np.arange(n))
    torch.manual_seed(0)
    model = dropping(problem, 0.4).train()
    draws = [model._kept(batch, torch.zeros(n, 1)) for _ in range(50)]
    count = {m: torch.zeros(n) for m in batch}
    for kept in draws:
        total = torch.zeros(n)
        for modality, (where, _) in batch.items():
            total[where] += kept[modality]
            count[modality][where] += kept[modality]
        assert (total >= 1).all()
    both = torch.from_numpy((problem.inputs.row["tabular"] >= 0) & (problem.inputs.row["text"] >= 0))
    assert (count["text"][~both] == 50).all()
    # left out unless both draws fall below the share and this one is the larger: p · (1 − p / 2)
    expected = 1 - 0.4 * (1 - 0.4 / 2)
    for modality in batch:
        assert float(count[modality][both].mean()) / 50 == pytest.approx(expected, abs=0.02)


def test_modality_dropout_is_for_training_only(problem):
    index = np.arange(20)
    with_it, without = dropping(problem, 0.9).eval(), dropping(problem, 0.0).eval()
    for name, logits in run(with_it, problem, index)[0].items():
        torch.testing.assert_close(logits, run(without, problem, index)[0][name])


def test_a_task_teaches_only_the_encoders_that_its_rows_have(bench, problem):
    posts = np.arange(len(problem.dataset_of))[bench.work.pool.rows_of("posts")]
    model = problem.build(0).train()
    logits, _ = model(problem.inputs.batch(posts), len(posts))
    logits["level"].square().sum().backward()
    assert all(p.grad is None for p in model.encoders["tabular"].parameters())
    assert any(p.grad is not None for p in model.encoders["text"].parameters())


def test_an_unreadable_or_absent_input_leaves_the_row_its_other_one(model, problem):
    row = dict(problem.inputs.row)
    row["tabular"] = np.where(np.arange(len(row["tabular"])) == 0, -1, row["tabular"])
    bare = dataclasses.replace(problem, inputs=dataclasses.replace(problem.inputs, row=row))
    assert bare.usable()[0] == problem.usable()[0]
    only_text = {"text": problem.inputs.batch(np.array([0]))["text"]}
    with torch.no_grad():
        expected, _ = model(only_text, 1)
    for name, logits in run(model, bare, [0])[0].items():
        torch.testing.assert_close(logits, expected[name])


@pytest.mark.parametrize("unit", [1e-14, 1e14])
def test_a_column_is_scaled_whatever_its_unit(unit):
    values = np.random.default_rng(0).normal(size=50) * unit
    table = pa.table({"a": values, "still": np.full(50, 0.1 * unit)})
    state = Tabular().fit([table])["numeric"]
    assert state["a"][1] == pytest.approx([values.std()]) and state["still"][1] == [1.0]
