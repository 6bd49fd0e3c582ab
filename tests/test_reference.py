"""The reference pages say what the code says, every key has a description, and every code an entry."""

import ast
import importlib.util
from pathlib import Path

import pytest

from jointset.audit.codes import CODES
from jointset.audit.findings import Findings
from jointset.checking import TODO
from jointset.errors import InternalError
from jointset.records import ISSUE_CODES

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "jointset"


def generator():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["configuration.md", "options.md", "audit-codes.md", "command-line.md"])
def test_a_reference_page_is_up_to_date(page):
    written = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    assert written == generator().PAGES[page](), "run: python docs/generate.py"


def test_every_key_says_what_it_is():
    found = [(at, name, info) for at, _, fields in generator().sections() for name, info in fields.items()]
    assert len(found) > 100
    assert not [f"{at}.{name}" for at, name, info in found if not (info.description or "").strip()]


def test_every_option_of_an_encoder_and_of_a_sharing_says_what_it_is():
    from jointset.models.encoders import ENCODERS
    from jointset.models.sharing import SHARINGS
    from jointset.models.sharing.options import COMMON

    made = generator()
    methods = [(e, ()) for table in ENCODERS.values() for e in table.values()]
    methods += [(s, COMMON) for s in SHARINGS.values()]
    for method, common in methods:
        lines = made.option_table(method, common)[2:]
        assert not [line for line in lines if line.endswith("|  |")], method


def test_every_command_and_option_says_what_it_is():
    import typer

    from jointset.cli.main import app

    for name, command in typer.main.get_command(app).commands.items():
        assert command.help, name
        assert not [p.name for p in command.params if not p.help and p.name != "help"], name


def strings(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def test_no_code_is_emitted_without_an_entry():
    """Findings are made by ``Findings.of``, which refuses others; issues of repairs are named in calls."""
    with pytest.raises(InternalError, match="'odd_code' stands nowhere"):
        Findings.of("odd_code", rows=[0], scores=[0.0], evidence=[{}])
    named = set()
    for path in [*(SOURCE / "audit").rglob("*.py"), *(SOURCE / "survey").rglob("*.py")]:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in (
                "Findings.of",
                "_on_labels",
                "_issues",
            ):
                words = [a.value for a in call.args if isinstance(a, ast.Constant)]
                named |= {w for w in words if isinstance(w, str)}
    assert {"leak_source", "spare_copy", "shifted_row", "tail_label", "outlier"} <= named
    assert named <= set(CODES) and set(ISSUE_CODES) <= set(CODES)


def test_no_entry_is_left_of_a_code_that_is_gone():
    used = set()
    for path in [
        *(SOURCE / "audit").rglob("*.py"),
        *(SOURCE / "survey").rglob("*.py"),
        SOURCE / "records.py",
    ]:
        if path.name != "codes.py":
            used |= strings(path)
    assert not set(CODES) - used


def test_what_check_says_about_notes_is_about_notes_that_exist():
    told = " ".join(
        text for part in ("tasks", "data") for path in (SOURCE / part).rglob("*.py") for text in strings(path)
    )
    assert not [part for part in TODO if part not in told]
