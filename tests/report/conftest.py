"""Crafted runs for the report's tests."""

import pytest

from crafted import Crafted, craft


@pytest.fixture(scope="session")
def crafted(tmp_path_factory) -> Crafted:
    """A crafted run; read it, do not change it."""
    return craft(tmp_path_factory.mktemp("crafted"))


@pytest.fixture(scope="session")
def make():
    """Craft a run of one's own: see :func:`craft`."""
    return craft
