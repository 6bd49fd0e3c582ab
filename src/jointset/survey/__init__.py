"""All checks of the data over everything a configuration names: what ``jointset audit`` prints, and every round keeps."""

from jointset.survey.inputs import PoolInputs, read_inputs
from jointset.survey.run import Survey, survey
from jointset.survey.sections import Section

__all__ = ["PoolInputs", "Section", "Survey", "read_inputs", "survey"]
