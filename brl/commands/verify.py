"""Computes a published run again: `brl verify [NAME] [--row METHOD]`."""

import math
import sys

import numpy as np

from brl.commands import pipeline
from brl.comparison.again import Published, compute_again, top1
from brl.comparison.data import Data
from brl.comparison.plan import planned_runs, read_comparison
from brl.config.params import read_params
from brl.scores.scores import Scores
from brl.support.errors import UserError
from brl.support.paths import COMPARISON_REPORTS
from brl.support.processes import use_one_thread


def verify(name: str | None, row: str | None) -> None:
    """Trains the first stream and seed of a row anew; prints what came out then and now.

    name  of the comparison; None: that of the dataset
    row   a method of the comparison; None: the reference

    Raises UserError if the result differs by more than machine, versions or code explain.
    """
    params = read_params()
    name = name or params.dataset.name
    comparison = read_comparison(name, params)
    row = row or comparison.reference
    runs = [run for run in planned_runs(comparison, params) if run.method == row]
    if not runs:
        raise UserError(f"--row: {name} has no {row!r}; it has {', '.join(comparison.methods)}")
    pipeline.reproduce("--quiet", "subsample")
    data, report = Data.read(), COMPARISON_REPORTS / name
    of_stream = [run for run in runs if run.stream == runs[0].stream]
    published = Published.find(report, of_stream, data)
    if published is None:
        raise UserError(f"{report}: keeps no scores of {row} with these parameters and clips")
    took = f"; it took {published.minutes:.1f} min" if math.isfinite(published.minutes) else ""
    print(f"{name}: {published.run.title}, as published in {report}{took}", file=sys.stderr)
    use_one_thread()
    report_on(published, compute_again(published.run, data))


def report_on(published: Published, now: Scores) -> None:
    """Prints whether the scores are the same; raises UserError if nothing explains that not."""
    before, after = top1(published.scores), top1(now)
    print(f"top-1 {before:.1f} then, {after:.1f} now")
    if np.array_equal(published.scores.probabilities, now.probabilities):
        print(f"identical: the same scores for all {len(now.names)} test clips")
        return
    others = int((published.scores.predictions.predicted != now.predictions.predicted).sum())
    print(f"{others} of {len(now.names)} test clips have another class")
    differences = published.differences()
    if not differences:
        raise UserError("machine, versions and code are the same, so the scores should be")
    for fact, (then, present) in differences.items():
        print(f"  {fact}: {then} then, {present} now")
    expected = published.expected()
    if expected is None:
        print("too few seeds are published to say whether that is much")
        return
    low, high = expected
    within = f"{low:.1f} to {high:.1f}, where 99 % of seeds are expected"
    if not low <= after <= high:
        raise UserError(f"{after:.1f} is outside {within}")
    print(f"other arithmetic acts like another seed: {after:.1f} is within {within}")
