"""Weightings by name and options; a mistake is one line."""

import pytest

from jointset.errors import ConfigError
from jointset.options import WEIGHTINGS as OPTIONS
from jointset.weighting import WEIGHTINGS, CAGrad, Fixed, PCGrad, UPGrad, make_weighting
from jointset.weighting.make import options_of

TASKS = ["stars", "mood"]


@pytest.mark.parametrize("name", list(WEIGHTINGS))
def test_every_method_is_made_by_its_name(name):
    assert type(make_weighting(name, {}, TASKS)) is WEIGHTINGS[name]


def test_auto_is_the_sum_with_the_weights_of_the_tasks():
    made = make_weighting("auto", {}, TASKS, weights={"mood": 0.5})
    assert isinstance(made, Fixed) and made.weights == {"mood": 0.5}
    assert make_weighting("auto", {"weights": {"stars": 2}}, TASKS).weights == {"stars": 2}


def test_options_seed_and_weights_reach_the_methods_that_take_them():
    assert make_weighting("cagrad", {"c": 1}, TASKS, weights={"mood": 0.5}, seed=4).c == 1
    assert make_weighting("pcgrad", {}, TASKS, seed=4).seed == 4
    assert make_weighting("pcgrad", {"seed": 1}, TASKS, seed=4).seed == 1
    assert make_weighting("upgrad", {}, TASKS, weights={"mood": 0.5}).weights == {"mood": 0.5}
    assert [CAGrad().c, PCGrad().seed, UPGrad().weights] == [0.5, 0, None]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cagard", {}, "'cagard' is unknown (did you mean 'cagrad'?); one of equal, fixed, "),
        ("cagrad", {"C": 1.0}, ".C: cagrad has no such option (did you mean 'c'?); its options are c"),
        ("gls", {"c": 1.0}, ".c: gls has no such option; it has none"),
        ("cagrad", {"c": "much"}, ".c: expected a number, found 'much'"),
        ("cagrad", {"c": True}, ".c: expected a number, found True"),
        (
            "cagrad",
            {"c": -1.0},
            ": cagrad: c is the radius over the length of the mean gradient, at least 0, found -1.0",
        ),
        ("dwa", {"window": 2.5}, ".window: expected a whole number, found 2.5"),
        ("moco", {"normalize": 1}, ".normalize: expected true or false, found 1"),
        ("nash_mtl", {"max_norm": "one"}, ".max_norm: expected a number, found 'one'"),
        (
            "upgrad",
            {"weights": 2.0},
            ".weights: expected a number for each task, such as {stars: 2}, found 2.0",
        ),
        ("upgrad", {"weights": {"mood": "high"}}, ".weights.mood: expected a number, found 'high'"),
        (
            "uncertainty",
            {"squared": "stars"},
            ".squared: expected a list of tasks, such as [stars], found 'stars'",
        ),
        ("mgda", {"normalize": "l1"}, ": mgda: normalize is none, l2, loss or loss+, found 'l1'"),
        ("aligned_mtl", {"scale": "max"}, ": aligned_mtl: scale is min, median or rmse, found 'max'"),
        (
            "upgrad",
            {"weights": {"moods": 1}},
            ".weights.moods: no task has this name (did you mean 'mood'?); tasks are",
        ),
        (
            "uncertainty",
            {"squared": ["star"]},
            ".squared.star: no task has this name (did you mean 'stars'?)",
        ),
        ("cagrad", {"c": float("nan")}, ".c: expected a number, found nan"),
        ("upgrad", {"weights": {"mood": float("nan")}}, ".weights.mood: expected a number, found nan"),
        ("dwa", {"window": float("inf")}, ".window: expected a whole number, found inf"),
        ("stch", {"nadir": float("nan")}, ".nadir: expected a whole number, found nan"),
        ("rlw", {"seed": -1}, ".seed: expected a whole number, at least 0, found -1"),
        ("moco", {"beta": -5}, ": moco: beta is in (0, 1] and gamma more than 0, found -5 and 0.1"),
        ("moco", {"gamma": -1.0}, ": moco: beta is in (0, 1] and gamma more than 0, found 0.5 and -1.0"),
        ("moco", {"rho": -1.0}, ": moco: beta_decay, gamma_decay and rho are at least 0"),
        ("graddrop", {"leak": {"mood": 5}}, ": graddrop: leak is the part that stays, in [0, 1], found 5"),
        ("gradnorm", {"lr": 0}, ": gradnorm: alpha is at least 0 and lr more than 0, found 1.5 and 0"),
        ("famo", {"decay": -1.0}, ": famo: lr is more than 0 and decay at least 0, found 0.025 and -1.0"),
        ("ntkmtl", {"exponent": -1.0}, ": ntkmtl: exponent is at least 0, found -1.0"),
        *(
            (name, {"weights": {"mood": -1}}, f": {name}: a task's weight is a number, at least 0, found -1")
            for name in ("fixed", "aligned_mtl", "dualproj", "sdmgrad", "stch", "upgrad")
        ),
        ("fairgrad", {"alpha": 0}, ": fairgrad: alpha is more than 0 (equal is the limit 0), found 0"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_there_is(name, options, message):
    with pytest.raises(ConfigError) as caught:
        make_weighting(name, options, TASKS)
    assert str(caught.value).startswith(f"training.weighting{message}") or message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", list(OPTIONS))
def test_unknown_options_list_the_known(name):
    with pytest.raises(ConfigError, match="no such option"):
        make_weighting(name, {"nonsense": 1}, TASKS)


@pytest.mark.parametrize("name", [n for n, known in OPTIONS.items() if known and n != "auto"])
def test_no_number_is_refused_by_the_method_itself(name):
    for option in OPTIONS[name].split():
        kind = str(options_of(name)[option].annotation)
        if kind.startswith(("float", "int")) and option != "seed":
            with pytest.raises(ValueError, match="nan"):
                WEIGHTINGS[name](**{option: float("nan")})
