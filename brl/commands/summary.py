"""Sums up the reports of comparisons over datasets: `brl compare --summary`."""

from brl.comparison.summary.page import write_summary
from brl.support.paths import COMPARISON_REPORTS


def show() -> None:
    """Writes and prints the summary; it trains nothing and needs no data."""
    print(write_summary(COMPARISON_REPORTS))
