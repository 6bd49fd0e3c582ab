"""What stands beside an exported model, for readers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jointset.models.saved import SavedModel

MEANING = {
    "tabular.numbers": "(x − mean) / scale of every numeric column, clipped to ±`clip`, missing = 0; then, in the same "
    "order, 1 where missing, else 0. `encoders.tabular.state.numeric` has [means, scales] by column",
    "tabular.categories": "0 = missing, 1 … = place in `encoders.tabular.state.categories` by column, last = any other",
    "text.words_offsets": "where each row's hashed word n-grams begin, and the end of the last",
    "text.words_ids": "hashed word n-grams, each once a row; `jointset.models.encoders.ngrams.hash_ngrams` makes them",
    "text.chars_offsets": "the same for n-grams of characters",
    "text.chars_ids": "the same for n-grams of characters",
    "text.ids": "tokens, padded at the end",
    "text.mask": "true where there is a token",
    "image.pixels": "grey or RGB values from 0 to 255, channels first",
    "audio.mel": "log-mel frames as bytes, (decibels / 80 + 1) · 255, from `jointset.models.encoders.log_mel.log_mel`",
    "audio.lengths": "frames of each clip; what lies beyond is not read",
}
FORM = {
    "regression": "the number, (rows, 1)",
    "multilabel": "the probability of each class, on its own, (rows, classes)",
}


def onnx_readme(model: SavedModel, description: Mapping[str, Any], name: str) -> str:
    """What the ONNX file reads and writes, and how to feed it."""
    inputs = "\n".join(
        f"| `{k}` | {v['type']} | {' × '.join(map(str, v['shape']))} | "
        f"{MEANING.get(k, 'which rows have it') if not k.endswith('.present') else 'which rows have it'} |"
        for k, v in description["inputs"].items()
    )
    outputs = "\n".join(
        f"| `{t.name}` | {t.kind} | {FORM.get(t.kind, 'probabilities, (rows, classes)')} | "
        f"{', '.join(t.classes[:20])}{' …' if len(t.classes) > 20 else ''}{t.unit} |"
        for t in model.tasks
    )
    decisions = [o for o in description["outputs"] if o not in {t.name for t in model.tasks}]
    further = (
        f"\n\nPredictions of classes are read off {', '.join(f'`{d}`' for d in decisions)}, where that is there: "
        "the loss or the drawing of rows shifted them on purpose."
        if decisions
        else ""
    )
    known = (
        "\n\nThe model can read a row's known labels of other tasks; this file does not: it predicts as "
        "`run.model.predict(frame, ignore_labels=True)`."
        if model.joint
        else ""
    )
    return f"""# Joint model of the run {name}, as ONNX

`model.onnx` has all tasks. Inputs have one row of each for every row; where a row lacks a modality, put zeros, and
false in `present`. Vocabularies, scales and classes are in `model.json`.

| input | type | shape | what it is |
|---|---|---|---|
{inputs}

| output | kind | form | classes or unit |
|---|---|---|---|
{outputs}{further}{known}

```python
import onnxruntime, pyarrow.parquet as pq
from jointset import Run
from jointset.models.convert.onnx import feeds      # or arrays of your own, as the table says

session = onnxruntime.InferenceSession("model.onnx")
rows = pq.read_table("rows.parquet")
outputs = session.run(None, feeds(Run("runs/{name}").model, ".", rows))
dict(zip([o.name for o in session.get_outputs()], outputs))
```
"""
