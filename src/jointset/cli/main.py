"""The command line: every command, and what a mistake looks like."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn, Optional

import typer

from jointset.cli.exchange_commands import export, import_decisions
from jointset.cli.options import Json, RunPath
from jointset.errors import JointsetError

app = typer.Typer(
    name="jointset",
    help="Train one multi-task model over all your datasets, find and repair their label problems, keep what helps.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

INTERRUPTED = 130  # what typer makes of Ctrl-C

ConfigFile = Annotated[Path, typer.Argument(help="Configuration file.", show_default=True)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, for example improve.rounds=2."),
]
Root = Annotated[Path, typer.Option("--runs", help="Folder of the run directories.")]


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where the demo's files go.")] = Path("jointset-demo"),
    seed: Annotated[int, typer.Option(help="Seed of the damage and of the run.")] = 0,
    as_json: Json = False,
) -> None:
    """Run the whole loop on embedded real images with known damage, and score the repair against the truth."""
    from jointset.cli.demo import demo as command

    command(folder, seed=seed, as_json=as_json)


@app.command()
def init(
    files: Annotated[list[Path], typer.Argument(help="Your data files.")],
    out: Annotated[Path, typer.Option("--out", help="Configuration to write.")] = Path("jointset.yaml"),
) -> None:
    """Write a commented configuration for your files, with guesses marked."""
    from jointset.cli.init import init as command

    command(files, out)


@app.command()
def partition(
    file: Annotated[Path, typer.Argument(help="File with all rows.")],
    by: Annotated[Optional[str], typer.Option(help="Natural sites: the values of this column.")] = None,  # noqa: UP045
    iid: Annotated[bool, typer.Option("--iid", help="Even sites.")] = False,
    dirichlet: Annotated[
        float | None, typer.Option(help="Label skew: each class shared out by Dir(ALPHA); sizes differ.")
    ] = None,
    mixture: Annotated[
        float | None, typer.Option(help="Label skew: each site's classes by Dir(ALPHA p); one size.")
    ] = None,
    quantity: Annotated[float | None, typer.Option(help="Sizes by Dir(ALPHA).")] = None,
    lognormal: Annotated[float | None, typer.Option(help="Log-normal sizes with this SIGMA.")] = None,
    shards: Annotated[int | None, typer.Option(help="Label skew: shards of sorted labels per site.")] = None,
    classes: Annotated[int | None, typer.Option(help="Label skew: this many classes a site.")] = None,
    clusters: Annotated[
        Optional[str], typer.Option(help="Feature shift: k-means on these columns; '*' for all inputs.")  # noqa: UP045
    ] = None,
    noise: Annotated[float | None, typer.Option(help="Feature shift: noise from 0 up to this SIGMA.")] = None,
    sites: Annotated[int, typer.Option(help="How many sites.")] = 0,
    label: Annotated[
        list[str] | None,
        typer.Option(help="Label column, or COLUMN:KIND; the first is the one skewed. Guessed by default."),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            help="MODALITY=COLUMN[,COLUMN]; guessed by default. Raw bytes: image=COLUMN:28x28, audio=COLUMN:8000.",
        ),
    ] = None,
    group: Annotated[Optional[str], typer.Option(help="Column whose equal values stay on one site.")] = None,  # noqa: UP045
    together: Annotated[bool, typer.Option("--together", help="Copies of a row stay on one site.")] = False,
    least: Annotated[int, typer.Option(help="Fewest rows of a site.")] = 1,
    id: Annotated[Optional[str], typer.Option(help="Column of row ids.")] = None,  # noqa: UP045
    split: Annotated[Optional[str], typer.Option(help="Column of train, holdout and test.")] = None,  # noqa: UP045
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write; FILE-sites by default.")] = None,
    format: Annotated[
        str | None, typer.Option(help="parquet, csv or jsonl; as the source by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 0,
    as_json: Json = False,
) -> None:
    """Part one file into sites, measure how they differ, and write them with a configuration."""
    from jointset.cli.partition import partition as command

    method = {
        "by": by, "iid": iid, "dirichlet": dirichlet, "mixture": mixture, "quantity": quantity,
        "lognormal": lognormal, "shards": shards, "classes": classes, "clusters": clusters, "noise": noise,
    }  # fmt: skip
    command(
        file, out, method=method, sites=sites, labels=label or [], inputs=inputs or [], group=group,
        together=together, least=least, id=id, split=split, format=format, seed=seed, as_json=as_json,
    )  # fmt: skip


@app.command()
def check(
    config: ConfigFile = Path("jointset.yaml"),
    overrides: Overrides = None,
    estimate: Annotated[bool, typer.Option(help="Estimate the cost by training a few steps.")] = True,
    as_json: Json = False,
) -> None:
    """Read everything, draw the dataset × task grid, find mistakes and estimate the cost; trains nothing."""
    from jointset.cli.check import check as command

    command(config, overrides or [], estimate=estimate, as_json=as_json)


@app.command()
def audit(
    config: ConfigFile = Path("jointset.yaml"),
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for what is found; audits/NAME by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Look for copies, leaks, shift, long tails, outliers and broken inputs; trains nothing. Exit code 1: found
    some."""
    from jointset.cli.audit import audit as command

    command(config, overrides or [], out, as_json=as_json)


