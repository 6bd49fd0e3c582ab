"""The tree of exceptions, and the nearest name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointset import errors
from jointset.errors import JointsetError, MissingExtra, nearest

TREE = {
    "JointsetError": ("Exception", 3),
    "UserError": ("JointsetError", 2),
    "ConfigError": ("UserError", 2),
    "DataError": ("UserError", 2),
    "ArrayError": ("UserError, ValueError", 2),
    "UnknownName": ("UserError, KeyError", 2),
    "RunError": ("UserError", 2),
    "MissingExtra": ("UserError, ImportError", 2),
    "InternalError": ("JointsetError", 3),
}


def test_the_tree_is_what_the_page_draws():
    found = {
        name: (", ".join(b.__name__ for b in value.__bases__), value.exit_code)
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, JointsetError)
    }
    assert found == TREE
    assert all(name in (errors.__doc__ or "") for name in TREE)


def test_an_unknown_name_is_told_without_quotes():
    with pytest.raises(KeyError) as caught:
        raise errors.UnknownName("no dataset 'x'; one of a, b")
    assert str(caught.value) == "no dataset 'x'; one of a, b"


def test_a_missing_extra_names_the_command_that_installs_it():
    error = MissingExtra("pillow", "image", "reading images")
    assert str(error) == 'reading images needs pillow, which is not installed: pip install "jointset[image]"'
    with pytest.raises(ImportError):
        raise error


@pytest.mark.parametrize(
    ("name", "candidates", "found"),
    [
        ("stars", ["stars "], "'stars ', with a trailing space"),
        ("stars", [" stars"], "' stars', with a leading space"),
        ("Stars", ["stars", "text"], "'stars'"),
        ("epoch", ["epochs", "folds"], "'epochs'"),
    ],
)
def test_the_nearest_name_is_found(name, candidates, found):
    assert nearest(name, candidates) == f" (did you mean {found}?)"


@given(st.text(max_size=8), st.lists(st.text(max_size=8), max_size=4))
def test_nothing_far_is_suggested_and_nothing_fails(name, candidates):
    hint = nearest(name, candidates)
    assert hint == "" or any(repr(c) in hint for c in candidates)
    assert nearest("qqqq", ["stars"]) == ""
