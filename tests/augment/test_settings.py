"""The section ``augment`` of a configuration, and its mistakes, each on one line."""

import math

import pytest

from jointset.config import dump, parse
from jointset.errors import ConfigError
from jointset.operations import usual


def config(augment, **more):
    return parse(
        {
            "datasets": {
                "a": {"path": "a.csv", "inputs": {"image": "file"}},
                "b": {"path": "b.csv", "inputs": {"text": "body"}},
            },
            "tasks": {
                "digit": {"kind": "multiclass", "labels": {"a": "digit"}},
                "mood": {"kind": "binary", "labels": {"b": "mood"}},
                "size": {"kind": "regression", "labels": {"a": "size"}},
                "tags": {"kind": "multilabel", "labels": {"a": "tags"}},
            },
            "augment": augment,
            **more,
        }
    ).augment


def test_words_and_sections():
    assert (
        parse(
            {
                "datasets": {"a": {"inputs": {"text": "x"}}},
                "tasks": {"t": {"kind": "binary", "labels": {"a": "y"}}},
            }
        ).augment.mode
        == "off"
    )
    assert [config(v).mode for v in ("auto", False, True, {"share": 0.5})] == ["auto", "off", "on", "auto"]
    assert [config({"mode": v}).mode for v in ("on", True, "off", False)] == ["on", "on", "off", "off"]
    assert config({"search": False}).search is None
    found = config(
        {"image": {"rotate": 20, "flip": True, "erase": {"magnitude": 0.2, "chance": 2}, "blur": False}}
    )
    assert found.steps() == {
        "image.rotate": {"magnitude": 20.0, "chance": 1.0},
        "image.flip": {"magnitude": 1.0, "chance": 1.0},
        "image.erase": {"magnitude": 0.2, "chance": 2.0},
    }
    assert set(config({"text": ["swap", {"delete": 0.2}]}).text) == {"swap", "delete"}
    assert {n: s["magnitude"] for n, s in config({"image": True}).image.items()} == usual("image")


def test_a_resolved_configuration_reads_back_the_same():
    import yaml

    given = {
        "image": {"rotate": 20},
        "tasks": {"digit": {"mask": ["image.rotate"], "image": ["flip"]}},
        "search": "bayes",
    }
    whole = parse(
        {
            "datasets": {"a": {"inputs": {"image": "x"}}},
            "tasks": {"digit": {"kind": "binary", "labels": {"a": "y"}}},
            "augment": given,
        }
    )
    assert parse(yaml.safe_load(dump(whole))) == whole


@pytest.mark.parametrize(
    ("augment", "said"),
    [
        ({"image": {"rotat": 10}}, "no image operation 'rotat' (did you mean 'rotate'?)"),
        ({"image": {"rotate": 400}}, "image.rotate is above 0 and at most 180 (degrees), found 400"),
        ({"text": {"delete": -0.1}}, "text.delete is above 0 and at most 0.9"),
        ({"image": {"rotate": {"magnitude": 5, "often": 1}}}, "rotate has no option 'often'"),
        ({"image": {"rotate": "much"}}, "rotate.magnitude is a finite number, found 'much'"),
        ({"imag": {"rotate": 5}}, "unknown key augment.imag (did you mean 'image'?)"),
        ({"search": "bays"}, "no search 'bays' (did you mean 'bayes'?)"),
        (
            {"audio": {"pitch": 1}},
            "audio.pitch needs audio, and the configuration has image, text; take it out",
        ),
        (
            {"tasks": {"digit": {"text": {"swap": 0.1}}}},
            "tasks.digit: text.swap needs text, and task 'digit' has image",
        ),
        (
            {"tasks": {"digi": {"mask": ["image.flip"]}}},
            "tasks.digi: no task has this name (did you mean 'digit'?)",
        ),
        (
            {"tasks": {"digit": {"mask": ["image.flp"]}}},
            "no operation 'image.flp' (did you mean 'image.flip'?)",
        ),
        (
            {"tasks": {"digit": {"mask": ["image.flip"], "forbid": ["image.flip"]}}},
            "image.flip stands in more than one",
        ),
        ({"share": 0}, "augment.share"),
        ({"text": {"delete": {"chance": math.inf}}}, "delete.chance is a finite number, found inf"),
        ({"text": {"delete": {"chance": math.nan}}}, "delete.chance is a finite number, found nan"),
        ({"image": {"noise": {"magnitude": True}}}, "noise.magnitude is a finite number, found True"),
        *(
            (
                {"tasks": {"size": {"transform": {"image.zoom": {"add": value}}}}},
                f"augment: tasks.size.transform.image.zoom: add is a finite number, found {value!r}",
            )
            for value in ("left", math.nan, math.inf, True)
        ),
        (
            {"tasks": {"size": {"transform": {"image.zoom": {"ad": 1}}}}},
            "no number 'ad' (did you mean 'add'?)",
        ),
        (
            {"tasks": {"tags": {"transform": {"image.flip": {"a": "b"}}}}},
            "tasks.tags.transform.image.flip: rules are for classes and numbers, and the task is multilabel",
        ),
        ("al", "augment.mode"),
    ],
)
def test_a_mistake_is_one_line(augment, said):
    with pytest.raises(ConfigError) as error:
        config(augment)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_classes_of_a_rule_are_named_like_those_of_the_task():
    found = config({"tasks": {"digit": {"transform": {"image.flip": {6: 9, 9.0: 6}}}}})
    assert found.tasks["digit"].transform == {"image.flip": {"6": 9, "9": 6}}
