"""How many threads a model is worth: small steps are slower on two than on one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from jointset.training.problem import Problem

ONE_THREAD = 3e8  # operations of a batch's forward pass; with fewer, a second thread costs more than it does
SAMPLE = 8


@contextmanager
def threads(problem: Problem, asked: int | None, batch: int) -> Iterator[int]:
    """Use ``asked`` threads inside, or as many as steps of ``batch`` rows are worth; what was set before comes back.

    ``OMP_NUM_THREADS``, where set, is the user's word and stays. The choice counts operations rather than seconds, so
    that a run that is resumed makes the same one.
    """
    before = torch.get_num_threads()
    if asked:
        torch.set_num_threads(asked)
    elif "OMP_NUM_THREADS" not in os.environ and operations(problem, batch) < ONE_THREAD:
        torch.set_num_threads(1)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def operations(problem: Problem, batch: int) -> float:
    """Multiplications and additions in the forward pass of ``batch`` rows; looking up embeddings counts as nothing."""
    rows = np.flatnonzero(problem.usable())[:SAMPLE]
    if not len(rows):
        return 0.0
    model = problem.build(0).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(problem.inputs.batch(rows), len(rows))
    return counter.get_total_flops() / len(rows) * batch
