"""Rows decoded back from between two embeddings: x′ = g(f(x)), with the joint model's own encoder as f."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jointset.augment.smote import further_rows
from jointset.models.encoders.base import Arrays
from jointset.models.joint import JointModel, Trunk
from jointset.records import Ints
from jointset.tasks import KINDS
from jointset.training.problem import LabelBatches, Problem
from jointset.training.settings import TrainSettings

EPOCHS = 20
HIDDEN = 256
BATCH = 64


class Decoder(nn.Module):
    """``(b, width)`` → the prepared row of a modality: pixels, or numbers and the logits of each category.

    >>> Decoder(4, pixels=(1, 2, 2))(torch.zeros(3, 4))["pixels"].shape
    torch.Size([3, 1, 2, 2])
    """

    def __init__(
        self, width: int, *, pixels: tuple[int, ...] = (), numbers: int = 0, sizes: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        self.pixels, self.numbers, self.sizes = pixels, numbers, sizes
        outputs = int(np.prod(pixels)) if pixels else numbers + sum(sizes)
        self.body = nn.Sequential(
            nn.Linear(width, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, outputs),
        )

    def forward(self, x: Tensor) -> dict[str, Any]:
        """The parts of the row."""
        y = self.body(x)
        if self.pixels:
            return {"pixels": y.sigmoid().reshape(-1, *self.pixels)}
        return {"numbers": y[:, : self.numbers], "categories": y[:, self.numbers :].split(self.sizes, 1)}

    def loss(self, x: Tensor, tensors: dict[str, Tensor]) -> Tensor:
        """How far the decoded row is from what it was: squared error, and cross-entropy of categories."""
        made = self(x)
        if self.pixels:
            return (made["pixels"] - tensors["pixels"].float() / 255.0).square().mean() * 10.0
        total = (made["numbers"] - tensors["numbers"]).square().mean()
        for i, logits in enumerate(made["categories"]):
            total = total + nn.functional.cross_entropy(logits, tensors["categories"][:, i]) / len(self.sizes)
        return total


def decoded_rows(
    problem: Problem, rows: Ints, labels: Ints, modality: str, settings: TrainSettings, facts: dict[str, Any]
) -> tuple[Arrays, Ints]:
    """New rows of rare classes, by SMOTE between embeddings, decoded (after DeepSMOTE, Dablain et al. 2022).

    Encoder and decoder are trained together for the row itself and for the labels of all tasks, so that what the tasks
    need stays in the embedding; the paper permutes rows of a class in the place of the tasks.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(facts["seed"])
        model, decoder = _trained(problem, rows, modality, settings, facts["seed"])
        model.eval()
        with torch.inference_mode():
            parts = [rows[i : i + 1024] for i in range(0, len(rows), 1024)]
            hidden = np.concatenate([_embedded(model, problem, part)[0].numpy() for part in parts])
            none = np.zeros((len(rows), 0), np.int64)
            values, _, named = further_rows(hidden, none, labels, method="decoded", **facts)
            made = decoder(torch.from_numpy(values.astype(np.float32)))
    arrays = problem.inputs.arrays[modality]
    if modality == "image":
        return {"pixels": (made["pixels"] * 255).round().to(torch.uint8).numpy()}, named
    codes = [logits.argmax(1).numpy() for logits in made["categories"]]
    d = made["numbers"].shape[1] // 2
    numbers = made["numbers"].numpy()
    numbers[:, d:] = numbers[:, d:] > 0.5
    numbers[:, :d] *= numbers[:, d:] == 0
    categories = np.stack(codes, 1) if codes else np.zeros((len(named), 0))
    return {"numbers": numbers, "categories": categories.astype(arrays["categories"].dtype)}, named


def _embedded(model: JointModel, problem: Problem, rows: Ints) -> tuple[Tensor, Trunk]:
    """Where the encoders meet the trunk, ``(b, width)``, and what the trunk makes of it."""
    kept: list[Tensor] = []

    def note(x: Tensor) -> Tensor:
        kept.append(x)
        return x

    trunk = model.trunk(problem.inputs.batch(rows), len(rows), note)
    return kept[-1], trunk


def _trained(
    problem: Problem, rows: Ints, modality: str, settings: TrainSettings, seed: int
) -> tuple[JointModel, Decoder]:
    model, labels = problem.build(seed), LabelBatches(problem)
    arrays = problem.inputs.arrays[modality]
    if modality == "image":
        decoder = Decoder(model.width, pixels=arrays["pixels"].shape[1:])
    else:
        sizes = tuple(int(s) + 1 for s in np.asarray(arrays["categories"]).max(0, initial=0))
        decoder = Decoder(model.width, numbers=arrays["numbers"].shape[1], sizes=sizes)
    optimizer = torch.optim.AdamW([*model.parameters(), *decoder.parameters()], lr=settings.learning_rate)
    rng = np.random.default_rng([seed, 11])
    model.train()
    for _ in range(EPOCHS):
        order = rng.permutation(rows)
        for start in range(0, len(order), BATCH):
            index = order[start : start + BATCH]
            hidden, trunk = _embedded(model, problem, index)
            loss = decoder.loss(hidden, problem.inputs.batch(index)[modality][1])
            logits, _ = model.outputs(trunk)
            known = labels.batch(torch.from_numpy(index))
            for task, head in model.headed():
                if task.name in known:
                    loss = loss + KINDS[task.kind].loss(task, logits[task.name], *known[task.name], head.seen)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model, decoder
