"""Bad input through the real command: one clear line on stderr, exit code 2, nothing half-written."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

COMMAND = str(Path(sys.executable).parent / "jointset")


def one_line(done, *parts):
    """The mistake is the last line, the only one that is an error, and holds every part."""
    assert done.code == 2, (done.code, done.err)
    assert done.out == ""
    assert "Traceback" not in done.err
    lines = done.err.strip().splitlines()
    assert lines[-1].startswith("error: "), done.err
    assert sum(line.startswith("error: ") for line in lines) == 1
    for part in parts:
        assert part in lines[-1], (part, lines[-1])


def people(folder):
    return folder.frames["people"]


def raw(name, content):
    """Write a file as bytes after the others."""

    def bend(folder):
        folder.after.append((name, content))

    return bend


def task(name, **changes):
    def bend(folder):
        folder.settings["tasks"][name].update(changes)

    return bend


def column(name, values):
    def bend(folder):
        frame = people(folder)
        frame[name] = values(frame) if callable(values) else values

    return bend


def dataset(**changes):
    def bend(folder):
        folder.settings["datasets"]["people"].update(changes)

    return bend


def both(*bends):
    def bend(folder):
        for one in bends:
            one(folder)

    return bend


def images(bad):
    """A column of picture files, the first ``bad`` of which are no pictures."""

    def bend(folder):
        from PIL import Image

        frame = people(folder)
        frame["picture"] = [f"{i}.png" for i in range(len(frame))]
        for i in range(len(frame)):
            path = folder.path / f"{i}.png"
            if i < bad:
                path.write_bytes(b"no picture")
            else:
                Image.fromarray(np.full((8, 8), i % 251, np.uint8)).save(path)
        folder.settings["datasets"]["people"]["inputs"] = {"image": "picture"}

    return bend


def sounds(bad, wav):
    """A column of sound files, the first ``bad`` of which are no sounds."""

    def bend(folder):
        frame = people(folder)
        frame["sound"] = [f"{i}.wav" for i in range(len(frame))]
        for i in range(len(frame)):
            clip = wav(np.linspace(-1, 1, 80) * i / len(frame))
            (folder.path / f"{i}.wav").write_bytes(b"no sound" if i < bad else clip)
        folder.settings["datasets"]["people"]["inputs"] = {"audio": "sound"}

    return bend


def setting(key, value):
    def bend(folder):
        node = folder.settings
        *parents, last = key.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value

    return bend


MISTAKES = {
    "a missing file": (dataset(path="poeple.csv"), ["no file poeple.csv", "did you mean 'people.csv'?"]),
    "a missing folder": (dataset(path="data/people.csv"), ["no folder", "people.csv"]),
    "a missing label column": (
        task("risky", labels={"people": "risks"}),
        ["'risks'", "did you mean 'risk'?"],
    ),
    "a label column with a space": (
        lambda f: f.frames.update(people=people(f).rename(columns={"risk": "risk "})),
        ["'risk'", "did you mean 'risk ', with a trailing space?"],
    ),
    "a missing input column": (dataset(inputs={"text": "notes"}), ["no text input column 'notes'", "'note'"]),
    "a missing id column": (dataset(id="ids"), ["no id column 'ids'", "did you mean 'id'?"]),
    "a missing split column": (dataset(split="spilt"), ["no split column 'spilt'", "did you mean 'split'?"]),
    "a missing group column": (dataset(group="grp"), ["no group column 'grp'"]),
    "a file that is not UTF-8": (
        raw("posts.csv", b"body,mood\ngood,low\nbad,mid\ncaf\xe9,high\n"),
        ["posts.csv is not UTF-8", "byte 0xe9 at offset 30, line 4"],
    ),
    "a ragged file": (
        raw("posts.csv", b"body,mood\ngood,low\nbad\nfine,mid\n"),
        ["posts.csv line 3: expected 2 fields, found 1"],
    ),
    "an empty file": (raw("posts.csv", b""), ["posts.csv is empty"]),
    "a header without rows": (raw("posts.csv", b"body,mood\n"), ["posts.csv has no rows"]),
    "no Parquet": (
        both(raw("people.parquet", b"PAR1 but no more"), dataset(path="people.parquet")),
        ["people.parquet cannot be read as Parquet"],
    ),
    "an unknown extension": (
        both(raw("people.cvs", b"a"), dataset(path="people.cvs")),
        ["unknown extension '.cvs' of people.cvs", "did you mean '.csv'?"],
    ),
    "an unknown key": (setting("improve.precison", 0.9), ["unknown key improve.precison", "'precision'"]),
    "an unknown kind": (task("risky", kind="bin"), ["tasks.risky.kind", "found 'bin'"]),
    "an unknown encoder": (
        setting("model.text.encoder", "bagg"),
        ["model.text.encoder: 'bagg' is unknown", "'bag'"],
    ),
    "an unknown option": (setting("model.tabular.hiden", 3), ["model.tabular", "hiden", "hidden"]),
    "an unknown loss": (
        task("risky", loss="focall"),
        ["tasks.risky.loss: 'focall' is unknown", "did you mean 'focal'?", "one of cross_entropy"],
    ),
    "a loss of another kind": (
        task("price", loss={"name": "ldam"}),
        ["tasks.price.loss: ldam does not fit a task of kind regression", "squared, huber"],
    ),
    "an unknown option of a loss": (
        task("level", loss={"name": "focal", "gama": 2}),
        ["tasks.level.loss: focal has no option 'gama'", "did you mean 'gamma'?"],
    ),
    "two ways to weigh classes": (
        task("risky", loss="focal", class_weights="balanced"),
        ["tasks.risky", "class_weights and loss are both set"],
    ),
    "sampling of numbers": (
        task("price", sampling="over"),
        ["tasks.price.sampling: over draws classes, and a regression has none"],
    ),
    "an unknown way to sample": (
        task("risky", sampling="more"),
        ["tasks.risky.sampling.mode", "found 'more'"],
    ),
    "an unknown metric": (task("risky", metric="acuracy"), ["acuracy", "did you mean 'accuracy'?"]),
    "a metric of another kind": (task("price", metric="accuracy"), ["price", "accuracy", "r2"]),
    "a task without labels": (column("risk", None), ["task 'risky': no label in people"]),
    "a single class": (column("risk", 1), ["task 'risky': a single class, {'1'}, in 240 labels"]),
    "a class with one row": (
        column("grade", lambda f: ["rare", *f.grade[1:]]),
        ["task 'level': class 'rare' has one row"],
    ),
    "labels that differ in case": (
        column("grade", lambda f: f.grade.where(f.index % 2 == 0, f.grade.str.upper())),
        ["task 'level': classes differ only in case or spaces", "'MID'", "'mid'"],
    ),
    "labels that differ in spaces": (
        column("grade", lambda f: f.grade.where(f.index % 2 == 0, f.grade + " ")),
        ["classes differ only in case or spaces", "'mid '"],
    ),
    "maps that clash": (
        task(
            "level", map={"people": {"low": "l", "mid": "m", "high": "h"}, "posts": {"low": "h", "mid": "m"}}
        ),
        ["maps clash, value 'low' becomes people: 'l', posts: 'h'"],
    ),
    "a label type that differs": (
        column("grade", lambda f: f.grade.map({"low": 1, "mid": 2, "high": 3})),
        ["label types differ (numbers in 'people', text in 'posts')"],
    ),
    "an ambiguous -1": (
        column("risk", lambda f: f.risk.fillna(-1).astype(int)),
        ["labels are -1, which may mean missing or a class", "tasks.risky.missing: -1"],
    ),
    "numbers given as classes": (
        both(
            lambda f: f.frames.update(
                people=pd.concat([people(f)] * 21, ignore_index=True).assign(id=range(5040))
            ),
            lambda f: people(f).insert(0, "score", np.where(np.arange(5040) < 4812, np.arange(5040), 0) / 7),
            task("risky", kind="multiclass", labels={"people": "score"}),
        ),
        ["4,812 distinct numbers in 5,040 labels", "kind: regression"],
    ),
    "words given as numbers": (task("price", labels={"people": "split"}), ["is no number", "multiclass"]),
    "infinite labels": (
        column("amount", lambda f: f.amount.where(f.index != 3, np.inf)),
        ["1 infinite labels, first in row 4"],
    ),
    "infinite inputs": (
        column("age", lambda f: f.age.where(f.index % 100 != 3, -np.inf)),
        ["tabular input 'age' has 3 infinite values (first in row 3)"],
    ),
    "empty inputs": (column("note", None), ["text input 'note' is empty in every row"]),
    "duplicate ids": (
        column("id", lambda f: np.where(f.index < 3, "x", f.id)),
        ["'id' repeats", "2 rows", "'x'"],
    ),
    "missing ids": (
        column("id", lambda f: f.id.where(f.index != 2)),
        ["'id' has 1 empty values (first in row 2)"],
    ),
    "an unknown split": (
        column("split", lambda f: f.split.where(f.index != 5, "trian")),
        ["split column 'split' holds 'trian'"],
    ),
    "no training rows": (column("split", "test"), ["0 labels in the training split"]),
    "an unknown truth value": (
        both(column("sure", "maybe"), dataset(trusted="sure")),
        ["trusted column 'sure' holds 'maybe'", "true or false"],
    ),
    "too few rows for the folds": (
        both(
            setting("training.folds", 100),
            lambda f: f.frames.update(people=people(f).tail(100), posts=f.frames["posts"].head(20)),
        ),
        ["cannot fill 100 folds", "lower training.folds to"],
    ),
    "one group": (
        both(
            column("team", "a"),
            dataset(group="team", split={"holdout": 0.1}),
            setting("tasks.level.labels", {"people": "grade"}),
            lambda f: f.settings["datasets"].pop("posts"),
        ),
        ["folds: all rows to train on share a group or their inputs"],
    ),
    "unreadable images": (
        images(7),
        ["7 of 240 images cannot be read", "'0.png'", "at most 1%", "max_unreadable"],
    ),
    "sounds that are not there": (
        both(column("sound", "gone.wav"), dataset(inputs={"audio": "sound"})),
        ["names 240 files that do not exist (first 'gone.wav' in row 0"],
    ),
    "images that are not there": (
        both(column("picture", "gone.png"), dataset(inputs={"image": "picture"})),
        ["names 240 files that do not exist (first 'gone.png' in row 0"],
    ),
    "a column of the export's name": (column("risky__weight", 1), ["'risky__weight'", "export", "rename"]),
    "a label that is an input": (
        dataset(inputs={"tabular": ["age", "risk"]}),
        ["both a label and a tabular input"],
    ),
    "a rate that explodes": (setting("training.learning_rate", 10), ["training.learning_rate", "found 10"]),
}


@pytest.fixture
def bent(folder):
    """Write the folder with a mistake in it."""

    def make(bend):
        folder.after = []
        bend(folder)
        folder.write()
        for name, content in folder.after:
            (folder.path / name).write_bytes(content)
        return folder

    return make


@pytest.mark.parametrize("name", list(MISTAKES))
def test_a_mistake_in_the_data_is_one_line(bent, cli, name):
    bend, parts = MISTAKES[name]
    folder = bent(bend)
    before = sorted(folder.path.rglob("*"))
    one_line(cli("run", folder.config, "--runs", folder.runs), *parts)
    assert sorted(folder.path.rglob("*")) == before


@pytest.mark.parametrize(
    "name",
    ["a missing file", "a task without labels", "an unknown key", "an unknown encoder", "unreadable images"],
)
def test_check_finds_it_before_the_run(bent, cli, name):
    bend, parts = MISTAKES[name]
    folder = bent(bend)
    one_line(cli("check", folder.config), *parts)


def test_unreadable_sounds_are_named(bent, cli, wav):
    folder = bent(sounds(7, wav))
    parts = ["7 of 240 sounds cannot be read", "'0.wav'", "at most 1%", "model.audio.max_unreadable"]
    one_line(cli("run", folder.config, "--runs", folder.runs), *parts)


def test_mending_the_mistake_is_all_it_takes(folder, cli):
    folder.settings["tasks"]["risky"]["labels"] = {"people": "risks"}
    folder.write()
    one_line(cli("run", folder.config, "--runs", folder.runs), "did you mean 'risk'?")
    folder.settings["tasks"]["risky"]["labels"] = {"people": "risk"}
    folder.write()
    assert cli("run", folder.config, "--runs", folder.runs).code in (0, 1)


def test_a_missing_configuration_names_the_nearest(folder, cli):
    folder.write()
    one_line(
        cli("run", folder.path / "jointest.yaml"), "no such configuration", "did you mean 'jointset.yaml'?"
    )


def test_a_wrong_override_names_the_key(folder, cli):
    folder.write()
    one_line(cli("run", folder.config, "--set", "improve.round=1"), "did you mean 'rounds'?")
    one_line(cli("run", folder.config, "--set", "improve.rounds"), "expected KEY=VALUE")


def test_a_runs_folder_that_cannot_be_made_is_one_line(folder, cli):
    folder.write()
    one_line(cli("run", folder.config, "--runs", folder.config), "cannot be made", "--runs")


@pytest.mark.parametrize("command", ["status", "diff", "undo", "evaluate", "export"])
def test_a_directory_that_is_no_run_is_one_line(tmp_path, cli, command):
    one_line(
        cli(command, tmp_path, *(["--all"] if command == "undo" else [])),
        "not a run directory",
        "jointset run",
    )
    one_line(
        cli(command, tmp_path / "nowhere", *(["--all"] if command == "undo" else [])), "not a run directory"
    )


def test_undo_needs_a_selector(finished, cli):
    one_line(cli("undo", finished.path), "say which edits", "--all")


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["undo", "--task", "levl"], "did you mean 'level'?"),
        (["undo", "--dataset", "peple"], "did you mean 'people'?"),
        (["undo", "--action", "relable"], "did you mean 'relabel'?"),
        (["diff", "--task", "levl"], "did you mean 'level'?"),
        (["diff", "--action", "fil"], "did you mean 'fill'?"),
        (["export", "--format", "parket"], "known: parquet"),
    ],
)
def test_a_selector_that_names_nothing_is_one_line(finished, cli, tmp_path, args, part):
    out = ["--out", tmp_path / "out"] if args[0] == "export" else []
    one_line(cli(args[0], finished.path, *args[1:], *out), part)
    assert not (tmp_path / "out").exists()


def test_predictions_need_a_known_format_and_the_inputs(finished, cli, tmp_path):
    file = tmp_path / "new.csv"
    file.write_text("boddy\nloud\n", encoding="utf-8")
    one_line(cli("predict", finished.path, file, "--out", tmp_path / "p.txt"), ".parquet, .csv, .jsonl")
    one_line(cli("predict", finished.path, file, "--out", tmp_path / "p.csv"), "is missing")
    one_line(
        cli("predict", finished.path, file, "--dataset", "posts", "--out", tmp_path / "p.csv"),
        "did you mean 'boddy'?",
    )
    one_line(
        cli("predict", finished.path, tmp_path / "mew.csv", "--out", tmp_path / "p.csv"),
        "did you mean 'new.csv'?",
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new.csv"]


def test_an_evaluation_needs_labels(finished, cli, tmp_path):
    file = tmp_path / "new.csv"
    file.write_text("body\nloud\n", encoding="utf-8")
    one_line(cli("evaluate", finished.path, file), "no label column", "mood")


def test_init_leaves_an_existing_file_alone(tmp_path, cli, folder):
    folder.write()
    before = folder.config.read_bytes()
    one_line(cli("init", folder.path / "people.csv", "--out", folder.config), "exists already", "--out")
    assert folder.config.read_bytes() == before


def test_the_demo_stays_out_of_a_folder_that_is_not_its_own(tmp_path, cli):
    (tmp_path / "mine.txt").write_text("x", encoding="utf-8")
    one_line(cli("demo", tmp_path), "not empty and holds no demo")


@pytest.mark.parametrize("args", [["rum"], ["run", "--sett", "a=1"], ["undo"], ["demo", "--seed", "x"]])
def test_a_wrong_call_exits_with_2(cli, args):
    done = cli(*args)
    assert done.code == 2
    assert "Traceback" not in done.err


# A run that has begun


@pytest.fixture
def begun(folder, cli):
    """A run that was interrupted after its first training."""
    from jointset import stages

    folder.write()
    whole, stages.cross_fitted = stages.cross_fitted, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    try:
        done = cli("run", folder.config, "--runs", folder.runs)
    finally:
        stages.cross_fitted = whole
    assert done.code == 130
    assert "repeat the command" in done.err
    return folder


def test_a_changed_configuration_is_refused_until_a_new_run_is_asked_for(begun, cli):
    begun.settings["improve"]["precision"] = 0.95
    begun.write()
    one_line(cli("run", begun.config, "--runs", begun.runs), "improve.precision differs", "--new-run")
    assert cli("run", begun.config, "--runs", begun.runs, "--new-run").code in (0, 1)
    assert sorted(p.name for p in begun.runs.iterdir()) == ["small", "small-2"]


def test_changed_data_are_refused_until_a_new_run_is_asked_for(begun, cli):
    begun.frames["people"].loc[100, "age"] = 99
    begun.write()
    one_line(
        cli("run", begun.config, "--runs", begun.runs), "the data changed", "datasets.people", "--new-run"
    )
    assert (begun.runs / "small" / "data.lock").is_file()
    assert cli("run", begun.config, "--runs", begun.runs, "--new-run").code in (0, 1)


def test_an_interrupted_run_says_where_it_stands_and_goes_on(begun, cli, finished, fingerprint):
    from jointset.project import Run

    done = cli("status", begun.runs / "small")
    assert (done.code, done.err) == (0, "")
    assert "not finished, 0 rounds done" in done.out
    one_line(
        cli("predict", begun.runs / "small", begun.path / "posts.csv", "--out", begun.path / "p.csv"),
        "no model here",
    )
    assert cli("run", begun.config, "--runs", begun.runs).code in (0, 1)
    assert fingerprint(Run(begun.runs / "small")) == fingerprint(finished)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("jointset.training.checkpoint", "save"),
        ("jointset.stages", "save_arrays"),
        ("jointset.rundir", "write_text"),
        ("jointset.data.storage", "pq.write_table"),
        ("jointset.ledger", "Ledger.record_round"),
        ("jointset.summary", "shutil.copyfile"),
    ],
)
def test_a_full_disk_leaves_a_run_that_goes_on(folder, cli, monkeypatch, finished, fingerprint, module, name):
    from jointset.project import Run

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder.write()
    with monkeypatch.context() as patched:
        patched.setattr(f"{module}.{name}", full)
        one_line(cli("run", folder.config, "--runs", folder.runs), "space", "repeat")
    assert not list(folder.runs.rglob("*.tmp"))
    assert cli("run", folder.config, "--runs", folder.runs).code in (0, 1)
    assert fingerprint(Run(folder.runs / "small")) == fingerprint(finished)


def test_two_processes_do_not_work_on_one_run(begun, cli):
    from jointset import rundir

    with rundir.locked(rundir.RunDirectory(begun.runs / "small")):
        one_line(
            cli("run", begun.config, "--runs", begun.runs),
            "another process is working on this run",
            "--new-run",
        )


# The command itself


def call(*args, cwd):
    return subprocess.run([COMMAND, *map(str, args)], cwd=cwd, capture_output=True, text=True, check=False)


def test_the_installed_command_prints_one_line(folder):
    folder.write()
    done = call("run", "nothing.yaml", cwd=folder.path)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: nothing\.yaml: no such configuration.*; make one with: .*\n", done.stderr)
    folder.settings["tasks"]["risky"]["labels"] = {"people": "riks"}
    folder.write()
    done = call("run", cwd=folder.path)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "did you mean 'risk'?" in done.stderr
    assert not (folder.path / "runs").exists()


WRONG = [
    (("run", "--foo"), "No such option: --foo; see jointset run --help"),
    (("rum",), "No such command 'rum'. Did you mean 'run'? See jointset --help"),
    (("relate", "a.yaml", "--rows", "x"), "Invalid value for '--rows'", "see jointset relate --help"),
    (("diff", "runs/a", "--limit", "-1"), "Invalid value for '--limit'"),
    (("predict",), "Missing argument 'path'"),
]


@pytest.mark.parametrize(("asked", "parts"), [(w[0], w[1:]) for w in WRONG], ids=lambda w: str(w[0]))
def test_a_wrong_call_is_one_line_as_well(cli, asked, parts):
    done = cli(*asked)
    one_line(done, *parts)
    assert len(done.err.splitlines()) == 1


def test_nothing_asked_for_is_answered_with_the_help(cli):
    done = cli()
    assert done.code == 2 and "Usage: jointset" in done.out + done.err and "error:" not in done.err


def test_ctrl_c_leaves_a_run_that_goes_on(folder):
    folder.settings["training"] |= {"epochs": 2000, "patience": 2000}
    folder.write()
    process = subprocess.Popen(
        [COMMAND, "run"],
        cwd=folder.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.default_int_handler
        ),  # a background job ignores it
    )
    metrics = folder.runs / "small" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (
        metrics.is_file() and '"epoch"' in metrics.read_text(encoding="utf-8")
    ):
        time.sleep(0.05)
    out, err = "", ""
    for _ in range(8):  # Python loses an interrupt that falls into a destructor; a person would press again
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=15)
            break
        except subprocess.TimeoutExpired:
            continue
    assert process.returncode == 130
    assert out == ""
    assert err.strip().splitlines()[-1] == "interrupted; repeat the command to go on where it stopped"
    assert "Traceback" not in err
    assert not list(folder.runs.rglob("*.tmp"))
    done = call("run", "--set", "training.epochs=2", "--set", "improve.rounds=0", "--json", cwd=folder.path)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["rounds"] == 0


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("model.sharing={method: mmoe, experts: 0}", "model.sharing.experts"),
        ("model.sharing=lora", "low-rank updates need a pretrained backbone"),
        ("model.text={encoder: bagg}", "bagg"),
        (
            "training.weighting={method: fixed, weights: {level: -1}}",
            "a task's weight is a number, at least 0",
        ),
        (
            "augment={tasks: {price: {smote: smote}}}",
            "augment: tasks.price.smote: regression has no rare classes",
        ),
        ("augment={tasks: {level: {smote: decoded}}}", "decoded makes rows of tabular or image inputs alone"),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_method_that_cannot_be_is_told_by_check_too(folder, cli, command, setting, part):
    folder.write()
    more = ["--no-estimate"] if command == "check" else ["--runs", folder.runs]
    one_line(cli(command, folder.config, "--set", setting, *more), part)
    assert not folder.runs.exists()


def test_a_round_that_was_not_is_told(folder, cli):
    folder.settings["training"] |= {"epochs": 2}
    folder.settings["improve"] |= {"rounds": 1}
    folder.write()
    assert cli("run", folder.config, "--runs", folder.runs).code == 0
    run = next(folder.runs.iterdir())
    one_line(cli("undo", run, "--round", 7), "there is no round 7; the run has 1")
    one_line(cli("diff", run, "--from", 3), "there is no round 3; the run has 1")
    one_line(cli("diff", run, "--to", 2), "there is no round 2; the run has 1")