@app.command()
def augment(
    config: ConfigFile = Path("jointset.yaml"), overrides: Overrides = None, as_json: Json = False
) -> None:
    """Measure which augmentations keep which task's labels; trains two small models, and keeps nothing."""
    from jointset.cli.augment import augment as command

    command(config, overrides or [], as_json=as_json)


@app.command()
def relate(
    config: ConfigFile = Path("jointset.yaml"),
    overrides: Overrides = None,
    measure: Annotated[list[str] | None, typer.Option(help="Only this measure; may be repeated.")] = None,
    target: Annotated[list[str] | None, typer.Option(help="Only for this task; may be repeated.")] = None,
    groups: Annotated[int, typer.Option(min=0, help="Put the tasks into at most so many groups.")] = 0,
    rows: Annotated[
        int, typer.Option(min=100, help="Training rows of each dataset that are looked at.")
    ] = 2000,
    budget: Annotated[int, typer.Option(min=0, help="Measure gains with so many trainings.")] = 0,
    linearise: Annotated[
        bool, typer.Option("--linearise", help="Estimate gains from gradients of one short joint training.")
    ] = False,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Train with all datasets, and without each of them.")
    ] = False,
    leave_out_tasks: Annotated[
        bool, typer.Option("--leave-out-tasks", help="Train with all tasks, and without each of them.")
    ] = False,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write the advice as a configuration that a run takes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say how tasks relate: who helps whom, which to drop, group or pool; trains if asked for gains or to leave out."""
    from jointset.cli.relate import relate as command

    command(
        config, overrides or [], measures=measure or [], targets=target or [], groups=groups, rows=rows, budget=budget,
        linearise=linearise, leave_out=leave_out, leave_out_tasks=leave_out_tasks, write=write, as_json=as_json,
    )  # fmt: skip


@app.command()
def run(
    config: ConfigFile = Path("jointset.yaml"),
    overrides: Overrides = None,
    runs: Root = Path("runs"),
    new_run: Annotated[bool, typer.Option("--new-run", help="Start afresh beside an earlier run.")] = False,
    as_json: Json = False,
) -> None:
    """Train, audit, repair, gate, round by round; repeated, it goes on where it was interrupted."""
    from jointset.cli.run import run as command

    command(config, overrides or [], runs, new_run=new_run, as_json=as_json)


@app.command()
def status(path: RunPath, as_json: Json = False) -> None:
    """Say where a run stands: rounds, edits, verdicts."""
    from jointset.cli.edits import status as command

    command(path, as_json=as_json)


@app.command()
def diff(
    path: RunPath,
    task: Annotated[Optional[str], typer.Option(help="Only this task.")] = None,  # noqa: UP045
    dataset: Annotated[Optional[str], typer.Option(help="Only this dataset.")] = None,  # noqa: UP045
    action: Annotated[Optional[str], typer.Option(help="Only this action.")] = None,  # noqa: UP045
    from_round: Annotated[int, typer.Option("--from", help="State after this round (0 = as given).")] = 0,
    to_round: Annotated[Optional[int], typer.Option("--to", help="State after this round.")] = None,  # noqa: UP045
    limit: Annotated[int, typer.Option(min=0, help="Lines shown.")] = 20,
    as_json: Json = False,
) -> None:
    """Show which labels changed between two rounds."""
    from jointset.cli.edits import diff as command

    command(path, task, dataset, action, from_round, to_round, limit, as_json=as_json)


@app.command()
def undo(
    path: RunPath,
    task: Annotated[Optional[str], typer.Option(help="Edits of this task.")] = None,  # noqa: UP045
    dataset: Annotated[Optional[str], typer.Option(help="Edits in this dataset.")] = None,  # noqa: UP045
    action: Annotated[Optional[str], typer.Option(help="relabel, fill, drop or weight.")] = None,  # noqa: UP045
    round: Annotated[Optional[int], typer.Option(help="Edits of this round.")] = None,  # noqa: UP045
    row: Annotated[Optional[str], typer.Option(help="Edits of this row id.")] = None,  # noqa: UP045
    min_confidence: Annotated[Optional[float], typer.Option(help="Edits at least this sure.")] = None,  # noqa: UP045
    max_confidence: Annotated[Optional[float], typer.Option(help="Edits at most this sure.")] = None,  # noqa: UP045
    everything: Annotated[bool, typer.Option("--all", help="Every edit of the run.")] = False,
    note: Annotated[str, typer.Option(help="Why; kept in the ledger.")] = "",
    as_json: Json = False,
) -> None:
    """Take back accepted edits, by any mix of task, dataset, action, round, row and confidence."""
    from jointset.cli.edits import undo as command

    selector = {
        "task": task, "dataset": dataset, "action": action, "round": round, "row": row,
        "min_confidence": min_confidence, "max_confidence": max_confidence,
    }  # fmt: skip
    command(path, selector, everything=everything, note=note, as_json=as_json)


@app.command()
def review(
    path: RunPath,
    host: Annotated[
        str, typer.Option(help="Address to serve on; others than this machine need a password.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes any free one.")] = 8765,
    reviewer: Annotated[str, typer.Option(help="Your name in the ledger; by default the user's.")] = "",
    password: Annotated[str, typer.Option(help="Lets others in.", envvar="JOINTSET_REVIEW_PASSWORD")] = "",
    name: Annotated[list[str] | None, typer.Option(help="Further host name the page is opened by.")] = None,
    checks: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of items with known answers, mixed in blind.")
    ] = 0.0,
) -> None:
    """Look through the edits of a run in the browser: accept, keep, choose another label, exclude, undo."""
    from jointset.cli.review import review as command

    command(
        path,
        host=host,
        port=port,
        reviewer=reviewer,
        password=password,
        names=tuple(name or ()),
        checks=checks,
    )


@app.command()
def report(path: RunPath) -> None:
    """Write the report of a run: one offline HTML page with what changed, why, and what it was worth."""
    from jointset.project import Run

    typer.echo(f"{Run(path).report()}")


@app.command()
def evaluate(
    path: RunPath,
    file: Annotated[
        Path | None, typer.Argument(help="Labelled file; without it, the run's own held-out rows.")
    ] = None,
    dataset: Annotated[Optional[str], typer.Option(help="Whose columns the file has.")] = None,  # noqa: UP045
    as_json: Json = False,
) -> None:
    """Score the joint model per task, with intervals."""
    from jointset.cli.predict import evaluate as command

    command(path, file, dataset, as_json=as_json)


@app.command()
def predict(
    path: RunPath,
    file: Annotated[Path, typer.Argument(help="File with the input columns of one of the datasets.")],
    out: Annotated[
        Path, typer.Option("--out", help="Where predictions go (.parquet, .csv or .jsonl).")
    ] = Path("predictions.parquet"),
    dataset: Annotated[Optional[str], typer.Option(help="Whose columns the file has.")] = None,  # noqa: UP045
    ignore_labels: Annotated[
        bool, typer.Option("--ignore-labels", help="With joint inference: do not read labels from the file.")
    ] = False,
) -> None:
    """Predict every task for new rows; with joint inference, from the labels that they carry as well."""
    from jointset.cli.predict import predict as command

    command(path, file, out, dataset, ignore_labels=ignore_labels)


@app.command()
def explain(
    path: RunPath,
    dataset: Annotated[str, typer.Argument(help="Dataset of the row.")],
    row: Annotated[str, typer.Argument(help="Row id, or a text in quotes.")],
    task: Annotated[Optional[str], typer.Option(help="Task, where there are several.")] = None,  # noqa: UP045
    label: Annotated[str | None, typer.Option(help="Class to explain; the predicted one by default.")] = None,
    method: Annotated[str, typer.Option(help="occlusion or integrated_gradients.")] = "occlusion",
    rows: Annotated[int, typer.Option(min=0, help="Training labels shown for and against; 0: none.")] = 5,
    as_json: Json = False,
) -> None:
    """Say why a prediction is what it is: words, columns or regions, and the training labels behind it."""
    from jointset.cli.explain import explain as command

    command(path, dataset, row, task, label, method, rows, as_json=as_json)


app.command()(export)
app.command("import")(import_decisions)


@app.command()
def doctor(
    runs: Root = Path("runs"),
    look_into_torch: Annotated[
        bool, typer.Option("--torch", help="Import torch too, and say what it can use.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what this installation has, what it lacks and how to get it. Exit code 1: something is broken."""
    from jointset.cli.doctor import doctor as command

    command(runs, look_into_torch=look_into_torch, as_json=as_json)


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"jointset {installed('jointset')}")
        raise typer.Exit


