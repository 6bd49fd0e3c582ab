"""Memory that training frees and takes again at every step."""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
SET_BY_USERS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, up to 2 GiB, in the place of handing it back to the system; whether it does.

    A step of training frees tensors of many megabytes and asks for the like again. The C library of Linux maps each of
    them anew, and the system clears them page by page, which takes as long as the training itself. Where a user has set
    the C library's own variables, nothing is changed, nor on systems with another one.
    """
    if sys.platform != "linux" or any(name in os.environ for name in SET_BY_USERS):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, 1 << 30) and mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1))
