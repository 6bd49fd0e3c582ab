"""Encoders by modality and name."""

from collections.abc import Mapping
from typing import Any

from jointset.errors import ConfigError, nearest
from jointset.models.encoders.audio import MelCNN
from jointset.models.encoders.base import Encoder
from jointset.models.encoders.huggingface import HuggingFaceText
from jointset.models.encoders.image import SmallResNet
from jointset.models.encoders.tabular import Tabular
from jointset.models.encoders.text_bag import TextBag
from jointset.models.encoders.text_cnn import TextCNN

ENCODERS: dict[str, dict[str, type[Encoder]]] = {
    "tabular": {"mlp": Tabular},
    "text": {"bag": TextBag, "cnn": TextCNN, "huggingface": HuggingFaceText},
    "image": {"resnet": SmallResNet},
    "audio": {"melcnn": MelCNN},
}


def make_encoders(settings: Mapping[str, tuple[str, Mapping[str, Any]]]) -> dict[str, Encoder]:
    """One encoder per modality out of its name ("default" = the first of the table) and options.

    >>> make_encoders({"tabular": ("default", {"hidden": 64})})["tabular"].hidden
    64
    """
    made: dict[str, Encoder] = {}
    for modality, (name, options) in settings.items():
        table = ENCODERS[modality]
        name = next(iter(table)) if name == "default" else name
        if name not in table:
            raise ConfigError(
                f"model.{modality}.encoder: {name!r} is unknown{nearest(name, table)}; one of {', '.join(table)}"
            )
        try:
            made[modality] = table[name](**options)
        except TypeError as error:
            known = [k for k in table[name].__init__.__annotations__ if k != "return"]
            raise ConfigError(
                f"model.{modality}: {error}; options of {name} are {', '.join(known)}"
            ) from None
    return made


__all__ = [
    "ENCODERS",
    "Encoder",
    "HuggingFaceText",
    "MelCNN",
    "SmallResNet",
    "Tabular",
    "TextBag",
    "TextCNN",
    "make_encoders",
]
