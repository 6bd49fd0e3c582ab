"""``jointset relate`` on real files: advice as text and as JSON, and mistakes in one line."""

import json

import numpy as np

from jointset.cli.relate import groups_told
from jointset.relatedness import Affinity, company, group_tasks


def with_odd_tasks(folder, rows):
    """The small configuration with a copy of a task and one whose labels are drawn."""
    people = folder.with_people(rows).frames["people"]
    people["again"] = people["grade"].map({"low": "x", "mid": "y", "high": "z"})
    people["coin"] = np.random.default_rng(3).choice(["heads", "tails"], len(people))
    folder.settings["tasks"]["again"] = {"kind": "multiclass", "labels": {"people": "again"}}
    folder.settings["tasks"]["coin"] = {"kind": "binary", "labels": {"people": "coin"}}
    return folder.write()


def test_advice_in_json_finds_the_copy_and_suspects_the_random_task(folder, cli):
    done = cli("relate", with_odd_tasks(folder, 1500).config, "--groups", 2, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["tasks"]["coin"]["action"] == "suspect" and "p = " in found["tasks"]["coin"]["reason"]
    assert found["tasks"]["again"]["action"] == "merge"
    assert {t for t, v in found["tasks"].items() if v["action"] == "keep"} >= {"level", "risky", "price"}
    assert (
        "coin" not in found["targets"]["level"]["chosen"]
        and "again" not in found["targets"]["level"]["chosen"]
    )
    assert found["targets"]["level"]["chosen"] and found["targets"]["coin"]["chosen"] == []
    served = [t for g in found["groups"]["groups"] for t in g["serves"]]
    assert sorted(served) == ["kinds", "level", "price", "risky"] and found["groups"]["share"] == 1.0
    by_itself = [g["serves"][0] for g in found["groups"]["groups"] if len(g["trained"]) == 1]
    assert [t for t, v in found["tasks"].items() if v["action"] == "alone"] == by_itself
    assert set(found["affinity"]) == {
        "association", "information", "leep", "logme", "h_score", "fisher", "proxy_a", "mmd", "ngrams",
    }  # fmt: skip
    assert set(found["pooling"]) == {"level"} and found["seconds"] > 0


def test_labels_too_few_to_look_random_are_not_told_to_be_dropped(folder, cli):
    done = cli("relate", with_odd_tasks(folder, 240).config, "--measure", "association", "--json")
    found = json.loads(done.out)
    assert found["tasks"]["coin"]["action"] == "keep"
    assert "too few labels to tell" in found["signals"]["coin"]["reason"]


def test_advice_as_text(folder, cli):
    done = cli(
        "relate", folder.write().config, "--target", "level", "--measure", "leep", "--measure", "association"
    )
    assert done.code == 0, done.err
    assert "measures: leep" in done.out and "level ← " in done.out and "risky ← " not in done.out
    assert "(chance" in done.out and "✔ level: keep" in done.out and "datasets of level" in done.out


def test_what_a_measure_lacks_is_told(folder, cli):
    del folder.settings["datasets"]["people"]["inputs"]["text"], folder.settings["datasets"]["posts"]
    folder.settings["tasks"]["level"]["labels"] = {"people": "grade"}
    done = cli("relate", folder.write().config)
    assert done.code == 0, done.err
    assert "· ngrams: it reads texts, and there are none" in done.out
    alone = cli("relate", folder.config, "--measure", "ngrams")
    assert alone.code == 2 and "measure ngrams: it reads texts" in alone.err


def test_mistakes_are_one_line(folder, cli):
    folder.write()
    for option, value, said in (
        ("--target", "levle", "no task 'levle' (did you mean 'level'?)"),
        ("--measure", "leap", "no measure of relatedness is called 'leap' (did you mean 'leep'?)"),
    ):
        done = cli("relate", folder.config, option, value)
        assert done.code == 2 and said in done.err and done.err.count("\n") == 1


def test_groups_say_how_near_to_the_best_they_are():
    names = [f"t{i}" for i in range(12)]
    found = Affinity("gain", tuple(names), np.ones((12, 12)), "skill", (-1, 1))

    def told(score):
        return "\n".join(groups_told(group_tasks(found, 3, score=score)))

    assert "groups (at least 100% of the best; value 132.00)" in told(company(found))
    assert "groups (how near to the best is not known" in told(lambda members, task: 1.0)
