"""The configuration: YAML in, frozen settings out."""

from jointset.config.data import DatasetSettings, SplitSettings
from jointset.config.model import EncoderSettings, ModelSettings, SharingSettings
from jointset.config.reading import dump, load, parse, path_from, read, resolve_paths
from jointset.config.tasks import LossSettings, SamplingSettings, TaskSettings
from jointset.config.training import FIXES, ImproveSettings, SearchSettings, TrainingSettings
from jointset.config.whole import Config

__all__ = [
    "FIXES",
    "Config",
    "DatasetSettings",
    "EncoderSettings",
    "ImproveSettings",
    "LossSettings",
    "ModelSettings",
    "SamplingSettings",
    "SearchSettings",
    "SharingSettings",
    "SplitSettings",
    "TaskSettings",
    "TrainingSettings",
    "dump",
    "load",
    "parse",
    "path_from",
    "read",
    "resolve_paths",
]
