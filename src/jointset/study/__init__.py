"""Federated-style studies out of one dataset: parted into sites, measured, and written with a configuration."""

from jointset.study.make import Study, make_study
from jointset.study.plan import Plan

__all__ = ["Plan", "Study", "make_study"]