# Threads that spin while they wait halve the speed as soon as anything else runs; read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def main() -> None:
    """Entry point: a mistake is one line on stderr and exit code 2, never a traceback."""
    try:
        code = app(prog_name="jointset", standalone_mode=False)
    except JointsetError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except typer.Abort:
        typer.echo("aborted", err=True)
        sys.exit(1)
    except Exception as error:
        if (context := getattr(error, "ctx", None)) and hasattr(error, "format_message"):
            _misused(error, context)
        if os.environ.get("JOINTSET_DEBUG"):
            raise
        typer.echo(f"internal error: {type(error).__name__}: {error}; JOINTSET_DEBUG=1 shows where", err=True)
        sys.exit(3)
    if code == INTERRUPTED:
        typer.echo("interrupted; repeat the command to go on where it stopped", err=True)
    sys.exit(code if isinstance(code, int) else 0)


def _misused(error: Any, context: Any) -> NoReturn:
    """A wrong option or command, known by its form, as typer may bring a click of its own."""
    said = error.format_message().strip()
    if "\n" in said:  # the whole help, where nothing was asked for
        error.show()
    else:
        join = " See" if said.endswith((".", "?")) else "; see"
        typer.echo(f"error: {said}{join} {context.command_path} --help", err=True)
    sys.exit(error.exit_code)
