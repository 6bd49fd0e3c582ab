"""Small real and generated datasets, fast settings, and the command line as a function."""

import copy
import io
import sys
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import settings as hypothesis_settings

hypothesis_settings.register_profile(
    "project", deadline=None, derandomize=True, database=None, max_examples=50
)
hypothesis_settings.load_profile("project")

collect_ignore_glob = ["conftest.py", "*/conftest.py"]  # doctests aside, two of one name are no trouble

FAST = {
    "model": {
        "width": 16,
        "text": {"bits": 10, "words": 2},
        "tabular": {"hidden": 16},
        "image": {"widths": [4, 8]},
        "audio": {"mels": 16, "channels": 4, "widths": [8, 8]},
    },
    "training": {"epochs": 6, "folds": 2, "batch_size": 32, "learning_rate": 0.01},
}
JOBS = np.array(["clerk", "nurse", "smith"])
VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "a",
    "good",
    "bad",
    "book",
    "so",
    "to",
    "read",
    "twice",
    ",",
]
WORDS = {"low": "calm quiet slow plain", "mid": "even usual steady common", "high": "loud wild fast rare"}


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    import torch

    import jointset.summary  # noqa: F401  it binds functions of stages that tests replace

    torch.set_num_threads(1)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(monkeypatch, capsys):
    """Call the real entry point: ``cli("run", "jointset.yaml")`` → exit code, stdout, stderr."""
    from jointset.cli.main import main

    def call(*args: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["jointset", *map(str, args)])
        # the process is that of other tests as well, and some of them look at its memory
        monkeypatch.setattr("jointset.cli.memory.keep_freed_memory", lambda: False)
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return call


