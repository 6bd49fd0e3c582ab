"""Freed memory is kept by commands that train: pages are not cleared anew at every step."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import numpy as np
from jointset.cli.memory import keep_freed_memory
print(keep_freed_memory())
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(4_000_000)
before = faults()
for _ in range(20):
    np.ones(4_000_000)  # 32 MB, 7,812 pages
print((faults() - before) / 20)
"""


def told(**environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=clean | environment, capture_output=True, text=True, check=True
    )
    kept, faults = done.stdout.split()
    return kept == "True", float(faults)


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of Linux alone is told")
def test_a_step_takes_the_pages_of_the_last_one():
    kept, faults = told()
    if not kept:
        pytest.skip("another C library")
    assert faults < 100


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of Linux alone is told")
def test_what_the_user_set_stays():
    kept, faults = told(MALLOC_MMAP_THRESHOLD_="131072")
    assert not kept and faults > 50
