"""The sections of the report, one file each, in the order of the page."""

from collections.abc import Callable

from jointset.report.material import Material
from jointset.report.sections.affinity import affinity
from jointset.report.sections.base import Section
from jointset.report.sections.calibration import calibration
from jointset.report.sections.confusion import confusion
from jointset.report.sections.copies import copies
from jointset.report.sections.data import data
from jointset.report.sections.edits import edits
from jointset.report.sections.environment import environment
from jointset.report.sections.examples import examples
from jointset.report.sections.findings import findings
from jointset.report.sections.grid import grid
from jointset.report.sections.interpretation import interpretation
from jointset.report.sections.joint import joint
from jointset.report.sections.limits import limits
from jointset.report.sections.noise import noise
from jointset.report.sections.rounds import rounds
from jointset.report.sections.slices import slices
from jointset.report.sections.sources import sources
from jointset.report.sections.tail import tail
from jointset.report.sections.verdict import verdict

SECTIONS: dict[str, Callable[[Material], Section | None]] = {
    "verdict": verdict,
    "grid": grid,
    "rounds": rounds,
    "joint": joint,
    "edits": edits,
    "slices": slices,
    "noise": noise,
    "confusion": confusion,
    "calibration": calibration,
    "tail": tail,
    "data": data,
    "copies": copies,
    "findings": findings,
    "affinity": affinity,
    "interpretation": interpretation,
    "sources": sources,
    "examples": examples,
    "limits": limits,
    "environment": environment,
}

__all__ = ["SECTIONS", "Section"]
