"""What an import costs and brings along, what is exported, and how long files are."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

import jointset

SOURCE = Path(jointset.__file__).parent
HEAVY = ("torch", "pandas", "pydantic", "sklearn", "transformers", "datasets", "scipy")


def loaded(code: str) -> set[str]:
    """Names of the modules that a new interpreter holds after ``code``."""
    out = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(out.stdout.split())


def seconds(*command: str | Path) -> float:
    """Processor seconds, the best of three: what else the machine does is not counted."""
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken)


def test_importing_the_package_brings_nothing_heavy():
    assert not loaded("import jointset") & {*HEAVY, "numpy", "pyarrow"}


def test_help_brings_nothing_heavy_and_is_quick():
    code = """
from jointset.cli.main import app
from typer.testing import CliRunner
assert CliRunner().invoke(app, {}).exit_code == 0
"""
    assert not loaded(code.format(["--help"])) & set(HEAVY)
    brought = loaded(code.format(["run", "--help"]))  # pydantic is typer's own doing
    assert not brought & (set(HEAVY) - {"pydantic"}) and "jointset.config" not in brought
    command = Path(sys.executable).parent / "jointset"
    assert seconds(sys.executable, "-c", "import jointset") < 1.0
    assert seconds(command, "--help") < 1.0
    assert seconds(command, "run", "--help") < 1.0


@pytest.mark.parametrize(
    "room",
    [
        "errors",
        "records",
        "config",
        "data",
        "metrics",
        "audit",
        "repair",
        "gate",
        "ledger",
        "report",
        "review",
        "export",
        "prepare",
        "project",
        "models.encoders",
        "tracking",
        "sklearn",
    ],
)
def test_rooms_without_torch_stay_without(room):
    assert "torch" not in loaded(f"import jointset.{room}")


def test_a_project_is_made_without_torch():
    code = """
import jointset as js
p = js.Project("p")
p.add_dataset("d", {"x": [1.0, 2.0], "y": ["a", "b"]}, inputs={"tabular": "x"})
p.add_task("t", "binary", labels={"d": "y"})
p.config()
"""
    assert "torch" not in loaded(code)


def test_exported_names():
    assert jointset.__all__ == ["JointsetError", "Project", "Run", "audit", "weighting"]
    assert all(getattr(jointset, name) is not None for name in jointset.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Projekt'"):
        _ = jointset.Projekt


def test_no_file_is_too_long():
    lengths = {
        str(f.relative_to(SOURCE)): len(f.read_text(encoding="utf-8").splitlines())
        for f in SOURCE.rglob("*.py")
    }
    assert not {f for f, n in lengths.items() if n > 400}


@pytest.mark.parametrize("room", sorted(p.parent.name for p in SOURCE.glob("*/__init__.py")))
def test_what_a_room_lists_it_has(room):
    from importlib import import_module

    module = import_module(f"jointset.{room}")
    assert all(hasattr(module, name) for name in getattr(module, "__all__", ()))
