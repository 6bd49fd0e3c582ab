"""The configuration: what is taken, and what each mistake says."""

import copy
import math

import pytest
import yaml

from jointset import config as configs
from jointset.errors import ConfigError
from jointset.records import name_of

SMALL = {
    "name": "demo",
    "datasets": {"a": {"path": "a.csv", "inputs": {"text": "body"}}},
    "tasks": {"stars": {"kind": "multiclass", "labels": {"a": "stars"}}},
}


def bent(key, value):
    """The small configuration with one dotted key set, or taken out."""
    settings = copy.deepcopy(SMALL)
    node = settings
    *parents, last = key.split(".")
    for parent in parents:
        node = node.setdefault(parent, {})
    if value is None:
        node.pop(last)
    else:
        node[last] = value
    return settings


def mistake(settings):
    with pytest.raises(ConfigError) as caught:
        configs.parse(settings, "here")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("here: ")
    return message


@pytest.mark.parametrize(
    ("key", "value", "parts"),
    [
        ("improve.round", 3, ["unknown key improve.round", "did you mean 'rounds'?", "known here: rounds, "]),
        ("trainign", {}, ["unknown key trainign", "did you mean 'training'?"]),
        ("tasks.stars.lables", {}, ["unknown key tasks.stars.lables", "'labels'"]),
        ("datasets.a.imputs", {}, ["unknown key datasets.a.imputs", "'inputs'"]),
        ("datasets.a.split.holdot", 0.1, ["unknown key datasets.a.split.holdot", "'holdout'"]),
        ("datasets.a.inputs", None, ["datasets.a.inputs is missing"]),
        ("datasets.a.inputs", {}, ["datasets.a.inputs", "at least one input"]),
        (
            "datasets.a.inputs",
            {"video": "v"},
            ["datasets.a.inputs.video", "'tabular', 'text', 'image' or 'audio'"],
        ),
        ("tasks.stars.kind", "multi", ["tasks.stars.kind", "'multiclass'", "found 'multi'"]),
        ("tasks.stars.labels", {"b": "stars"}, ["tasks.stars.labels.b", "no dataset has this name"]),
        ("tasks.stars.map", {"aa": {1: "x"}}, ["tasks.stars.map.aa", "did you mean 'a'?"]),
        ("tasks.stars.labels", {}, ["tasks.stars.labels", "at least one dataset"]),
        ("tasks.stars.loss", {"gamma": 2}, ["tasks.stars.loss.name is missing"]),
        ("tasks.stars.sampling", "more", ["tasks.stars.sampling.mode", "found 'more'"]),
        (
            "tasks.stars.sampling",
            {"mode": "over", "pwer": 1},
            ["unknown key tasks.stars.sampling.pwer", "'power'"],
        ),
        ("tasks.stars.sampling", {"mode": "over", "power": 2}, ["tasks.stars.sampling.power", "found 2"]),
        ("tasks.stars.weight", -1, ["tasks.stars.weight", "greater than or equal to 0", "found -1"]),
        ("improve.precision", 1.5, ["improve.precision", "less than or equal to 1", "found 1.5"]),
        ("improve.precision", 0, ["improve.precision", "greater than 0"]),
        ("improve.fixes", ["relable"], ["improve.fixes.0", "found 'relable'"]),
        ("improve.max_changes", -3, ["improve.max_changes", "between 0 and 1", "found -3"]),
        ("training.folds", 1, ["training.folds", "greater than or equal to 2", "found 1"]),
        (
            "training.weighting",
            "gradnrm",
            ["training.weighting: no weighting 'gradnrm' (did you mean 'gradnorm'?)"],
        ),
        ("training.weighting", 3, ["training.weighting: no weighting 3", "one of auto, equal, fixed"]),
        ("training.weighting", {"method": "cagrad", "cc": 1}, ["cagrad has no option 'cc'", "options are c"]),
        ("training.weighting", {"method": "equal", "c": 1}, ["equal has no option 'c'; it has none"]),
        ("training.epochs", "many", ["training.epochs", "integer", "found 'many'"]),
        ("seed", -1, ["seed", "found -1"]),
        ("augment.mode", "onn", ["augment.mode", "found 'onn'"]),
        ("improve.max_changes", math.nan, ["improve.max_changes", "found nan"]),
        ("improve.max_changes", math.inf, ["improve.max_changes", "found inf"]),
        ("name", "a/b", ["name", "found 'a/b'"]),
        ("tasks.x__y", {"kind": "binary", "labels": {"a": "b"}}, ["tasks.'x__y'", "no '__'"]),
        ("datasets", {}, ["datasets is empty"]),
        ("tasks", None, ["tasks is missing"]),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(key, value, parts):
    message = mistake(bent(key, value))
    for part in parts:
        assert part in message


def test_a_weight_that_nothing_would_read_is_refused():
    settings = bent("tasks.stars.weight", 0.5)
    assert configs.parse(settings).tasks["stars"].weight == 0.5
    settings["training"] = {"weighting": "uncertainty"}
    assert "tasks.stars.weight needs training.weighting: fixed" in mistake(settings)
    settings["training"] = {"weighting": "upgrad"}
    assert configs.parse(settings).training.weighting == "upgrad"
    settings["training"] = {"weighting": {"method": "upgrad", "weights": {"stars": 2.0}}}
    assert "found upgrad with weights of its own" in mistake(settings)


@pytest.mark.parametrize(
    ("given", "name", "options"),
    [
        ("nash_mtl", "nash_mtl", {}),
        ({"method": "nash_mtl"}, "nash_mtl", {}),
        ({"method": "cagrad", "c": 0.4}, "cagrad", {"c": 0.4}),
        ({"weights": {"stars": 2.0}}, "auto", {"weights": {"stars": 2.0}}),
    ],
)
def test_a_weighting_is_a_name_or_a_name_with_options(given, name, options):
    config = configs.parse(bent("training", {"weighting": given}))
    assert config.training.weighting_and_options() == (name, options)
    assert configs.parse(yaml.safe_load(configs.dump(config))) == config


def test_the_configuration_knows_every_weighting_and_its_options():
    from jointset import options
    from jointset.weighting.make import options_of
    from jointset.weighting.table import WEIGHTINGS

    table = {name: known.split() for name, known in options.WEIGHTINGS.items()}
    assert table.pop("auto") == list(options_of("fixed"))
    assert table == {name: list(options_of(name)) for name in WEIGHTINGS}


def test_settings_cannot_be_changed_afterwards():
    config = configs.parse(SMALL)
    with pytest.raises(Exception, match="frozen"):
        config.seed = 1


def test_one_value_stands_for_a_list_of_one():
    settings = bent("tasks.stars.missing", -1)
    settings["datasets"]["a"]["split"] = "fold"
    config = configs.parse(settings)
    assert config.tasks["stars"].missing == [-1]
    assert config.datasets["a"].split.column == "fold"
    assert config.datasets["a"].columns("text") == ["body"]
    assert config.datasets["a"].columns("image") == []


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "jointset.yaml"
    path.write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    return path


def test_paths_start_from_the_file(file):
    assert configs.load(file).datasets["a"].path == str(file.parent.resolve() / "a.csv")


def test_overrides_are_yaml_values_at_dotted_keys(file):
    config = configs.load(file, ["improve.rounds=5", "model.text.bits=12", "improve.fixes=[fill]", "seed=7"])
    assert (config.improve.rounds, config.seed, config.improve.fixes) == (5, 7, ["fill"])
    assert config.model.text.options() == {"bits": 12}
    for word in ("on", "off", "auto"):  # YAML reads two of them as truth values
        assert configs.load(file, [f"augment.mode={word}"]).augment.mode == word


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("improve.rounds", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("name.x=3", "name is a value, not a group of keys"),
        ("seed=[", "not valid YAML"),
        ("improve.rond=3", "did you mean 'rounds'?"),
    ],
)
def test_a_wrong_override_says_so(file, override, part):
    with pytest.raises(ConfigError, match=part.replace("?", r"\?")):
        configs.load(file, [override])


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"name: [", "line 1"),
        (b"a: b: c", "line 1, column 5 not valid YAML"),
        (b"name: \xff", "not UTF-8 at byte 6"),
        (b"- a", "found list"),
        (b"", "found NoneType"),
    ],
)
def test_a_file_that_is_no_configuration_says_where(file, content, part):
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=part):
        configs.load(file)


