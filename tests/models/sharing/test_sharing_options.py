"""Options of the ways of sharing: what is taken, and what each mistake says."""

import pytest

from jointset.errors import ConfigError
from jointset.models.sharing import SHARINGS, check_sharing
from jointset.models.sharing.options import COMMON


@pytest.mark.parametrize("name", list(SHARINGS))
def test_every_option_has_a_default_and_a_type_that_is_checked(name):
    import inspect

    parameters = {n: p for n, p in inspect.signature(SHARINGS[name]).parameters.items() if n not in COMMON}
    given = {n: p.default for n, p in parameters.items()}
    assert check_sharing(name, given) == given
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters.values())
    for option in parameters:
        with pytest.raises(ConfigError, match=rf"^model\.sharing\.{option}: .*, found \{{'a': 1\}}$"):
            check_sharing(name, {option: {"a": 1}})


@pytest.mark.parametrize(
    ("name", "given", "parts"),
    [
        ("mmoee", {}, ["model.sharing: 'mmoee' is unknown (did you mean 'mmoe'?)", "one of hard, "]),
        ("MMoE", {}, ["(did you mean 'mmoe'?)"]),
        (
            "mmoe",
            {"expert": 3},
            ["mmoe has no option 'expert' (did you mean 'experts'?)", "known: experts, enc"],
        ),
        ("hard", {"experts": 3}, ["hard has no option 'experts'; it has none"]),
        (
            "mmoe",
            {"experts": 0},
            ["model.sharing.experts: input should be greater than or equal to 1, found 0"],
        ),
        (
            "mmoe",
            {"experts": "many"},
            ["model.sharing.experts: input should be a valid integer", "found 'many'"],
        ),
        (
            "mmoe",
            {"encoders": "own"},
            ["model.sharing.encoders: input should be 'auto', 'shared' or 'separate'"],
        ),
        ("cross_stitch", {"same": 1.5}, ["model.sharing.same: input should be less than or equal to 1"]),
        ("trace_norm", {"unfolding": "first"}, ["'last' or 'each'"]),
    ],
)
def test_a_mistake_is_one_line(name, given, parts):
    with pytest.raises(ConfigError) as caught:
        check_sharing(name, given)
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def test_numbers_are_read_as_yaml_gives_them():
    assert check_sharing("soft", {"strength": 1}) == {"strength": 1.0}
    assert isinstance(check_sharing("soft", {"strength": 1})["strength"], float)
