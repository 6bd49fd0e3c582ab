"""The benchmark beside LibMTL: same networks in its form, its steps, and what is told where it cannot be run."""

import argparse
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from bench.sharing import peer, peer_loop, peer_nets, runs, sets
from torch import nn

from bench import sharing_peer as bench
from jointset.models.encoders.image_module import ResNetModule
from jointset.models.encoders.tabular_module import TabularModule
from jointset.models.sharing.blocks import Block

TRAINING = {"epochs": 4, "learning_rate": 0.02}


class HPS(nn.Module):
    """Hard sharing in the form of LibMTL's architectures."""

    def __init__(self, task_name, encoder_class, decoders, rep_grad, multi_input, device, **options):
        super().__init__()
        self.task_name, self.decoders, self.encoder = task_name, decoders, encoder_class()

    def forward(self, inputs, task_name=None):
        x = self.encoder(inputs)
        return {t: self.decoders[t](x) for t in self.task_name if task_name in (None, t)}


class EW:
    """The plain sum in the form of LibMTL's weightings."""

    def init_param(self):
        """Nothing to make."""

    def backward(self, losses):
        losses.sum().backward()


def points(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    frame = pd.DataFrame({"u": x[:, 0], "v": x[:, 1], "w": np.where(rng.random(n) < 0.5, "one", "two")})
    frame["split"] = np.where(np.arange(n) < 0.7 * n, "train", "test")
    frame["up"] = np.where(x[:, 0] + 0.3 * rng.normal(size=n) > 0, "y", "n")
    frame["right"] = np.where(x[:, 1] > 0, "y", "n")
    return frame


def write(folder, tables, labels, *, depth=1):
    tasks = {t: sets._task("binary", where, "accuracy") for t, where in labels.items()}
    inputs = {n: {"tabular": ["u", "v", "w"]} for n in tables}
    model = {"width": 8, "depth": depth, "tabular": {"hidden": 8}}
    sets.write_set(folder, tables, inputs, tasks, 0, None, model=model, training=TRAINING)
    return folder


def test_hard_sharing_above_one_encoder_is_our_own(tmp_path):
    folder = write(tmp_path, {"points": points(200, 0)}, {t: {"points": t} for t in ("up", "right")})
    ours = runs.joint(folder, runs.Variant("hard"), {})
    theirs = peer.measured(folder, (HPS, EW), "above")
    for task, scores in ours["tasks"].items():
        assert theirs["tasks"][task]["value"] == pytest.approx(scores["value"], abs=1e-6)
        assert theirs["tasks"][task]["metric"] == scores["metric"]
    assert theirs["parameters"] == ours["parameters"]
    assert theirs["epochs"] == ours["epochs"]


def test_missing_labels_weigh_nothing(tmp_path):
    frame = points(200, 0)
    frame.loc[frame.index % 3 > 0, "up"] = None
    frame.loc[frame.index < 20, "right"] = None
    folder = write(tmp_path, {"points": frame}, {t: {"points": t} for t in ("up", "right")})
    ours = runs.joint(folder, runs.Variant("hard"), {})
    theirs = peer.measured(folder, (HPS, EW), "above")
    assert {t: s["value"] for t, s in theirs["tasks"].items()} == pytest.approx(
        {t: s["value"] for t, s in ours["tasks"].items()}, abs=1e-6
    )


@pytest.mark.parametrize("place", ["above", "whole"])
def test_a_dataset_a_task_takes_turns(tmp_path, place):
    tables = {"a": points(160, 0).drop(columns="right"), "b": points(90, 1).drop(columns="up")}
    folder = write(tmp_path, tables, {"up": {"a": "up"}, "right": {"b": "right"}}, depth=0)
    found = peer.measured(folder, (HPS, EW), place)
    assert min(s["value"] for s in found["tasks"].values()) > 0.7
    assert 1 <= found["epochs"] <= TRAINING["epochs"]


def of_config(**labels):
    tasks = {t: SimpleNamespace(labels=dict.fromkeys(where)) for t, where in labels.items()}
    return SimpleNamespace(work=SimpleNamespace(config=SimpleNamespace(tasks=tasks)))


def test_several_inputs_are_a_dataset_for_every_task():
    assert peer.several(of_config(up=["a"], right=["b"]))
    assert not peer.several(of_config(up=["a"], right=["a"]))
    assert not peer.several(of_config(up=["a", "b"], right=["c"]))
    assert not peer.several(of_config(up=["a"]))


def test_a_step_reads_a_batch_of_every_task_until_the_longest_is_through():
    labels = {
        "up": np.r_[np.zeros(50, int), np.full(20, -1)],
        "right": np.r_[np.full(50, -1), np.ones(20, int)],
    }
    problem = SimpleNamespace(tasks=[SimpleNamespace(name=n) for n in labels], labels=labels)
    settings = SimpleNamespace(batch=lambda rows: 20)
    stream = peer_loop.InTurn(problem, np.arange(70), settings, 0)
    first, second = list(stream.epoch()), list(stream.epoch())
    assert len(stream) == len(first) == len(second) == 5
    ups = [np.concatenate([dict(step)["up"] for step in epoch]) for epoch in (first, second)]
    assert all(sorted(u) == list(range(50)) for u in ups) and list(ups[0]) != list(ups[1])
    rights = [dict(step)["right"] for step in first]
    assert sorted(np.concatenate(rights[:2])) == list(range(50, 70))
    assert all(len(rows) == 10 and rows.min() >= 50 for rows in rights)


def test_a_network_in_the_parts_of_a_resnet_is_the_encoder_and_the_trunk():
    torch.manual_seed(0)
    trunk = Block(6, dropout=0.0)
    nn.init.normal_(trunk[-1].weight)
    table = TabularModule(3, [4, 2], hidden=5, width=6)
    numbers, categories = torch.randn(7, 3), torch.stack([torch.arange(7) % 4, torch.arange(7) % 2], 1)
    x = peer_nets.packing(table)(numbers=numbers, categories=categories)
    assert x.shape == (7, 9)
    whole = peer_nets.in_stages(table, trunk)
    assert torch.allclose(whole(x), trunk(table(numbers, categories)), atol=1e-6)
    image = ResNetModule(1, 8, (4, 6), 6).eval()
    pixels = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8)
    whole = peer_nets.in_stages(image, trunk)
    assert torch.allclose(whole(peer_nets.packing(image)(pixels)), trunk(image(pixels)), atol=1e-6)
    with pytest.raises(ValueError, match="two stages"):
        peer_nets.in_stages(ResNetModule(1, 8, (4,), 6), trunk)


