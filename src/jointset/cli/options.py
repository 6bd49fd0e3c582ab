"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunPath = Annotated[Path, typer.Argument(help="Run directory, for example runs/NAME.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout; progress on stderr.")]
