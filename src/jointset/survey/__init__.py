"""All checks of the data over everything a configuration names: what ``jointset audit`` prints, and every round
keeps."""

from jointset.survey.inputs import PoolInputs, read_inputs
from jointset.survey.labelled import LabelsNow
from jointset.survey.questions import questions
from jointset.survey.repairable import repairable
from jointset.survey.run import Survey, survey
from jointset.survey.sections import Section

__all__ = ["LabelsNow", "PoolInputs", "Section", "Survey", "questions", "read_inputs", "repairable", "survey"]
