"""Checkpoints are whole or absent."""

import errno

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from jointset.errors import RunError
from jointset.training import checkpoint


def test_what_was_saved_is_loaded(tmp_path):
    path = tmp_path / "deep" / "a.safetensors"
    tensors = {
        "w": torch.randn(3, 2, requires_grad=True).T,
        "n": torch.tensor(3),
        "b": torch.zeros(2, dtype=torch.uint8),
    }
    values = {"epoch": 3, "big": 2**90, "scores": [0.1, float("nan")], "text": "ü"}
    checkpoint.save(path, tensors, values)
    found, told = checkpoint.load(path)
    assert all(torch.equal(found[k], v) and found[k].dtype == v.dtype for k, v in tensors.items())
    assert told["big"] == 2**90
    assert np.isnan(told["scores"][1])
    assert [p.name for p in path.parent.iterdir()] == ["a.safetensors"]


def test_shared_memory_is_no_trouble(tmp_path):
    w = torch.randn(4)
    checkpoint.save(tmp_path / "a", {"one": w, "two": w[:2]}, {})
    assert torch.equal(checkpoint.load(tmp_path / "a")[0]["two"], w[:2])


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, {"w": torch.ones(2)}, {"epoch": 1})

    def full(*_, **__):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(RunError, match="the disk is full"):
        checkpoint.save(path, {"w": torch.zeros(2)}, {"epoch": 2})
    assert checkpoint.load(path)[1] == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_arrays_are_whole_or_absent(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    checkpoint.save_arrays(path, {"x": np.arange(3)})
    assert np.load(path)["x"].tolist() == [0, 1, 2]

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(RunError, match="the disk is full"):
        checkpoint.save_arrays(tmp_path / "b.npz", {"x": np.arange(3)})
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_a_file_of_another_version_is_not_gone_on_from(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    assert not checkpoint.usable(path)
    checkpoint.save(path, {"w": torch.ones(2)}, {})
    assert checkpoint.usable(path)
    monkeypatch.setattr(checkpoint, "FORMAT", "next")
    assert not checkpoint.usable(path)
    assert checkpoint.load(path)[0]["w"].tolist() == [1, 1]  # a finished model is still read
