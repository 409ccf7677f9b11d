"""Compares methods: `python -m brl.commands.compare [NAME] [--jobs N] [--report]`."""

import argparse
import signal

from brl.commands.repro import checked_jobs
from brl.comparison.plan import planned_runs, read_comparison
from brl.comparison.report import write_report
from brl.comparison.run import Data, compute
from brl.config.params import read_params
from brl.support.errors import UserError, one_line_errors
from brl.support.paths import COMPARISON_REPORTS


def main() -> None:
    parser = argparse.ArgumentParser(description="Train methods side by side and compare them.")
    parser.add_argument("name", nargs="?", default="", help="a file of comparisons/, without .yaml")
    parser.add_argument("--jobs", type=checked_jobs, default=1, help="trainings at a time")
    parser.add_argument("--report", action="store_true", help="of what is there; train nothing")
    arguments = parser.parse_args()
    params = read_params()
    name = arguments.name or params.dataset.name
    comparison = read_comparison(name, params)
    runs = planned_runs(comparison, params)
    data = Data.read()
    data.check_classes(comparison.without_classes)
    failure = None
    if not arguments.report:
        try:
            compute(runs, data, name, arguments.jobs)
        except UserError as error:
            failure = error
    if failure and not any(data.scores_file(run).exists() for run in runs):
        raise failure
    print(write_report(COMPARISON_REPORTS / name, name, comparison, runs, data))
    if failure:
        raise failure


if __name__ == "__main__":
    # A `kill` ends it as Ctrl-C does: its trainings must not go on alone.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with one_line_errors():
        main()
