"""The card of a text classifier."""

from __future__ import annotations

from jointset.records import Task

WHAT = {
    "regression": "The one output is the number itself{unit}.",
    "multilabel": "A sigmoid of each logit is the probability that its label applies.",
}


def classifier_card(task: Task, run: str, score: str, *, native: bool, joint: bool) -> str:
    """What the classifier is, how it is loaded, and in what it differs from the joint model."""
    trust = "" if native else ", trust_remote_code=True"
    what = WHAT.get(task.kind, "A softmax of the logits gives the classes' probabilities.")
    code = (
        "It is a class of transformers; no code stands in this folder."
        if native
        else "The class stands in `modeling_jointset.py` in this folder, and loading it runs that file: the heads of "
        "transformers do not average hidden states as this model does, and one of theirs would say something else."
    )
    known = (
        "\n\nThe joint model can read a row's known labels of other tasks; this classifier reads the text alone."
        if joint
        else ""
    )
    unit = f" in {task.unit}" if task.unit else ""
    labels = "\n".join(f"- {i}: {c}" for i, c in enumerate(task.classes)) or f"- 0: {task.name}"
    return f"""---
library_name: transformers
pipeline_tag: text-classification
tags: [jointset, multi-task]
---

# {task.name}, from the joint model of the run {run}

A {task.kind} task of a multi-task model that jointset trained, alone. {what.format(unit=unit)} {score}

{labels}

```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
model = AutoModelForSequenceClassification.from_pretrained("."{trust})
encoded = tokenizer(["a text"], padding=True, truncation=True, return_tensors="pt")
model(**encoded).logits
```

{code} Texts in several columns are read joined by line breaks. The probabilities are those of the joint model for rows
with nothing but text; it may know more of rows that have other inputs as well.{known}
"""
