"""Compares methods: `python -m brl.comparison [NAME] [--jobs N] [--report]`."""

import argparse
from pathlib import Path

from brl.comparison.plan import planned_runs, read_comparison
from brl.comparison.report import write_report
from brl.comparison.run import compute
from brl.errors import UserError, one_line_errors
from brl.params import read_params


def main() -> None:
    parser = argparse.ArgumentParser(description="Train methods side by side and compare them.")
    parser.add_argument("name", nargs="?", default="", help="a file of comparisons/, without .yaml")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--report", action="store_true", help="of what is there; train nothing")
    arguments = parser.parse_args()
    params = read_params()
    name = arguments.name or params.dataset.name
    comparison = read_comparison(name, params)
    runs = planned_runs(comparison, params)
    failure = None
    if not arguments.report:
        try:
            compute(runs, name, arguments.jobs)
        except UserError as error:
            failure = error
    print(write_report(Path("reports/comparisons") / name, name, comparison, runs, params))
    if failure:
        raise failure


if __name__ == "__main__":
    with one_line_errors():
        main()