def people(n: int = 240, seed: int = 0) -> pd.DataFrame:
    """Rows with numbers, categories and text; labels of all four kinds, some wrong and some missing."""
    rng = np.random.default_rng(seed)
    level = rng.integers(0, 3, n)
    age = 20 + 15 * level + rng.normal(0, 2, n)
    names = np.array(list(WORDS))[level]
    note = [" ".join(rng.choice(WORDS[w].split(), 5)) + f" {i}" for i, w in enumerate(names)]
    wrong = rng.random(n) < 0.15
    grade = np.where(wrong, np.roll(names, 1), names).astype(object)
    risk = np.where(rng.random(n) < 0.1, level != 2, level == 2).astype(int).astype(object)
    tags = np.array(
        ["; ".join(t for t, on in zip("abc", (lv < 2, lv > 0, lv > 1), strict=True) if on) for lv in level],
        object,
    )
    amount = np.where(rng.random(n) < 0.05, 500.0, 10.0 * level + rng.normal(0, 1, n)).astype(object)
    for labels in (grade, risk, tags, amount):
        labels[rng.random(n) < 0.2] = None
    split = np.array(["train"] * n, object)
    split[: n // 4] = "holdout"
    split[n // 4 : n // 4 + n // 6] = "test"
    frame = {
        "id": [f"p{i}" for i in range(n)],
        "age": age.round(2),
        "job": JOBS[level],
        "note": note,
        "split": split,
        "grade": grade,
        "risk": risk,
        "tags": tags,
        "amount": amount,
    }
    return pd.DataFrame(frame)


def posts(n: int = 120, seed: int = 1) -> pd.DataFrame:
    """Texts only, labelled for one of the tasks."""
    rng = np.random.default_rng(seed)
    level = rng.integers(0, 3, n)
    names = np.array(list(WORDS))[level]
    body = [" ".join(rng.choice(WORDS[w].split(), 6)) + f" {i}" for i, w in enumerate(names)]
    mood = np.where(rng.random(n) < 0.15, np.roll(names, 1), names).astype(object)
    mood[rng.random(n) < 0.3] = None
    return pd.DataFrame({"body": body, "mood": mood})


def settings() -> dict:
    """One configuration with four kinds of task over two datasets, one of them of two modalities."""
    return {
        "name": "small",
        "datasets": {
            "people": {
                "path": "people.csv",
                "inputs": {"tabular": ["age", "job"], "text": "note"},
                "id": "id",
                "split": "split",
            },
            "posts": {
                "path": "posts.csv",
                "inputs": {"text": "body"},
                "split": {"holdout": 0.2, "test": 0.1},
            },
        },
        "tasks": {
            "level": {
                "kind": "multiclass",
                "labels": {"people": "grade", "posts": "mood"},
            },
            "risky": {"kind": "binary", "labels": {"people": "risk"}},
            "kinds": {"kind": "multilabel", "labels": {"people": "tags"}, "separator": ";"},
            "price": {"kind": "regression", "labels": {"people": "amount"}, "unit": "EUR"},
        },
        "improve": {"rounds": 2, "precision": 0.8, "margin": 0.3},
        **copy.deepcopy(FAST),
    }


def wav_bytes(samples: np.ndarray, rate: int = 8000, width: int = 2) -> bytes:
    """A WAV file of samples in [-1, 1], ``(n,)`` or ``(n, channels)``, with ``width`` bytes a sample."""
    whole = np.round(np.clip(samples, -1, 1) * (2 ** (8 * width - 1) - 1)).astype("<i4")
    raw = whole.reshape(-1, 1).view(np.uint8)[:, :width].tobytes()
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        out.setsampwidth(width)
        out.setframerate(rate)
        out.writeframes(raw)
    return file.getvalue()


@pytest.fixture(scope="session")
def wav():
    """Make a WAV file: see :func:`wav_bytes`."""
    return wav_bytes


def tone_of(hertz: float, seconds: float = 0.2, rate: int = 8000, seed: int = 0) -> np.ndarray:
    """A tone in a little noise, ``(n,)``."""
    n = round(seconds * rate)
    noise = np.random.default_rng(seed).normal(0, 0.02, n)
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(n) / rate) + noise


@pytest.fixture(scope="session")
def tone():
    """Make a tone: see :func:`tone_of`."""
    return tone_of


class Folder:
    """A folder with data files and a configuration that a test may bend."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.frames = {"people": people(), "posts": posts()}
        self.settings = settings()

    @property
    def config(self) -> Path:
        return self.path / "jointset.yaml"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    def with_people(self, n: int) -> "Folder":
        self.frames["people"] = people(n)
        return self

    def write(self) -> "Folder":
        self.path.mkdir(parents=True, exist_ok=True)
        for name, frame in self.frames.items():
            frame.to_csv(self.path / f"{name}.csv", index=False)
        self.config.write_text(yaml.safe_dump(self.settings, sort_keys=False), encoding="utf-8")
        return self

    def execute(self, **options):
        from jointset import config
        from jointset.project import execute

        return execute(config.load(self.config), self.runs, **options)


@pytest.fixture
def folder(tmp_path) -> Folder:
    """The small configuration with its files, not yet written."""
    return Folder(tmp_path)


@pytest.fixture(scope="session")
def make_folder():
    """Makes folders of the small configuration, for runs that several tests read."""
    return Folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished run of the small configuration; read it, do not change it."""
    folder = Folder(tmp_path_factory.mktemp("finished")).write()
    return folder.execute()


@pytest.fixture(scope="session")
def hard(tmp_path_factory):
    """The same as one model of all tasks, whatever it does to them."""
    folder = Folder(tmp_path_factory.mktemp("hard"))
    folder.settings |= {"relatedness": "verdict"}
    return folder.write().execute()


@pytest.fixture(scope="session")
def balanced(tmp_path_factory):
    """A finished run whose tasks have losses and sampling of their own, and read one another's labels."""
    folder = Folder(tmp_path_factory.mktemp("balanced")).write()
    tasks = folder.settings["tasks"]
    tasks["level"]["loss"] = {"name": "logit_adjustment", "tau": 1.0}
    tasks["risky"] |= {"loss": {"name": "focal", "gamma": 1.0, "alpha": 0.75}, "sampling": "over"}
    tasks["kinds"] |= {"loss": "asymmetric", "sampling": {"mode": "under", "power": 1.0}}
    tasks["price"]["loss"] = "huber"
    folder.settings["model"]["joint_inference"] = "labels"
    folder.settings["improve"]["rounds"] = 1
    return folder.write().execute()


@pytest.fixture(scope="session")
def fingerprint():
    """The ledger's fingerprint of a run."""
    from jointset.ledger import Ledger

    def of(run):
        with Ledger(run.directory.ledger) as ledger:
            return ledger.fingerprint()

    return of


@pytest.fixture(scope="session")
def digits():
    """Real images, (1797, 8, 8) uint8, and their digits."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return np.round(found.images * (255 / 16)).astype(np.uint8), found.target


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    """The small configuration, read and prepared, with nothing trained."""
    from jointset import config
    from jointset.prepare import prepare
    from jointset.rundir import RunDirectory
    from jointset.workbench import set_up

    folder = Folder(tmp_path_factory.mktemp("bench")).write()
    work = prepare(config.load(folder.config), folder.path / "data")
    return set_up(RunDirectory(folder.path), work, lambda event: None)


@pytest.fixture(scope="session")
def problem(bench):
    """The joint training problem of the given labels."""
    from jointset.data import apply
    from jointset.records import Edits

    work = bench.work
    return bench.problem(apply(work.given, Edits.empty(), work.by_name, work.pool))


@pytest.fixture(scope="session")
def backbone(tmp_path_factory):
    """The folder of a tiny random BERT with a word-level tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    fast.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    return folder
