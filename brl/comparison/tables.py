"""The tables of a comparison's page, in Markdown, and what must be known to read them."""

from collections.abc import Mapping

import pandas as pd

from brl.comparison.statistics import interval
from brl.report.columns import COLUMNS as HEADLINE_COLUMNS

COSTS = {"steps": "steps", "minutes": "minutes", "tflop": "TFLOP"}
COLUMNS = HEADLINE_COLUMNS | {"mean_other_classes": "mean class, others"}


def summary_table(
    results: pd.DataFrame, planned: Mapping[tuple[str, str], int], with_others: bool
) -> list[str]:
    """The accuracies and the costs of a stream or a fusion: one row for each method.

    planned: number of seeds by method and stream or fusion; a row that has fewer says so.
    """
    shown = [c for c in COLUMNS if results[c].notna().any()]
    if not with_others:
        shown = [c for c in shown if c != "mean_other_classes"]
    headings = [*(COLUMNS[c] for c in shown), *COSTS.values()]
    lines = ["| method | seeds | " + " | ".join(headings) + " |"]
    lines.append("|---|---:" + "|---:" * len(headings) + "|")
    for method, of_method in results.groupby("method", sort=False):
        done, seeds = len(of_method), planned[str(method), of_method["what"].iloc[0]]
        number = str(done) if done == seeds else f"{done} of {seeds}"
        cells = [mean_and_interval(of_method[c]) for c in shown]
        cells += [in_figures(of_method[c].mean()) for c in COSTS]
        lines.append(f"| {method} | {number} | " + " | ".join(cells) + " |")
    return lines


def mean_and_interval(values: pd.Series) -> str:
    """Mean ± half the 95 % confidence interval; of one value the value alone."""
    half = interval(values.to_numpy())
    return f"{values.mean():.1f}" + (f" ± {half:.1f}" if half == half else "")


def in_figures(cost: float) -> str:
    """A mean cost, rounded where its size allows; a dash where it is not known."""
    if cost != cost:
        return "–"
    return f"{cost:,.0f}" if cost >= 100 else f"{cost:.1f}"


def pairs_table(against: pd.DataFrame, reference: str) -> list[str]:
    """Differences to the reference on the same clips: one row for each method."""
    lines = [
        f"| against {reference} | common seeds | top-1 | {reference} | difference "
        "| 95 % interval | p | Holm's p | clips won | lost | McNemar's p, median seed |",
        "|---|" + "---:|" * 10,
    ]
    for row in against.itertuples():
        cells = [
            row.method,
            str(row.seeds),
            f"{row.top1:.1f}",
            f"{row.against_top1:.1f}",
            f"{row.difference:+z.1f}",
            f"{row.low:+z.1f} to {row.high:+z.1f}" if row.low == row.low else "–",
            p_value(row.p) + ("" if row.seeds > 1 else " (clips alone)"),
            p_value(row.holm_reference),
            f"{row.won:.1f}",
            f"{row.lost:.1f}",
            p_value(row.mcnemar),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def p_value(p: float) -> str:
    """A p value with three decimals; a dash where there is none."""
    if p != p:
        return "–"
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def how_to_read(
    results: pd.DataFrame, pairs: pd.DataFrame, planned: Mapping[tuple[str, str], int]
) -> str:
    """The paragraph that explains the tables, as far as it concerns these results.

    pairs: those with the reference. planned: number of seeds by method and stream or fusion.
    """
    lines = [
        "Accuracy in %, mean over seeds ± half the 95 % confidence interval (Student's t). Beside "
        "it is the mean cost of a training, or of all streams of a fusion: steps, minutes of "
        "processor time, and 10^12 operations."
    ]
    done = results.groupby(["method", "what"]).size()
    if any(number < planned[key] for key, number in done.items()):
        lines.append(
            "A row that still lacks seeds says so (*1 of 3*): its distance from other rows may "
            "come from the seeds."
        )
    if len(pairs):
        lines.append(
            "The tables of differences, in points of top-1, compare two methods clip by clip over "
            "the seeds that both have (*common seeds*), and give both means over these seeds."
        )
    if (pairs["seeds"] > 1).any():
        lines.append("Interval and p are over clips and seeds: other clips, trained anew.")
    if (pairs["seeds"] == 1).any():
        lines.append(
            "With one common seed nothing is known about other seeds: there is no interval, and p "
            "is over clips alone. It compares these two networks, not the two methods."
        )
    if len(pairs):
        lines.append("*Holm's p* is corrected for the number of differences in its table.")
    return " ".join(lines)
