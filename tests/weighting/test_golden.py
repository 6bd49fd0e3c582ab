"""Ours beside what torchjd and LibMTL say of the same gradients and losses; bench/weighting_golden.py asked them."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench import weighting_golden

FOUND = json.loads(weighting_golden.GOLDEN.read_text())
NAMES = [f"{r['method']} {r['case']} {r['peer']} {r['options']}" for r in FOUND["records"]]


@pytest.mark.parametrize("record", FOUND["records"], ids=NAMES)
def test_we_agree_with_the_peers(record):
    assert weighting_golden.difference(record, FOUND) < 1e-4


def test_the_cases_are_those_that_the_peers_were_asked_about():
    assert FOUND["cases"] == weighting_golden.cases()
    assert FOUND["sequence"] == weighting_golden.sequence()
    assert len({r["method"] for r in FOUND["records"]}) >= 24
