"""Guides whose examples run."""

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(text: str) -> str:
    """The Python blocks of a Markdown text, at their lines; fences and prose are blank."""
    kept, end = [], 0
    for block in FENCE.finditer(text):
        kept += [re.sub(".", "", text[end : block.start(1)]), block[1]]
        end = block.end(1)
    return "".join(kept)


def test_blocks_keep_their_lines_and_prose_goes():
    text = "a >>> 1\n```python\n>>> 1 + 1\n2\n```\nb\n```yaml\n>>> 3\n```\n"
    assert examples(text) == "\n\n>>> 1 + 1\n2\n"


@pytest.mark.parametrize(
    ("guide", "least"),
    [("audit.md", 50), ("weighting.md", 30), ("data-problems.md", 5), ("other-programs.md", 30)],
)
def test_every_example_of_a_guide_runs(guide, least):
    path = DOCS / guide
    test = doctest.DocTestParser().get_doctest(
        examples(path.read_text(encoding="utf-8")), {}, guide, str(path), 0
    )
    assert len(test.examples) > least
    told: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=told.append)
    assert not told, "\n".join(told)
