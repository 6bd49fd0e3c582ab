"""The report of a run: one offline page."""

from jointset.report.page import render, write
from jointset.report.rows import open_rows, write_rows

__all__ = ["open_rows", "render", "write", "write_rows"]
