"""What rows can be augmented with: names, ranges and usual strengths, for a configuration that is read without torch.

An operation is named ``MODALITY.NAME``, for example ``image.rotate``. A magnitude is the largest strength: a row gets
one that is drawn evenly up to it, with either sign where the operation has two directions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jointset.errors import nearest

MODALITIES = ("image", "text", "audio", "tabular", "features")
RAW = ("text", "audio")  # modalities
RULE_NUMBERS = ("scale", "add", "offset", "modulo")  # of a rule of labels that are numbers


@dataclass(frozen=True)
class Operation:
    """One operation: magnitudes in (0, ``most``], the ``usual`` one, and whether the default policy has it.

    ``signed`` ones have two directions; a ``switch`` is done or not done; one in ``whole`` steps is drawn rounded up.
    """

    most: float
    usual: float
    unit: str
    signed: bool = False
    stock: bool = False
    switch: bool = False
    whole: bool = False


OPERATIONS: dict[str, Operation] = {
    "image.rotate": Operation(180.0, 15.0, "degrees", signed=True, stock=True),
    "image.scale": Operation(0.9, 0.15, "share of the size", signed=True, stock=True),
    "image.zoom": Operation(0.9, 0.2, "share of the size, inwards only"),
    "image.translate": Operation(0.9, 0.1, "share of the side", signed=True, stock=True),
    "image.crop": Operation(0.9, 0.2, "share of the area that is cut away"),
    "image.shear": Operation(60.0, 10.0, "degrees", signed=True, stock=True),
    "image.elastic": Operation(0.3, 0.06, "share of the side", stock=True),
    "image.flip": Operation(1.0, 1.0, "left and right change places", switch=True),
    "image.vertical_flip": Operation(1.0, 1.0, "top and bottom change places", switch=True),
    "image.quarter": Operation(3.0, 3.0, "quarter turns", whole=True),
    "image.brightness": Operation(1.0, 0.2, "share of white", signed=True),
    "image.contrast": Operation(1.0, 0.3, "share", signed=True),
    "image.saturation": Operation(1.0, 0.3, "share", signed=True),
    "image.hue": Operation(0.5, 0.05, "turns of the colour circle", signed=True),
    "image.sharpen": Operation(4.0, 1.0, "factor"),
    "image.solarize": Operation(1.0, 0.3, "share of the brightness that is turned round"),
    "image.posterize": Operation(7.0, 3.0, "bits taken away", whole=True),
    "image.equalize": Operation(1.0, 1.0, "histogram made level", switch=True),
    "image.noise": Operation(0.5, 0.05, "standard deviation, share of white"),
    "image.erase": Operation(0.8, 0.1, "share of the area"),
    "image.blur": Operation(4.0, 0.7, "standard deviation, pixels"),
    "image.mixup": Operation(1.0, 0.4, "alpha of the Beta distribution of shares"),
    "image.cutmix": Operation(1.0, 1.0, "alpha of the Beta distribution of shares"),
    "text.synonym": Operation(1.0, 0.1, "share of the words", stock=True),
    "text.insert": Operation(1.0, 0.1, "share of the words"),
    "text.delete": Operation(0.9, 0.1, "share of the words", stock=True),
    "text.swap": Operation(1.0, 0.1, "share of the words", stock=True),
    "text.typo": Operation(0.5, 0.05, "share of the characters"),
    "audio.noise": Operation(60.0, 40.0, "decibels above a noise 60 dB below the clip"),
    "audio.gain": Operation(24.0, 6.0, "decibels", signed=True),
    "audio.shift": Operation(0.5, 0.1, "share of the clip", signed=True, stock=True),
    "audio.stretch": Operation(0.5, 0.15, "share of the speed", signed=True, stock=True),
    "audio.pitch": Operation(12.0, 2.0, "semitones", signed=True, stock=True),
    "audio.time_mask": Operation(0.8, 0.15, "share of the frames", stock=True),
    "audio.frequency_mask": Operation(0.8, 0.2, "share of the bands", stock=True),
    "tabular.swap": Operation(0.9, 0.1, "share of the columns", stock=True),
    "tabular.noise": Operation(2.0, 0.1, "standard deviations", stock=True),
    "tabular.hide": Operation(0.9, 0.1, "share of the columns"),
    "tabular.mixup": Operation(1.0, 0.4, "alpha of the Beta distribution of shares"),
    "features.noise": Operation(4.0, 0.5, "standard deviations of the class"),
    "features.extrapolate": Operation(2.0, 0.5, "share of the way between two rows of a class"),
    "features.tail": Operation(2.0, 1.0, "share of a common class's spread given to a rare one"),
    "features.adversarial": Operation(10.0, 1.0, "share of the features' deviation"),
}


def is_raw(operation: str) -> bool:
    """Whether an operation works on what the column holds, before it is prepared; all others work on batches.

    >>> is_raw("text.delete"), is_raw("audio.pitch"), is_raw("audio.time_mask")
    (True, True, False)
    """
    return modality_of(operation) in RAW and not operation.endswith("_mask")


def modality_of(operation: str) -> str:
    """The part before the dot.

    >>> modality_of("image.rotate")
    'image'
    """
    return operation.partition(".")[0]


def names(modality: str) -> list[str]:
    """The operations of a modality, without its name.

    >>> names("text")
    ['synonym', 'insert', 'delete', 'swap', 'typo']
    """
    return [o.partition(".")[2] for o in OPERATIONS if modality_of(o) == modality]


def usual(modality: str) -> dict[str, float]:
    """The default policy of a modality: magnitude by name.

    >>> usual("tabular")
    {'swap': 0.1, 'noise': 0.1}
    """
    return {
        n: OPERATIONS[f"{modality}.{n}"].usual for n in names(modality) if OPERATIONS[f"{modality}.{n}"].stock
    }


def mistake(modality: str, name: str, magnitude: float) -> str | None:
    """What is wrong with an operation of a configuration, on one line.

    >>> mistake("image", "rotat", 10)
    "no image operation 'rotat' (did you mean 'rotate'?); one of rotate, scale, zoom, translate, crop, shear, \
elastic, flip, vertical_flip, quarter, brightness, contrast, saturation, hue, sharpen, solarize, posterize, equalize, \
noise, erase, blur, mixup, cutmix"
    >>> mistake("image", "rotate", 400)
    'image.rotate is above 0 and at most 180 (degrees), found 400'
    """
    if f"{modality}.{name}" not in OPERATIONS:
        known = names(modality)
        elsewhere = [o for o in OPERATIONS if o.endswith(f".{name}")]
        hint = f" (that is {elsewhere[0]})" if elsewhere else nearest(name, known)
        return f"no {modality} operation {name!r}{hint}; one of {', '.join(known)}"
    operation = OPERATIONS[f"{modality}.{name}"]
    if not 0 < magnitude <= operation.most:
        return f"{modality}.{name} is above 0 and at most {operation.most:g} ({operation.unit}), found {magnitude:g}"
    return None


def unknown(operation: str, known: Iterable[str] = OPERATIONS) -> str | None:
    """What is wrong with a full name, on one line."""
    listed = list(known)
    if operation in listed:
        return None
    return f"no operation {operation!r}{nearest(operation, listed)}; operations are named MODALITY.NAME"


def rule_mistake(kind: str, given: Mapping[str, Any]) -> str | None:
    """What is wrong with a rule of a task's labels, so far as its ``kind`` tells, on one line.

    >>> rule_mistake("regression", {"add": "left"})
    "add is a finite number, found 'left'"
    >>> rule_mistake("regression", {"ad": 1})
    "no number 'ad' (did you mean 'add'?); one of scale, add, offset, modulo"
    """
    if kind == "multilabel":
        return "rules are for classes and numbers, and the task is multilabel; take mask"
    if kind != "regression":
        return None
    for key, value in given.items():
        if key not in RULE_NUMBERS:
            return f"no number {key!r}{nearest(key, RULE_NUMBERS)}; one of {', '.join(RULE_NUMBERS)}"
        if not is_finite(value):
            return f"{key} is a finite number, found {value!r}"
    return None


def is_finite(value: Any) -> bool:
    """Whether a value of a configuration is a number, and neither infinite nor NaN; a truth value is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
