"""The documentation: examples run, commands exist, configurations can be read, links lead somewhere."""

import doctest
import os
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
TUTORIALS = ["getting-started.md"]
ON_A_RUN = ["exchange.md"]  # test_exchange.py runs it
GUIDES = sorted(
    str(p.relative_to(DOCS))
    for p in DOCS.rglob("*.md")
    if ">>> " in p.read_text(encoding="utf-8")
    and p.name not in [*TUTORIALS, *ON_A_RUN, "getting-started.zh.md"]
)
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "README.zh.md"])


def text_of(page: str | Path) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def blocks(page: str | Path, language: str) -> list[str]:
    return [body for name, body in BLOCK.findall(text_of(page)) if name == language]


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


def run_examples(source: str, names: dict, page: str) -> int:
    """Run ``>>>`` examples in a namespace that they share; returns how many there were."""
    test = doctest.DocTestParser().get_doctest(source, names, page, str(DOCS / page), 0)
    test.globs = names  # not a copy: the next block goes on with it
    told: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=told.append, clear_globs=False)
    assert not told, "\n".join(told)
    return len(test.examples)


def test_the_guides_are_found():
    assert {"audit.md", "weighting.md", "data-problems.md", "coming-from.md"} <= set(GUIDES)


@pytest.mark.parametrize("guide", GUIDES)
def test_every_example_of_a_guide_runs(guide, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_examples(examples(text_of(guide)), {}, guide) > 1


def plain(text: str) -> str:
    """The text with every figure as ``#``: figures may differ between machines, words may not."""
    return re.sub(r"[+-]?\d[\d,.]*\d|\d", "#", text)


def commands(console: str) -> list[tuple[list[str], str]]:
    """The commands of a console block, each with what it is to print."""
    found = []
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        found.append((shlex.split(command), output))
    return found


@pytest.mark.parametrize("tutorial", TUTORIALS)
def test_a_tutorial_does_what_it_says(tutorial, tmp_path, monkeypatch, cli):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    same = doctest.OutputChecker().check_output
    for language, body in BLOCK.findall(text_of(tutorial)):
        if language == "python" and ">>> " in body:
            run_examples(body, names, tutorial)
        elif language == "python":
            exec(body, names)
        elif language == "console":
            for (program, *arguments), expected in commands(body):
                assert program == "jointset"
                done = cli(*arguments)
                assert done.code == 0, done.err
                shown = plain(done.err + done.out)
                assert same(plain(expected), shown, FLAGS), f"{arguments}\n{done.err}{done.out}"


def test_the_recorded_session_begins_as_recorded(tmp_path, monkeypatch, cli):
    """The files of the first session, from the real set; of its commands those that train nothing."""
    file = Path(os.environ.get("JOINTSET_DATA", ROOT.parent / "shared" / "data")) / "adult" / "adult.parquet"
    if not file.is_file():
        pytest.skip(f"no real data in {file.parent}; JOINTSET_DATA names another folder")
    monkeypatch.chdir(tmp_path)
    unused = ["split", "fnlwgt", "education_num", "relationship"]
    rows = pd.read_parquet(file).drop(columns=unused).sample(6000, random_state=0)
    rows.iloc[:3000].drop(columns="marital_status").to_csv("east.csv", index=False)
    rows.iloc[3000:].drop(columns="income").to_csv("west.csv", index=False)
    recorded = commands(blocks("five-minutes.md", "console")[0])
    assert [c for c, _ in recorded] == [shlex.split("jointset init east.csv west.csv"), ["jointset", "check"]]
    for (_, *arguments), expected in recorded:
        out = cli(*arguments).out
        assert doctest.OutputChecker().check_output(plain(expected), plain(out), FLAGS), out


@pytest.mark.parametrize("page", [p for p in PAGES if "```yaml" in p.read_text(encoding="utf-8")], ids=str)
def test_every_configuration_can_be_read(page):
    """Whole configurations as they are; parts on top of the least that there can be."""
    from jointset import config

    for body in blocks(page, "yaml"):
        for part in yaml_parts(body):
            data = yaml.safe_load(part)
            if not isinstance(data, dict) or not set(data) <= set(config.Config.model_fields):
                raise AssertionError(f"{page}: no part of a configuration: {part}")
            config.parse(completed(data), str(page))


def yaml_parts(body: str) -> list[str]:
    """A block that says one key again shows alternatives, a line each."""
    keys = re.findall(r"^(\w+):", body, re.MULTILINE)
    return [body] if len(keys) == len(set(keys)) else body.strip().splitlines()


def completed(data: dict) -> dict:
    """With the datasets that its tasks name, and the tasks that the rest names."""
    data = {**data}
    every = {"tabular": "a", "text": "b", "image": "c", "audio": "d"}
    tasks = dict(data.get("tasks") or {"stars": {}, "mood": {}})
    for name in (data.get("augment") or {}).get("tasks", {}) if isinstance(data.get("augment"), dict) else ():
        tasks.setdefault(name, {})
    data["tasks"] = {n: {"kind": "multiclass", "labels": {"d": n}, **(t or {})} for n, t in tasks.items()}
    named = {d for t in data["tasks"].values() for d in t["labels"]}
    datasets = dict(data.get("datasets") or {})
    for name in named - set(datasets):
        datasets[name] = {}
    data["datasets"] = {n: {"path": "d.csv", "inputs": every, **(d or {})} for n, d in datasets.items()}
    return data


def lines_of_commands(page: str | Path) -> list[str]:
    found = []
    for language, body in BLOCK.findall(text_of(page)):
        if language in ("", "console", "sh"):
            for line in body.splitlines():
                line = line.removeprefix("$ ")
                if line.startswith("jointset "):
                    found += [part.strip() for part in re.sub(r"\s{2,}#.*$", "", line).split(" · ")]
    return found


@pytest.mark.parametrize("page", [p for p in PAGES if "jointset " in p.read_text(encoding="utf-8")], ids=str)
def test_every_command_and_option_exists(page):
    import typer

    from jointset.cli.main import app

    known = typer.main.get_command(app).commands
    for line in lines_of_commands(page):
        _, command, *rest = shlex.split(line)
        if command.startswith("--") or command.isupper():
            continue
        assert command in known, line
        options = {o for p in known[command].params for o in [*p.opts, *p.secondary_opts]} | {"--help"}
        assert {r for r in rest if r.startswith("--")} <= options, line


@pytest.mark.parametrize(
    ("english", "chinese"),
    [("README.md", "README.zh.md"), ("docs/getting-started.md", "docs/getting-started.zh.md")],
)
def test_the_chinese_pages_have_the_same_commands(english, chinese):
    def code(page: str) -> list[str]:
        text = (ROOT / page).read_text(encoding="utf-8")
        kept = []
        for language, body in BLOCK.findall(text):
            if language == "console":
                kept += [" ".join(command) for command, _ in commands(body)]
            elif language in ("python", "yaml", ""):
                kept += [re.sub(r"\s*#.*$", "", line) for line in body.splitlines()]
        return [line for line in kept if line]

    assert code(chinese) == code(english)
