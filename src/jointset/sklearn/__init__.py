"""The joint model as scikit-learn estimators."""

from jointset.sklearn.classifier import JointClassifier
from jointset.sklearn.regressor import JointRegressor

__all__ = ["JointClassifier", "JointRegressor"]