def test_a_missing_file_names_the_nearest(file):
    with pytest.raises(ConfigError, match=r"did you mean 'jointset\.yaml'\?"):
        configs.load(file.with_name("jointest.yaml"))


@pytest.mark.parametrize(
    "tasks",
    [
        {
            "stars": {
                "kind": "multiclass",
                "labels": {"a": "s"},
                "map": {"a": {1: "neg", 2.0: "pos", False: "yes", None: "no"}},
            }
        },
        {
            "stars": {
                "kind": "multiclass",
                "labels": {"a": "s"},
                "missing": [-1, "NA", None, 2.5, float("nan")],
            }
        },
        {"stars": {"kind": "multilabel", "labels": {"a": ["x", "y"]}, "classes": ["x", "y"]}},
        {"stars": {"kind": "binary", "labels": {"a": "s"}, "classes": [0, 1]}},
        {
            "stars": {
                "kind": "binary",
                "labels": {"a": "s"},
                "loss": {"name": "focal", "gamma": 1.5},
                "sampling": "over",
            }
        },
    ],
)
def test_what_was_written_down_reads_back_the_same(tmp_path, tasks):
    config = configs.parse({**SMALL, "tasks": tasks})
    path = tmp_path / "config.yaml"
    path.write_text(configs.dump(config), encoding="utf-8")
    back = configs.load(path)
    for field in ("loss_options", "sampling_options"):
        assert getattr(back.tasks["stars"], field)() == getattr(config.tasks["stars"], field)()
    names = {d: {name_of(k): v for k, v in m.items()} for d, m in config.tasks["stars"].map.items()}
    assert {d: {name_of(k): v for k, v in m.items()} for d, m in back.tasks["stars"].map.items()} == names
    assert list(map(name_of, back.tasks["stars"].missing)) == list(
        map(name_of, config.tasks["stars"].missing)
    )
    assert configs.dump(configs.resolve_paths(config, tmp_path)) == configs.dump(back)


