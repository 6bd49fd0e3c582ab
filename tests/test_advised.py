"""The advice as a configuration: what is sure is applied, the rest can be uncommented, and a run takes the file."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import yaml

from jointset import config as configs
from jointset.advised import advised
from jointset.config.commented import one_line
from jointset.prepare import prepare
from jointset.records import is_labelled
from jointset.relatedness import Pooling, Treatment
from jointset.relating import relate

HARMED = "price"


def gains_of(harm, names=()):
    """A training that costs the task ``harm`` .2 in company; ``names`` of the tasks that help it all the same."""

    def train(tasks):
        rng = np.random.default_rng(len(tasks))
        rows = {t: 0.5 + rng.normal(0, 0.01, 200) for t in tasks}
        if harm in rows and len(tasks) > 1:
            rows[harm] += 0.1 if len(tasks) == 2 and set(tasks) & set(names) else -0.2
        return {t: (float(r.mean()), r) for t, r in rows.items()}

    return train


@pytest.fixture(scope="module")
def odd(tmp_path_factory, make_folder):
    """The small configuration with a copy of a task and one whose labels are drawn, and what is made of its rows."""
    folder = make_folder(tmp_path_factory.mktemp("odd")).with_people(1500)
    people = folder.frames["people"]
    people["again"] = people["risk"].map({0: "x", 1: "y"})
    people["coin"] = np.random.default_rng(3).choice(["heads", "tails"], len(people))
    for name in ("again", "coin"):
        folder.settings["tasks"][name] = {"kind": "binary", "labels": {"people": name}}
    work = prepare(configs.load(folder.write().config), folder.path / "data")
    return folder, work


def made_of(odd, found, settings=None, targets=(), out=None):
    folder, work = odd
    given = settings or configs.read(folder.config)
    made = advised(given, work, found, targets=targets, origin=folder.path, folder=out or folder.path)
    return made, yaml.safe_load(made.text)


def flat(made):
    """The text without the ends of its lines."""
    return " ".join(made.text.replace("#", "").split())


def found_of(odd, **asked):
    return relate(odd[1], measures=["association"], **asked)


def uncommented(text, first):
    """The text with the commented YAML switched on that begins with the key ``first``."""
    lines, on = text.splitlines(), False
    for i, line in enumerate(lines):
        body = line.lstrip()
        on = body == f"# {first}:" or (on and body.startswith("# ") and body[2:3] in (" ", "-"))
        if on:
            lines[i] = line.replace("# ", "", 1)
    return yaml.safe_load("\n".join(lines))


def test_what_is_not_sure_changes_nothing_but_the_copy(odd):
    found = found_of(odd, groups=3)
    made, then = made_of(odd, found)
    actions = {t.task: t.action for t in found.treatments}
    assert actions["coin"] == "suspect" and actions["again"] == "merge"
    assert set(then["tasks"]) == {"level", "risky", "kinds", "price", "coin"}
    assert "# again:" in made.text and "adds no information" in made.text
    assert "its own model, which may see more, was not asked" in flat(made)
    assert "groups" not in then["model"] and then["name"] == "small-advised"
    assert len(made.changed) == 1 and "coin is suspected" in made.left
    again = uncommented(made.text, "again")
    assert again["tasks"]["again"] == {"kind": "binary", "labels": {"people": "again"}}


def test_guessed_groups_are_there_to_be_uncommented(odd):
    found = found_of(odd, groups=3)
    groups = [list(g.serves) for g in found.grouping.groups]
    assert len(groups) > 1, "else nothing is tested"
    made, _ = made_of(odd, found)
    assert "groups guessed before any training" in flat(made) and "groups" in made.left
    then = uncommented(made.text, "groups")
    assert then["model"]["groups"] == [*groups, ["coin"]]
    configs.parse(then)


def test_a_task_goes_where_its_own_model_says_nothing_either_and_stays_where_it_does(odd):
    asked = {"train": gains_of(None), "budget": 8}
    gone, then = made_of(odd, found_of(odd, worthless={"coin": True}, **asked))
    assert "coin" not in then["tasks"] and any("coin" in c for c in gone.changed)
    assert "its own model does not tell those held out either" in flat(gone)
    found = found_of(odd, worthless={"coin": False}, **asked)
    kept, then = made_of(odd, found)
    assert "coin" in then["tasks"] and "coin" not in kept.text.split("name:")[0]
    reason = next(t.reason for t in found.treatments if t.task == "coin")
    assert "its own model does" in reason


def test_labels_that_a_run_could_not_decide_by_are_not_judged(odd):
    work = odd[1]
    held = np.flatnonzero(work.pool.split == 1)
    few = work.given["coin"].copy()
    few[held[np.flatnonzero(is_labelled(few[held]))[70:]]] = -1
    found = relate(dataclasses.replace(work, given={**work.given, "coin": few}), measures=["association"])
    kept = next(t for t in found.treatments if t.task == "coin")
    assert kept.action == "keep" and kept.reason == found.signals["coin"].reason
    assert "too few labels are held out to ask its own model" in kept.reason
    assert found.choices["coin"].chosen == (), "it has labels enough, and no other task says anything of them"


def test_measured_harm_gives_groups(odd):
    asked = {"train": gains_of(HARMED), "worthless": {"coin": True}, "budget": 8}
    made, then = made_of(odd, found_of(odd, **asked))
    assert then["model"]["groups"] == [{"tasks": ["level", "risky", "kinds"], "along": [HARMED]}, [HARMED]]
    assert ("groups" in made.changed and "makes it worse" in made.text) or "make it worse" in made.text
    helped = {**asked, "train": gains_of(HARMED, ["level"]), "budget": 40}
    found = found_of(odd, **helped)
    treatment = next(t for t in found.treatments if t.task == HARMED)
    assert treatment.action == "branch" and treatment.helpers == ("level",) and treatment.harmed
    _, then = made_of(odd, found)
    assert then["model"]["groups"][1] == {"tasks": [HARMED], "along": ["level"]}


def test_what_no_setting_expresses_is_said(odd):
    settings = configs.read(odd[0].config)
    settings["model"]["joint_inference"] = "labels"
    found = found_of(odd, train=gains_of(HARMED), worthless={"coin": True}, budget=8)
    made, then = made_of(odd, found, settings)
    assert "groups" not in then["model"] and "no setting expresses it here" in flat(made)
    assert "joint_inference" in flat(made).split("no setting expresses")[1] and "groups" in made.left


def test_auxiliaries_of_a_target_and_no_other_task(odd):
    found = found_of(odd, targets=["risky"])
    chosen = found.choices["risky"].chosen
    assert chosen
    made, then = made_of(odd, found, targets=["risky"])
    assert set(then["tasks"]) == {"risky", *chosen}
    assert "chosen before any training, a guess" in flat(made) and "# coin:" in made.text
    lone = dataclasses.replace(found.choices["risky"], chosen=())
    bare = dataclasses.replace(found, choices={"risky": lone})
    made, then = made_of(odd, bare, targets=["risky"])
    assert set(then["tasks"]) >= {"risky", "level", "kinds", "price"}, "no evidence against the others"
    assert "no auxiliary was chosen" in flat(made)


def test_what_names_a_task_loses_the_name_with_it(odd):
    settings = configs.read(odd[0].config)
    settings["model"]["groups"] = [
        ["level", "risky", "kinds", "price", "coin"],
        {"tasks": ["again"], "along": ["level"]},
    ]
    settings["training"]["weighting"] = {"method": "fixed", "weights": {"again": 2.0, "level": 1.0}}
    settings["augment"] = {"mode": "auto", "tasks": {"again": {"keep": ["jitter"]}}}
    _, then = made_of(odd, found_of(odd), settings)
    assert then["model"]["groups"] == [["level", "risky", "kinds", "price", "coin"]]
    assert then["training"]["weighting"]["weights"] == {"level": 1.0} and then["augment"]["tasks"] == {}


def test_a_copy_with_labels_of_its_own_stays(odd):
    folder, work = odd
    more = np.where(is_labelled(work.given["again"]), work.given["again"], 1)
    rows = int((~is_labelled(work.given["risky"]) & (work.pool.split != 2)).sum())
    found = found_of(odd)
    made = advised(
        configs.read(folder.config), dataclasses.replace(work, given={**work.given, "again": more}), found,
        origin=folder.path, folder=folder.path,
    )  # fmt: skip
    assert "again" in yaml.safe_load(made.text)[
        "tasks"
    ] and f"{rows:,} rows that risky does not label" in flat(made)


def test_datasets_that_no_task_is_left_for_go_and_those_that_harm_are_said(odd):
    found = found_of(odd)
    pooling = found.pooling["level"]
    harm = Pooling(
        **{f.name: getattr(pooling, f.name) for f in dataclasses.fields(pooling)}
        | {"harm": {"posts": ("people",), "people": ()}}
    )
    made, then = made_of(odd, dataclasses.replace(found, pooling={"level": harm}))
    assert list(uncommented(made.text, "level-posts")["tasks"]["level-posts"]["labels"]) == ["posts"]
    assert set(then["datasets"]) == {"people", "posts"}
    settings = configs.read(odd[0].config)
    settings["tasks"]["level"]["labels"] = {"people": "grade"}
    made, then = made_of(odd, found_of(odd), settings)
    assert set(then["datasets"]) == {"people"} and "# posts:" in made.text


def test_a_lighter_weight_is_a_guess_and_only_where_the_weighting_reads_it(odd):
    found = found_of(odd)
    light = dataclasses.replace(
        found, treatments=(Treatment("kinds", "down-weight", "its gradient is against"),)
    )
    made, _ = made_of(odd, light)
    assert "  # weight: 0.5\n" in made.text
    settings = configs.read(odd[0].config)
    settings["training"]["weighting"] = "pcgrad"
    made, _ = made_of(odd, light, settings)
    assert "weight: 0.5" not in made.text and "no setting takes one here" in flat(made)


@pytest.mark.parametrize("where", ["below/there.yaml", "../elsewhere/there.yaml", "there.yaml"])
def test_the_command_writes_a_file_that_a_run_takes_from_wherever_it_stands(folder, cli, where):
    folder.settings["improve"]["rounds"] = 0
    folder.settings["training"]["epochs"] = 1
    out = folder.write().path / where
    done = cli(
        "relate", folder.config, "--measure", "association", "--set", "seed=5", "--write", out, "--json"
    )
    assert done.code == 0, done.err
    assert json.loads(done.out)["written"]["file"] == str(out)
    then = configs.load(out)
    assert then.seed == 5, "what was set holds"
    assert {n: d.path for n, d in then.datasets.items()} == {
        n: d.path for n, d in configs.load(folder.config).datasets.items()
    }
    assert [p.name for p in out.parent.iterdir() if "tmp" in p.name] == []
    if where == "there.yaml":
        assert yaml.safe_load(out.read_text())["datasets"]["people"]["path"] == "people.csv"
        done = cli("run", out, "--runs", folder.runs, "--json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["name"] == "small-advised"


def test_aliases_of_a_file_are_written_out(odd, tmp_path):
    settings = configs.read(odd[0].config)
    settings["datasets"]["more"] = settings["datasets"]["posts"]  # as `more: *posts` is read
    settings["tasks"]["level"]["labels"]["more"] = "mood"
    found = found_of(odd)
    made, then = made_of(odd, dataclasses.replace(found, pooling={}), settings, out=tmp_path)
    assert {n: then["datasets"][n]["path"] for n in ("posts", "more")} == dict.fromkeys(
        ("posts", "more"), str((odd[0].path / "posts.csv").resolve())
    )
    assert "&id" not in made.text and "*id" not in made.text


def test_an_existing_file_is_left_alone_and_nothing_is_read(folder, cli, monkeypatch):
    monkeypatch.setattr("jointset.relating.relate", lambda *_, **__: pytest.fail("measured"))
    out = folder.write().path / "there.yaml"
    out.write_text("mine", encoding="utf-8")
    for path in (out, folder.config, folder.path):
        done = cli("relate", folder.config, "--write", path)
        assert done.code == 2 and done.err.count("\n") == 1 and "exists already" in done.err
    assert out.read_text() == "mine"


def test_a_folder_that_takes_no_file_is_told_before_anything_is_measured(folder, cli, monkeypatch):
    monkeypatch.setattr("jointset.relating.relate", lambda *_, **__: pytest.fail("measured"))
    done = cli("relate", folder.write().config, "--write", folder.config / "new.yaml")  # below a file
    assert done.code == 2 and done.err.count("\n") == 1 and "takes no files" in done.err


def test_what_a_model_reads_stays_the_same_when_tasks_go(odd):
    """A column of labels that is no label any more would be an input of ``tabular: "*"``: of a copy, the answer."""
    folder = odd[0]
    settings = configs.read(folder.config)
    settings["datasets"]["people"]["inputs"] = {"text": "note", "tabular": "*"}
    starred = folder.path / "starred.yaml"
    starred.write_text(yaml.safe_dump(settings))
    work = prepare(configs.load(starred), folder.path / "data")
    before = {d.name: d.inputs for d in work.pool.datasets}
    assert not {"risk", "again", "coin"} & set(before["people"]["tabular"])
    for targets in ((), ("risky",), ("again",)):
        found = relate(work, measures=["association"], targets=list(targets))
        text = advised(settings, work, found, targets=targets, origin=folder.path, folder=folder.path).text
        out = folder.path / "then.yaml"
        out.write_text(text)
        then = configs.load(out)
        assert len(then.tasks) < len(work.tasks) and set(targets) <= set(then.tasks)
        assert {d.name: d.inputs for d in prepare(then, folder.path / "data").pool.datasets} == before


def test_a_target_stays_where_it_is_the_copy_and_two_targets_stay_both(odd):
    found = found_of(odd, targets=["again"])
    bare = {n: dataclasses.replace(c, chosen=()) for n, c in found.choices.items()}
    _, then = made_of(odd, dataclasses.replace(found, choices=bare), targets=["again"])
    assert "again" in then["tasks"] and "risky" not in then["tasks"]
    both = found_of(odd, targets=["again", "risky"])
    bare = {n: dataclasses.replace(c, chosen=()) for n, c in both.choices.items()}
    made, then = made_of(odd, dataclasses.replace(both, choices=bare), targets=["again", "risky"])
    assert {"again", "risky"} <= set(then["tasks"]) and "both are targets" in flat(made)


def test_names_with_line_breaks_are_written_on_one_line(tmp_path, make_folder, cli):
    folder = make_folder(tmp_path).with_people(300)
    folder.frames["people"]["lab el\n(ja/nein)"] = folder.frames["people"]["risk"]
    folder.settings["tasks"]["again"] = {"kind": "binary", "labels": {"people": "lab el\n(ja/nein)"}}
    out = tmp_path / "new.yaml"
    done = cli("relate", folder.write().config, "--measure", "association", "--write", out)
    assert done.code == 0, done.err
    assert "again" not in configs.load(out).tasks
    assert yaml.safe_load(one_line({"a\nb": ["c\r\nd\u2028", "e"]})) == {"a\nb": ["c\r\nd\u2028", "e"]}
    assert len(one_line({"a\nb": ["c\r\nd\u2028", "e\n"]}).splitlines()) == 1


def test_every_task_that_says_more_than_chance_is_an_auxiliary(tmp_path, make_folder):
    folder = make_folder(tmp_path).with_people(900)
    people, rng = folder.frames["people"], np.random.default_rng(0)
    for i in range(5):
        turned = np.where(rng.random(len(people)) < 0.1, 1 - people["risk"], people["risk"])
        people[f"like{i}"] = np.where(pd.isna(turned), None, np.where(turned == 1, "x", "y"))
        folder.settings["tasks"][f"like{i}"] = {"kind": "binary", "labels": {"people": f"like{i}"}}
    work = prepare(configs.load(folder.write().config), tmp_path / "data")
    found = relate(work, measures=["association"], targets=["risky"])
    assert {f"like{i}" for i in range(5)} <= set(found.choices["risky"].chosen)
