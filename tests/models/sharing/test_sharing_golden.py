"""With the same weights, the ways of sharing return what LibMTL 1.1.5 does, where it means the same.

``libmtl.json`` is made by ``bench/sharing/golden.py``. PLE is not compared: against the paper, LibMTL feeds the shared
experts a task's own mixture and has no shared gate. Of cross-stitch, LibMTL has one row of α for all tasks, and no unit
behind the last layer.
"""

import json
from pathlib import Path

import pytest
import torch

from jointset.models.sharing import SHARINGS

TASKS = ["a", "b", "c"]
WIDTH, ROWS, LAYERS = 6, 4, 4
GOLDEN = json.loads(Path(__file__).with_name("libmtl.json").read_text(encoding="utf-8"))


def fill(module, seed):
    with torch.no_grad():
        for k, p in enumerate(module.parameters()):
            p.copy_(0.5 * torch.sin(torch.arange(p.numel()).float() * (k + 2) + seed).reshape(p.shape))


def made(name, depth=1, **options):
    return SHARINGS[name](TASKS, width=WIDTH, depth=depth, dropout=0.0, **options).eval()


def mmoe():
    sharing = made("mmoe", experts=3)
    for e, expert in enumerate(sharing.experts):
        fill(expert, 10 + e)
    for t, gate in enumerate(sharing.gates):
        fill(gate, 30 + t)
    return sharing


def cgc():
    sharing = made("cgc", shared=2, own=1)
    for e, expert in enumerate(sharing.experts):
        fill(expert, 10 + e)
    for t in range(len(TASKS)):
        fill(sharing.own[t], 20 + t)
        fill(sharing.gates[t], 30 + t)
    return sharing


def dselect_k():
    sharing = made("dselect_k", experts=5, k=2, gamma=1.0)
    for e, expert in enumerate(sharing.experts):
        fill(expert, 10 + e)
    for t, gate in enumerate(sharing.gates):
        fill(gate.z, 30 + t)
        fill(gate.w, 40 + t)
    return sharing


def cross_stitch():
    sharing = made("cross_stitch", depth=LAYERS)
    for t, column in enumerate(sharing.layers):
        for j, layer in enumerate(column):
            fill(layer, 10 * t + j)
    alpha = torch.cos(torch.arange(4 * len(TASKS)).float()).reshape(4, -1)
    with torch.no_grad():
        for unit, row in zip(sharing.units[:-1], alpha[:-1], strict=True):
            unit.change.copy_(row.expand(len(TASKS), -1) - unit.start)
        sharing.units[-1].change.copy_(torch.eye(len(TASKS)) - sharing.units[-1].start)
    return sharing


def mtan():
    sharing = made("mtan", depth=LAYERS)
    for j, layer in enumerate(sharing.layers):
        fill(layer, j)
    for j, between in enumerate(sharing.between):
        fill(between, 60 + j)
    for t, masks in enumerate(sharing.masks):
        for j, mask in enumerate(masks):
            fill(mask, 20 + 10 * t + j)
    return sharing


@pytest.mark.parametrize("make", [mmoe, cgc, dselect_k, cross_stitch, mtan])
def test_the_features_are_those_of_the_peer(make):
    x = torch.cos(torch.arange(ROWS * WIDTH).float()).reshape(ROWS, WIDTH)
    with torch.no_grad():
        out = make()(x)
    for task, rows in GOLDEN[make.__name__].items():
        torch.testing.assert_close(out[task], torch.tensor(rows), atol=2e-6, rtol=1e-5)
