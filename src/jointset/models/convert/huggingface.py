"""One task of a joint model as a text classifier that transformers loads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from jointset.errors import DataError, InternalError, nearest
from jointset.models.convert.card import classifier_card
from jointset.models.convert.chain import LAST, Chain, chain
from jointset.models.saved import SavedModel
from jointset.records import Task

PROBLEMS = {
    "binary": "single_label_classification",
    "multiclass": "single_label_classification",
    "multilabel": "multi_label_classification",
    "regression": "regression",
}
CLOSE = 1e-4  # of what the joint model says; of a regression, times the labels' deviation
PROBE = ("a short text", "another one, which is a little longer than the first", "?")


def write(
    model: SavedModel,
    task: str,
    folder: str | Path,
    *,
    texts: Sequence[str] = (),
    name: str = "run",
    score: str = "",
) -> Path:
    """Write a folder that ``AutoModelForSequenceClassification`` and ``AutoTokenizer`` load; returns its path.

    The backbone's own class is used where it can say the same: for EuroBERT, which averages over tokens, without layers
    between encoder and head. Otherwise the folder holds the class's code, ``modeling_jointset.py``, and loading it
    needs ``trust_remote_code=True``.

    Parameters
    ----------
    model : of a finished run.
    task : its name.
    folder : is made; files of these names are replaced.
    texts : what the classifier is compared on with the joint model before it is written.
    name : of the run, for the card; ``score`` is a line on how good the task is.

    Raises :class:`DataError` for an unknown task, :class:`RunError` where no such classifier says the same, each one
    line, and :class:`InternalError` should the two differ.
    """
    tasks = {t.name: t for t in model.tasks}
    if task not in tasks:
        raise DataError(f"the model has no task {task!r}{nearest(task, tasks)}; one of {', '.join(tasks)}")
    found = chain(model, tasks[task])
    with torch.random.fork_rng(devices=[]):
        native = _native(found, tasks[task])
        made = native if native is not None else _own(found, tasks[task])
    made.eval()
    encoder: Any = model.encoders["text"]
    tokenizer = encoder.load("AutoTokenizer")
    tokenizer.model_max_length = encoder.max_length
    _same(model, tasks[task], made, tokenizer, [*texts, *PROBE])
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    card = classifier_card(tasks[task], name, score, native=native is not None, joint=model.joint)
    (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


def _labels(task: Task) -> dict[str, Any]:
    names = task.classes or (task.name,)
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {n: i for i, n in enumerate(names)},
        "problem_type": PROBLEMS[task.kind],
    }


def _native(found: Chain, task: Task) -> Any | None:
    """The backbone's own classifier, where it has one that says the same."""
    config, k = found.backbone.config, len(found.classifier[1])
    plain = found.stages == (LAST,) and not (found.blocks or found.adapters)
    if config.model_type != "eurobert" or not plain or 2 * k > config.hidden_size:
        return None
    from transformers import AutoModelForSequenceClassification

    options = {**config.to_dict(), **_labels(task), "classifier_pooling": "mean"}
    made = AutoModelForSequenceClassification.from_config(type(config)(**options))
    made.model.load_state_dict(found.backbone.state_dict())
    (weight, bias), (w, b) = found.maps[0], found.classifier
    weight, bias = w @ weight, w @ bias + b  # (k, hidden), (k,)
    with torch.no_grad():  # its head has a gelu inside, and x = gelu(x) − gelu(−x)
        for p in (made.dense.weight, made.dense.bias, made.classifier.weight, made.classifier.bias):
            p.zero_()
        made.dense.weight[: 2 * k] = torch.cat([weight, -weight])
        made.dense.bias[: 2 * k] = torch.cat([bias, -bias])
        made.classifier.weight[:, : 2 * k] = torch.cat([torch.eye(k), -torch.eye(k)], 1)
    return made


def _own(found: Chain, task: Task) -> Any:
    """The class that stands beside this file."""
    from jointset.models.convert.modeling_jointset import JointsetConfig, JointsetForSequenceClassification

    JointsetConfig.register_for_auto_class()
    JointsetForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")
    config = JointsetConfig(
        backbone={k: v for k, v in found.backbone.config.to_dict().items() if k != "_name_or_path"},
        stages=found.stages,
        width=len(found.maps[0][1]),
        layers=len(found.blocks),
        dropout=float(cast(Any, found.blocks[0][3]).p) if found.blocks else 0.0,
        adapters=tuple(found.adapters),
        adapter_size=next((a.down.out_features for a in found.adapters.values()), 0),
        **_labels(task),
    )
    made = JointsetForSequenceClassification(config)
    state = dict(found.backbone.state_dict())
    for name, adapter in found.adapters.items():
        for key in [k for k in state if k.startswith(f"{name}.")]:
            state[f"{name}.base.{key.removeprefix(name + '.')}"] = state.pop(key)
        state |= {f"{name}.{k}": v for k, v in adapter.state_dict().items()}
    made.backbone.load_state_dict(state)
    with torch.no_grad():
        for layer, (weight, bias) in zip(
            [*made.maps, made.classifier], [*found.maps, found.classifier], strict=True
        ):
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    for layer, block in zip(cast(Any, made.layers), found.blocks, strict=True):
        for own, given in ((layer.norm, 0), (layer.into, 1), (layer.back, 4)):
            own.load_state_dict(block[given].state_dict())
    return made


def outputs(made: Any, tokenizer: Any, texts: Sequence[str]) -> np.ndarray:
    """What a loaded classifier says of texts, ``(n, K)``: probabilities, or numbers of a regression."""
    encoded = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        logits = made(**encoded).logits
    kind = made.config.problem_type
    if kind == "regression":
        return np.asarray(logits.numpy())
    found = logits.sigmoid() if kind == "multi_label_classification" else logits.softmax(-1)
    return np.asarray(found.numpy())


def _same(model: SavedModel, task: Task, made: Any, tokenizer: Any, texts: Sequence[str]) -> None:
    """Raise when the classifier and the joint model differ on the texts."""
    import pyarrow as pa

    dataset = next(d for d, columns in model.inputs.items() if set(columns) == {"text"})
    given = model.inputs[dataset]["text"]
    columns = [given] if isinstance(given, str) else list(given)
    table = pa.table({c: list(texts) if i == 0 else [""] * len(texts) for i, c in enumerate(columns)})
    expected = model.outputs(table, dataset=dataset)[task.name]
    joined = [t + "\n" * (len(columns) - 1) for t in texts]
    apart = np.abs(outputs(made, tokenizer, joined) - expected).max()
    if apart > CLOSE * (task.scale[1] if task.kind == "regression" else 1.0):
        raise InternalError(
            f"task {task.name!r}: the classifier differs from the joint model by {apart:.2g}; nothing was written"
        )
