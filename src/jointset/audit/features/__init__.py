"""Cheap embeddings of inputs, without training and without torch."""

from jointset.audit.features.images import image_features
from jointset.audit.features.sounds import sound_features
from jointset.audit.features.tables import table_features
from jointset.audit.features.texts import text_features, text_terms

FEATURES = {
    "tabular": table_features,
    "text": text_features,
    "image": image_features,
    "audio": sound_features,
}

__all__ = ["FEATURES", "image_features", "sound_features", "table_features", "text_features", "text_terms"]