def test_a_way_of_sharing_is_a_name_or_a_mapping_and_a_stage_a_name_or_a_number():
    settings = bent("model", {"sharing": {"method": "mmoe", "experts": 8}})
    settings["tasks"]["stars"] |= {"depth": 2, "auxiliary": "stage1"}
    config = configs.parse(settings)
    assert (config.model.sharing.method, config.model.sharing.options()) == ("mmoe", {"experts": 8})
    assert (config.tasks["stars"].depth, config.tasks["stars"].auxiliary) == (2, ["stage1"])
    again = configs.parse(yaml.safe_load(configs.dump(config)))
    assert again == config
    named = configs.parse(bent("model", {"sharing": "ple"})).model.sharing
    assert (named.method, named.options()) == ("ple", {})
    assert configs.parse(SMALL).model.sharing.method == "hard"


def test_training_has_the_same_defaults_with_and_without_a_configuration():
    from jointset.config import TrainingSettings
    from jointset.training.settings import TrainSettings

    plain, configured = TrainSettings(), TrainingSettings()
    assert {n: getattr(configured, n) for n in TrainSettings.__dataclass_fields__} == vars(plain)


@pytest.mark.parametrize("word", ["off", "no", "false", "'off'"])
def test_off_is_a_word_where_it_stands_under_mode_too(file, word):
    for override in (f"relatedness={word}", f"relatedness.mode={word}", f"relatedness={{mode: {word}}}"):
        assert configs.load(file, [override]).relatedness.mode == "off"
    assert configs.load(file, ["relatedness.mode=off", "relatedness.budget=3"]).relatedness.budget == 3.0
    config = configs.load(file, ["relatedness.mode=off"])
    assert configs.parse(yaml.safe_load(configs.dump(config))) == config
    with pytest.raises(ConfigError, match=r"relatedness.mode: input should be 'off', .* found True"):
        configs.load(file, ["relatedness.mode=on"])


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
@pytest.mark.parametrize(
    "key",
    [
        "relatedness.budget",
        "relatedness.margin",
        "improve.margin",
        "improve.max_seconds",
        "improve.max_changes",
        "training.mixup",
        "training.temperature",
        "model.auxiliary_weight",
        "tasks.stars.weight",
        "tasks.stars.sampling.most",
    ],
)
def test_numbers_are_finite(key, number):
    assert key in mistake(bent(key, number))
