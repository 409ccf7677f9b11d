"""Compares methods: `brl compare [NAME] [--jobs N] [--report]`."""

import sys

from brl.commands import pipeline
from brl.comparison.kept import restore
from brl.comparison.learned import learned_fusions
from brl.comparison.plan import planned_runs, read_comparison
from brl.comparison.report import write_report
from brl.comparison.run import Data, compute
from brl.config.params import read_params
from brl.support.errors import UserError
from brl.support.locks import alone
from brl.support.paths import COMPARISON_REPORTS
from brl.tracking.unsent import tell_waiting
from brl.training.resuming import checkpoints


def compare(name: str | None, jobs: int, *, trains: bool, cluster: str | None = None) -> None:
    """Runs the missing trainings of comparisons/NAME.yaml, then writes and prints its report.

    The clips are brought up to date first, but not for a comparison that is not valid.

    name    name of the comparison; None: that of the dataset
    jobs    number of trainings at a time
    trains  False: reports on the existing runs only
    cluster address of a Dask scheduler, whose workers train instead of processes of this one

    Raises UserError if a training failed, after the report on the others.
    """
    params = read_params()
    name = name or params.dataset.name
    comparison = read_comparison(name, params)
    runs = planned_runs(comparison, params)
    pipeline.reproduce("--quiet", "subsample")
    data = Data.read()
    data.check_classes(comparison.without_classes)
    data.check_fusions(learned_fusions(runs))
    report = COMPARISON_REPORTS / name
    if restored := restore(report, runs, data):
        print(f"{name}: {restored} files of scores taken from {report}", file=sys.stderr)
    failure = None
    if trains:
        try:
            compute(runs, data, name, jobs, cluster)
        except UserError as error:
            failure = error
    if failure and not any(data.scores_file(run).exists() for run in runs):
        raise failure
    with alone(f"report on {name}", checkpoints() / f"report-{name}"):
        print(write_report(report, name, comparison, runs, data))
    tell_waiting()
    if failure:
        raise failure
