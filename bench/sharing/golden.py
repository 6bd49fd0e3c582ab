"""What LibMTL's architectures return for weights by formula: the golden values of ``tests/models/sharing``.

    PYTHON bench/sharing/golden.py > tests/models/sharing/libmtl.json

PYTHON is an interpreter that has LibMTL 1.1.5; nothing of this project is imported. Decoders and the parts of a
residual network that are not layers are identities, and the layers are the blocks of this project's trunk.
"""

from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace

import torch
from torch import nn

for part in (
    "torchvision",
    "torchvision.models",
    "torchvision.models.utils",
):  # LibMTL downloads weights through it
    sys.modules[part] = ModuleType(part)
sys.modules["torchvision.models.utils"].load_state_dict_from_url = None
from LibMTL.architecture import CGC, DSelect_k, MMoE  # noqa: E402
from LibMTL.architecture.Cross_stitch import _transform_resnet_cross  # noqa: E402
from LibMTL.architecture.MTAN import _transform_resnet_MTAN  # noqa: E402

TASKS = ["a", "b", "c"]
WIDTH, ROWS, LAYERS = 6, 4, 4


def fill(module: nn.Module, seed: int) -> nn.Module:
    """Weights by formula, in the order of ``parameters()``."""
    with torch.no_grad():
        for k, p in enumerate(module.parameters()):
            p.copy_(0.5 * torch.sin(torch.arange(p.numel()).float() * (k + 2) + seed).reshape(p.shape))
    return module


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.inner, self.outer = (
            nn.LayerNorm(WIDTH),
            nn.Linear(WIDTH, WIDTH),
            nn.Linear(WIDTH, WIDTH),
        )

    def hidden(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.inner(self.norm(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.outer(self.hidden(x))


class Hidden(nn.Module):
    """The first half of a block; it keeps its input for the second."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.x = x
        return self.block.hidden(x)


class Output(nn.Module):
    def __init__(self, first: Hidden) -> None:
        super().__init__()
        self.first = first

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.first.x + self.first.block.outer(hidden)


def architecture(kind: type, **options: object) -> nn.Module:
    decoders = nn.ModuleDict({t: nn.Identity() for t in TASKS})
    return kind(TASKS, Block, decoders, False, False, torch.device("cpu"), img_size=[WIDTH], **options).eval()


def mmoe() -> nn.Module:
    model = architecture(MMoE, num_experts=[3])
    for e, expert in enumerate(model.experts_shared):
        fill(expert, 10 + e)
    for t, task in enumerate(TASKS):
        fill(model.gate_specific[task], 30 + t)
    return model


def cgc() -> nn.Module:
    model = architecture(CGC, num_experts=[2, 1, 1, 1])
    for e, expert in enumerate(model.experts_shared):
        fill(expert, 10 + e)
    for t, task in enumerate(TASKS):
        fill(model.experts_specific[task], 20 + t)
        fill(model.gate_specific[task], 30 + t)
    return model


def dselect_k() -> nn.Module:
    model = architecture(DSelect_k, num_experts=[5], num_nonzeros=2, kgamma=1.0)
    # It makes truth values of the characters "0" and "1", which NumPy 2 takes for true both: every expert has one code.
    model._binary_codes = (torch.arange(5)[:, None] >> torch.tensor([2, 1, 0]) & 1).bool()[None]
    for e, expert in enumerate(model.experts_shared):
        fill(expert, 10 + e)
    for t, task in enumerate(TASKS):
        fill(model._z_logits[task], 30 + t)
        fill(model._w_logits[task], 40 + t)
    return model


def cross_stitch() -> nn.Module:
    columns = []
    for t in range(len(TASKS)):
        layers = {f"layer{j + 1}": fill(Block(), 10 * t + j) for j in range(LAYERS)}
        rest = {name: nn.Identity() for name in ("conv1", "bn1", "relu", "maxpool")}
        columns.append(SimpleNamespace(**layers, **rest))
    model = _transform_resnet_cross(columns, TASKS, torch.device("cpu"))
    return fill_units(model)


def fill_units(model: nn.Module) -> nn.Module:
    with torch.no_grad():
        model.cross_unit.copy_(torch.cos(torch.arange(4 * len(TASKS)).float()).reshape(4, -1))
    return model


def mtan() -> nn.Module:
    firsts = [Hidden(fill(Block(), j)) for j in range(LAYERS)]
    self = SimpleNamespace(
        task_name=TASKS,
        task_num=len(TASKS),
        forward_task=None,
        shared_conv=nn.Identity(),
        down_sampling=nn.Identity(),
        shared_layer={str(j): [first, Output(first)] for j, first in enumerate(firsts)},
        encoder_att={str(j): [mask(j, t) for t in range(len(TASKS))] for j in range(LAYERS)},
        encoder_block_att=[fill(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()), 60 + j) for j in range(3)],
    )
    return lambda x: dict(zip(TASKS, _transform_resnet_MTAN.forward(self, x), strict=True))


def mask(j: int, t: int) -> nn.Module:
    first = nn.Linear(WIDTH if j == 0 else 2 * WIDTH, WIDTH)
    return fill(nn.Sequential(first, nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.Sigmoid()), 20 + 10 * t + j)


def main() -> None:
    x = torch.cos(torch.arange(ROWS * WIDTH).float()).reshape(ROWS, WIDTH)
    golden = {}
    for make in (mmoe, cgc, dselect_k, cross_stitch, mtan):
        with torch.no_grad():
            out = make()(x)
        out = out if isinstance(out, dict) else dict(zip(TASKS, out, strict=True))
        golden[make.__name__] = {
            t: [[round(v, 6) for v in row] for row in y.tolist()] for t, y in out.items()
        }
    lines = [f' "{name}": {{\n' + _tasks(found) + "\n }" for name, found in golden.items()]
    print("{\n" + ",\n".join(lines) + "\n}")


def _tasks(found: dict[str, list[list[float]]]) -> str:
    return ",\n".join(f'  "{task}": {json.dumps(rows)}' for task, rows in found.items())


if __name__ == "__main__":
    main()