def test_every_expert_of_dselect_k_gets_a_code_of_its_own():
    class Broken(nn.Module):
        def __init__(self, num_experts):
            super().__init__()
            self.num_experts, self._num_binary = num_experts, 3
            self._binary_codes = torch.ones(1, num_experts, 3, dtype=torch.bool)

    codes = peer.mended(Broken)(5)._binary_codes
    assert codes.shape == (1, 5, 3)
    assert codes[0].int().tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [1, 0, 0]]


def test_what_does_not_apply_is_named():
    assert (
        bench.why_not("adult", "mmoe", "whole") is bench.why_not("mnist10k", "cross_stitch", "whole") is None
    )
    assert bench.why_not("fdu_mtl", "cgc", "above") is None
    assert bench.why_not("fdu_mtl", "cgc", "whole") == "no one tensor"
    assert bench.why_not("fdu_mtl", "ple", "above") == "one input only"
    assert bench.why_not("adult", "cross_stitch", "whole") == "four stages"
    assert all(bench.why_not(n, "mtan", p) for n in bench.CHOSEN for p in bench.PLACES)
    assert bench.label("cgc", "above") == "libmtl-CGC-above" and bench.label("*") == "libmtl-*-*"


def asked(**changed):
    usual = {
        "only": ["small"], "seeds": [0], "ways": ["hard"], "places": ["above"], "rows": None, "table": False,
        "peer": sys.executable,
    }  # fmt: skip
    return argparse.Namespace(**{**usual, **changed})


def test_both_sides_stand_beside_the_same_trainings_alone(tmp_path, monkeypatch):
    def small(folder, seed, rows):
        folder.mkdir(parents=True)
        write(folder, {"points": points(200, seed)}, {t: {"points": t} for t in ("up", "right")})

    monkeypatch.setitem(bench.SETS, "small", small)
    monkeypatch.setattr(bench, "SCRIPT", tmp_path / "nothing.py")
    raw = bench.measured(tmp_path, asked())
    failed = raw["small"]["libmtl-HPS-above"]["0"]
    assert "nothing.py" in failed["error"] and "gains" not in failed
    scores = tmp_path / "small" / "0" / "scores"
    assert not (scores / "libmtl-HPS-above.json").exists()
    assert set(bench.measured(tmp_path, asked(table=True))["small"]) == {"alone", "hard"}
    (scores / "libmtl-HPS-above.json").write_text((scores / "hard-equal.json").read_text())
    raw = bench.measured(tmp_path, asked(table=True))
    assert raw["small"]["libmtl-HPS-above"]["0"]["gains"] == raw["small"]["hard"]["0"]["gains"]
    lines = bench.markdown(raw, ["hard"], ["above"]).splitlines()
    assert lines[2] == "| way | ours | s | LibMTL, above one encoder | s |"
    row = [c.strip() for c in lines[-1].strip("|").split("|")]
    assert row[0] == "`hard` / HPS" and row[1] == row[3] and row[2] == row[4]
