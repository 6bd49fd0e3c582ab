"""``jointset doctor`` and the shell's completion."""

import json
import os
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from jointset.cli import doctor

COMMAND = Path(sys.executable).parent / "jointset"


@pytest.fixture
def lacking(monkeypatch):
    """Packages that metadata no longer finds, or finds in another version."""
    real, found = metadata.version, {}

    def version(name):
        if name in found:
            if found[name] is None:
                raise metadata.PackageNotFoundError(name)
            return found[name]
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    return found


def test_a_sound_installation(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = cli("doctor")
    assert (done.code, done.err) == (0, "")
    assert f"✔ numpy {metadata.version('numpy')}" in done.out
    assert "✔ nothing is broken" in done.out and "runs: can be written to" in done.out
    facts = json.loads(cli("doctor", "--json").out)
    assert facts["broken"] == [] and facts["torch"]["version"] == metadata.version("torch")
    assert facts["machine"]["processors"] == os.cpu_count()
    assert set(facts["extras"]) >= {"image", "audio", "text", "search", "review"}
    assert not set(facts["extras"]) & {"dev", "docs"}
    assert not (tmp_path / "runs").exists()  # it looks, and leaves nothing behind


def test_a_missing_extra_is_named_with_its_command_and_breaks_nothing(cli, lacking):
    lacking["pillow"] = None
    done = cli("doctor")
    assert done.code == 0
    assert '· image: pillow missing or too old; pip install "jointset[image]"' in done.out


@pytest.mark.parametrize(
    ("version", "told"),
    [(None, "is not installed; pip install"), ("1.0", "1.0 is not >=1.26; pip install --upgrade")],
)
def test_a_core_package_that_is_missing_or_old_is_an_error(cli, lacking, version, told):
    lacking["numpy"] = version
    done = cli("doctor")
    assert done.code == 1
    assert f"✘ numpy {told}" in done.out and "things to mend" in done.out
    assert json.loads(cli("doctor", "--json").out)["broken"]


def test_a_folder_that_cannot_be_written_to_is_an_error(cli, tmp_path, monkeypatch):
    def refuse(dir):
        raise PermissionError(dir)

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    done = cli("doctor", "--runs", tmp_path)
    assert done.code == 1 and "CANNOT be written to" in done.out


def test_runs_and_their_caches_are_counted(tmp_path):
    (tmp_path / "a" / "data" / "base").mkdir(parents=True)
    (tmp_path / "a" / "config.yaml").write_text("x" * 10)
    (tmp_path / "a" / "data" / "base" / "t.parquet").write_bytes(b"y" * 100)
    found = doctor.folder(tmp_path)
    assert (found["runs"], found["bytes"], found["cache_bytes"]) == (1, 110, 100)


def test_wordnet_is_found_where_it_is_said_to_be(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDNET", str(tmp_path))
    assert doctor.wordnet() is None


def test_torch_is_loaded_only_when_asked_for():
    code = "import sys; from jointset.cli.doctor import examine; from pathlib import Path; "
    code += "examine(Path('runs'), look_into_torch={}); print('torch' in sys.modules)"
    for look in (False, True):
        out = subprocess.run(
            [sys.executable, "-c", code.format(look)], capture_output=True, text=True, check=True
        )
        assert out.stdout.strip() == str(look)


def test_it_is_quick():
    """By processor time, as the machine may be busy."""
    before = os.times()
    for _ in range(3):
        subprocess.run([COMMAND, "doctor"], capture_output=True, check=True)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent / 3 < 0.5


@pytest.mark.parametrize(
    ("words", "expected"),
    [("jointset ch", "check"), ("jointset doctor --to", "--torch"), ("jointset --vers", "--version")],
)
def test_the_shell_completes_commands_and_options(words, expected):
    shell = {"_JOINTSET_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run([COMMAND], env=os.environ | shell, capture_output=True, text=True)
    assert expected in done.stdout.split()


def test_requirements_are_read_from_the_packages_own_metadata():
    core, extras = doctor.requirements("jointset")
    assert core["torch"] == ">=2.6" and extras["search"]["optuna"] == ">=4.4"
    assert doctor.requirements("no-such-package") == ({}, {})
    started = time.perf_counter()
    assert doctor.examine(Path("runs"), of="no-such-package")["broken"][0].startswith("jointset: it is not")
    assert time.perf_counter() - started < 5
