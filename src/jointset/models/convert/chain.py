"""What one task of a joint model does with a text, as a chain: backbone, linear maps, residual layers, classifier."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from jointset.errors import RunError
from jointset.models.encoders.huggingface_module import HuggingFaceModule
from jointset.models.joint import JointModel
from jointset.models.saved import SavedModel
from jointset.models.sharing.adapters import Adapter
from jointset.models.sharing.backbone import Adapted, PerColumn
from jointset.models.sharing.blocks import Affine, Block
from jointset.models.sharing.columns import Separate
from jointset.models.sharing.hard import Hard
from jointset.models.sharing.lora import Update
from jointset.records import Task
from jointset.tasks import KINDS
from jointset.tasks.head import Head

LAST = -1  # the backbone's output
Weights = tuple[Tensor, Tensor]  # of a linear map: (out, in) and (out,)


@dataclass(frozen=True)
class Chain:
    """``maps`` read the hidden states ``stages``, averaged; their sum over √(their number) goes through ``blocks``.

    ``classifier`` gives logits whose softmax or sigmoid are the task's probabilities, or numbers in the task's unit.
    ``adapters`` are those of the backbone, by layer.
    """

    backbone: Any
    adapters: dict[str, Adapter]
    stages: tuple[int, ...]
    maps: tuple[Weights, ...]
    blocks: tuple[Block, ...]
    classifier: Weights


def chain(model: SavedModel, task: Task) -> Chain:
    """The chain of a task; :class:`RunError`, one line, where the model is more than that."""
    network = model.network.serving(task.name)
    encoder = _encoder(model, task)
    column = [t.name for t in network.tasks].index(task.name)
    backbone, adapters = _merged(encoder.backbone, column)
    head = network.headed()[column][1]
    blocks: tuple[Block, ...] = ()
    names = [s for s in network.taps.depth.get(task.name, ()) if s.startswith("text.")]
    if names:  # a task at stages of other inputs reads the trunk where there is only text
        order = list(encoder.stage_widths)
        stages = tuple(order.index(s.partition(".")[2]) for s in names)
        maps = [_weights(network.taps.maps[network.taps.stages.index(s)]) for s in names]
    else:
        affine, blocks = _trunk(network, task, column)
        stages, maps = (LAST,), [_after(affine, _weights(encoder.out))]
    return Chain(backbone, adapters, stages, tuple(maps), blocks, _classifier(task, head))


def _encoder(model: SavedModel, task: Task) -> HuggingFaceModule:
    """The text encoder that the task's column reads."""
    network = model.network.serving(task.name)
    if "text" not in network.encoders or not isinstance(network.encoders["text"], HuggingFaceModule):
        used = ", ".join(f"{m} {e.name}" for m, e in model.encoders.items())
        raise RunError(
            f"task {task.name!r}: a Hugging Face classifier needs model.text.encoder: huggingface, found {used}; "
            "export with --format onnx"
        )
    if not any(set(columns) == {"text"} for columns in model.inputs.values()):
        raise RunError(
            f"task {task.name!r}: no dataset has text alone, and a text classifier would read nothing else; "
            "export with --format onnx"
        )
    if network.others is not None and network.others.fill:
        raise RunError(
            f"task {task.name!r}: it reads predictions of the other tasks (model.joint_inference), which a classifier "
            "of one task does not have; export with --format onnx"
        )
    own: list[Any] = [network.encoders["text"]]
    if "text" in network.further and network.sharing.of_tasks:
        own += [*network.further["text"].children()]
    column = [t.name for t in network.tasks].index(task.name)
    found: HuggingFaceModule = own[column if len(own) > 1 else 0]
    return found


def _trunk(network: JointModel, task: Task, column: int) -> tuple[Affine | None, tuple[Block, ...]]:
    """The task's layers behind the encoder: a linear one, or residual ones."""
    sharing = network.sharing
    if isinstance(sharing, (Hard, Adapted)):
        layers: Sequence[nn.Module] = list(sharing.layers)
    elif isinstance(sharing, Separate):
        layers = list(sharing.layers[column].children())
    else:
        raise RunError(
            f"task {task.name!r}: {type(sharing).__name__} sharing mixes layers of several tasks, which a classifier "
            "of one task has not; export with --format onnx, or share by hard, soft, shared_init, lora or adapters"
        )
    if len(layers) == 1 and isinstance(layers[0], Affine):
        return layers[0], ()
    assert all(isinstance(layer, Block) for layer in layers)
    return None, tuple(layers)  # type: ignore[arg-type]


def _weights(layer: Any) -> Weights:
    weight, bias = layer.weight.detach(), layer.bias.detach()
    return weight.clone(), bias.clone()


def _after(affine: Affine | None, first: Weights) -> Weights:
    """A linear map, then x + W x + b, as one linear map."""
    if affine is None:
        return first
    whole = torch.eye(len(affine.weight)) + affine.weight.detach()
    return whole @ first[0], whole @ first[1] + affine.bias.detach()


def _classifier(task: Task, head: Head) -> Weights:
    """Weights whose outputs need only a softmax, a sigmoid, or nothing."""
    weight, bias = _weights(head)
    if task.kind == "regression":
        mean, std = task.scale
        return weight[:1] * std, bias[:1] * std + mean
    kind, k = KINDS[task.kind], task.n_outputs
    z = 3 * torch.randn(256, len(weight), generator=torch.Generator().manual_seed(0))
    shift = (kind.calibrated(task, z, head.seen) - z[:, :k])[0]
    apart = torch.sigmoid if task.kind == "multilabel" else (lambda x: x.softmax(-1))
    if (apart(z[:, :k] + shift) - kind.outputs(task, z, head.seen)).abs().max() > 1e-5:
        raise RunError(
            f"task {task.name!r}: the loss {task.loss.get('name')} turns scores into probabilities in a way that no "
            "classifier's softmax or sigmoid does; export with --format onnx"
        )
    return weight[:k], bias[:k] + shift


def _merged(backbone: Any, column: int) -> tuple[Any, dict[str, Adapter]]:
    """A copy of the backbone as one task has it: low-rank updates added to the weights, adapters taken out."""
    own = copy.deepcopy(backbone)
    adapters: dict[str, Adapter] = {}
    for name, layer in list(own.named_modules()):
        if not isinstance(layer, PerColumn):
            continue
        addition = layer.additions[column]
        if isinstance(addition, Update):
            with torch.no_grad():
                layer.base.weight += addition.scale * addition.up.weight @ addition.down.weight
        else:
            assert isinstance(addition, Adapter)
            adapters[name] = addition
        parent, _, last = name.rpartition(".")
        setattr(own.get_submodule(parent), last, layer.base)
    return own, adapters
