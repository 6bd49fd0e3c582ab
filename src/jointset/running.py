"""A run from its configuration to its report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jointset import rundir
from jointset.config import Config
from jointset.ledger import Ledger
from jointset.prepare import Work, prepare
from jointset.rundir import RunDirectory

if TYPE_CHECKING:
    from jointset.tracking import Tracking


def run_config(
    config: Config,
    root: Path,
    sources: Mapping[str, Any] | None,
    emit: Callable[[dict[str, Any]], None] | None,
    new_run: bool,
) -> RunDirectory:
    """Run a configuration, or go on with it; see :func:`jointset.project.execute`."""
    from jointset import tracking

    started = time.monotonic()
    tracking.ready(config.tracking)
    directory = rundir.open_run(config, root, new_run=new_run)
    with (
        rundir.locked(directory),
        rundir.disk_errors(directory),
        rundir.begun(directory, config),
        _tracked(directory, config) as tracked,
    ):

        def tell(event: dict[str, Any]) -> None:
            directory.metric(event)
            tracked(event)
            if emit:
                emit(event)

        work = prepare(config, directory.data, sources)
        rundir.check_data(directory, work.facts())
        tell({"event": "prepared", "rows": len(work.pool), "notes": list(work.notes)})
        if _goes_on(directory, tell):
            from jointset.rounds import run_rounds
            from jointset.summary import finish

            summary = finish(run_rounds(directory, work, tell), time.monotonic() - started)
            directory.log(f"finished: {summary['stopped']}")
            tell({"event": "finished", **summary})
            write_report(directory, work)
            tracked.finish(directory.kept(), summary)
    return directory


def _goes_on(directory: RunDirectory, tell: Callable[[dict[str, Any]], None]) -> bool:
    """Whether a run has more to do: it is not finished, or people have decided something since it was."""
    if not (directory.path / "summary.json").is_file():
        return True
    summary = directory.summary()
    with Ledger(directory.ledger) as ledger:
        new = ledger.decided_after(summary.get("heeded", 0))
    if new:
        tell({"event": "reviewed", "decisions": new, "rounds": summary["rounds"]})
    return bool(new)


@contextlib.contextmanager
def _tracked(directory: RunDirectory, config: Config) -> Iterator[Tracking]:
    """The trackers of a run, which end with it, well or not."""
    from jointset.tracking import Facts, Tracking

    facts = Facts(config.name, directory.path, config.model_dump(mode="json"))
    tracked = Tracking(config.tracking, facts, directory.log)
    try:
        yield tracked
    finally:
        tracked.finish()  # nothing is left to end where the run ended well


def write_report(directory: RunDirectory, work: Work) -> None:
    """Lay out the rows of a finished run for readers, and write its report."""
    from jointset import report

    report.write_rows(directory, work)
    report.write(directory)
