"""The console script `brl`: parses the command line and calls the command.

Slow imports (torch, pandas, DVC, MLflow) are inside the commands, so that help and completion are
fast. Two sections of commands have modules of their own, preparing.py and using.py.
"""

import os
import signal
from pathlib import Path

import click

from brl.commands import preparing, using
from brl.commands.command_line import A_FILE, Commands, Count, names_in

# Commands, in the order in which they are needed.
SECTIONS = {
    "Prepare": ("preset", "weights", "check", "data"),
    "Run": ("repro", "why", "dag", "compare", "verify", "probe", "record"),
    "Look at results": ("results", "ui"),
    "Use what was trained": ("predict", "export", "release", "model"),
    "Housekeeping": ("clean", "completion"),
}
EXIT_CODES = """\b
Exit codes:
  0    done
  1    a mistake, or a failure such as a full disk; one line on stderr
  2    wrong usage of a command
  130  interrupted (Ctrl-C, kill)
"""


@click.group(cls=Commands, sections=SECTIONS, epilog=EXIT_CODES)
def commands() -> None:
    """Long-tailed skeleton-based action recognition.

    params.yaml has all settings. Run commands in the project's folder; `brl COMMAND --help` shows
    options and examples.
    """


for command in (*preparing.COMMANDS, *using.COMMANDS):
    commands.add_command(command)


@commands.command()
@click.option(
    "--jobs", type=Count(), help="Train N streams at a time; default: one per GPU or core."
)
@click.option("--cluster", metavar="ADDRESS", help="Train on the workers of a Dask scheduler.")
def repro(jobs: int | None, cluster: str | None) -> None:
    """Run the pipeline; only what changed runs.

    Streams are trained side by side. Then prints the table of results, and records those that
    MLflow lacks. An interrupted run resumes with the same command.

    \b
    Examples:
      brl repro
      brl repro --jobs 2
      brl repro --cluster tcp://gpu1:8786
    """
    from brl.commands import mirror, pipeline, results

    pipeline.set_up()
    with pipeline.only_dvc():
        changed = pipeline.changed_stages()
        if "download" not in changed:
            mirror.warn_of_changes()
        if any("@" in stage for stage in changed):
            from brl.commands.repro import reproduce_streams

            reproduce_streams(jobs, cluster)
        elif changed:
            pipeline.run_dvc()
        else:
            click.echo("Nothing has changed, so nothing runs.")
    results.show()
    from brl.config.params import read_params
    from brl.tracking import present, unsent

    present.record(read_params())
    unsent.tell_waiting()


@commands.command()
def why() -> None:
    """Show which stages would run now, and why; runs nothing.

    \b
    Example:
      brl why
    """
    from brl.commands import pipeline, why

    pipeline.work_without_git()
    why.show()


@commands.command()
def dag() -> None:
    """Show the stages and what they read, with the streams as one.

    \b
    Example:
      brl dag
    """
    from brl.commands import dag, pipeline

    pipeline.work_without_git()
    dag.show()


@commands.command()
@click.argument("name", required=False, shell_complete=names_in("comparisons"))
@click.option("--jobs", type=Count(), default=1, help="Run N trainings at a time.")
@click.option("--cluster", metavar="ADDRESS", help="Train on the workers of a Dask scheduler.")
@click.option("--report", is_flag=True, help="Train nothing; report on the runs that are there.")
@click.option("--summary", is_flag=True, help="Sum up the reports of all datasets; no NAME.")
def compare(name: str | None, jobs: int, cluster: str | None, report: bool, summary: bool) -> None:
    """Train several methods and compare them on the same clips.

    NAME is a file of comparisons/, without .yaml; by default the one named after the dataset. Runs
    that are done stay in .comparison and are not computed again.

    \b
    Examples:
      brl compare
      brl compare nw_ucla --jobs 2
      brl compare nw_ucla --cluster tcp://gpu1:8786
      brl compare nw_ucla --report
      brl compare --summary
    """
    if summary:
        if name or report:
            raise click.UsageError("--summary reads all reports: no NAME, no --report")
        from brl.commands.summary import show

        return show()
    from brl.commands.compare import compare

    compare(name, jobs, trains=not report, cluster=cluster)


@commands.command()
@click.argument("name", required=False, shell_complete=names_in("comparisons"))
@click.option("--row", metavar="METHOD", help="A row of the comparison; default: its reference.")
def verify(name: str | None, row: str | None) -> None:
    """Train a published run again, and compare its scores clip by clip.

    Takes the first stream and seed of a row in reports/comparisons/NAME. On a machine of the same
    kind, with the same versions, the scores must be the same; else the command says what differs,
    and fails if the accuracy is none that another seed could have given.

    \b
    Examples:
      brl verify
      brl verify synthetic --row brl
    """
    from brl.commands.verify import verify

    verify(name, row)


@commands.command()
def probe() -> None:
    """Evaluate pre-trained encoders beside random ones.

    Linear, by the nearest neighbour, and fine-tuned on 1 % and 10 % of the labels, for each stream.
    Writes reports/probe.csv and reports/probe.md. What is done stays in .probe and is not computed
    again.

    \b
    Example:
      brl preset nw_ucla --system skeletonmae && brl repro && brl probe
    """
    from brl.commands.probe import probe

    probe()


@commands.command()
def record() -> None:
    """Record in MLflow what it lacks: present results, unsent runs.

    DVC restores results without running a stage: after `dvc pull`, from its cache, after
    `dvc exp apply`. Where MLflow failed during a run, what it did not take is in .mlflow_unsent.
    `brl repro` does this at its end.

    \b
    Example:
      dvc pull && brl record
    """
    from brl.commands.record import record

    record()


@commands.command()
@click.argument("file", type=A_FILE, required=False)
@click.option("--markdown", is_flag=True, help="Print a Markdown table, as for a README.")
def results(file: Path | None, markdown: bool) -> None:
    """Show the table of the last run.

    FILE is another results.csv.

    \b
    Examples:
      brl results
      brl results reports/nw_ucla/results.csv --markdown
    """
    from brl.commands import results

    results.show(file or results.RESULTS, as_markdown=markdown)


@commands.command()
def ui() -> None:
    """Compare all runs in MLflow, in a browser.

    Ctrl-C ends it. BRL_UI_PORT sets another port than 5000.

    \b
    Example:
      brl ui
    """
    from brl.commands.ui import open_ui

    open_ui()


@commands.command()
@click.option("--yes", is_flag=True, help="Remove them instead of only listing them.")
def clean(yes: bool) -> None:
    """List failed runs and stale checkpoints, and remove them.

    \b
    Examples:
      brl clean
      brl clean --yes
    """
    from brl.commands.clean import clean

    clean(removes=yes)


@commands.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script with which a shell completes `brl`.

    \b
    Examples:
      eval "$(brl completion bash)"     in ~/.bashrc
      eval "$(brl completion zsh)"      in ~/.zshrc
      brl completion fish > ~/.config/fish/completions/brl.fish
    """
    from click.shell_completion import get_completion_class

    script_of = get_completion_class(shell)
    assert script_of is not None
    click.echo(script_of(commands, {}, "brl", "_BRL_COMPLETE").source())


def main() -> None:
    """Runs the console script."""
    # SIGTERM is handled like Ctrl-C, so that child processes are ended too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if "BRL_LAUNCHER" in os.environ:  # make started it
        from brl.support.launchers import end_with_launcher

        end_with_launcher()
    commands(prog_name="brl")
