"""The tables of the summary's page, in Markdown."""

from collections.abc import Callable, Iterable

import pandas as pd

from brl.comparison.sizes import size_groups
from brl.comparison.statistics import interval
from brl.comparison.summary.ranks import ALPHA, ranks
from brl.comparison.summary.table import MEASURES, among, wide
from brl.comparison.tables import p_value

NOTHING = "–"


def markdown(heading: list[str], rows: Iterable[list[str]]) -> list[str]:
    """The lines of a table whose first column is text and whose others are numbers."""
    aligned = "|---|" + "---:|" * (len(heading) - 1)
    return [f"| {' | '.join(heading)} |", aligned, *(f"| {' | '.join(row)} |" for row in rows)]


def filled(values: Iterable[float], shown: Callable[[float], str]) -> list[str]:
    """Cells of values; a dash for NaN."""
    return [shown(value) if value == value else NOTHING for value in values]


def accuracy_table(table: pd.DataFrame, what: str, measure: str) -> list[str]:
    """Mean accuracy of each method on each dataset, best mean rank first."""
    means, halves, seeds = (
        wide(table, what, name) for name in (measure, f"{measure}_half", "seeds")
    )
    ranked = ranks(means)
    rank = ranked.mean(axis="columns").reindex(means.index).sort_values(kind="stable")
    won = ranked.eq(ranked.min()).sum(axis="columns").reindex(means.index)
    rows = []
    for method in rank.index:
        cells = []
        for dataset in means:
            mean, half = means.loc[method, dataset], halves.loc[method, dataset]
            number, of = seeds.loc[method, dataset], seeds[dataset].max()
            cell = f"{mean:.1f}" + (f" ± {half:.1f}" if half == half else "")
            cell += f" ({number:.0f} of {of:.0f} seeds)" if number < of else ""
            cells.append(cell if mean == mean else NOTHING)
        of_ranks = filled([rank[method]], "{:.1f}".format) + filled([won[method]], "{:.0f}".format)
        rows.append([str(method), *of_ranks, *cells])
    return markdown(["method", "mean rank", "best on", *map(str, means)], rows)


def difference_table(table: pd.DataFrame, what: str, role: str) -> list[str]:
    """Differences in top-1 to the `reference` or the `control`; no lines if there are none."""
    names = ("difference", "low", "high", "holm")
    return cells_table([wide(table, what, f"{role}_{name}") for name in names], difference_cell)


def few_shot_table(table: pd.DataFrame, what: str, role: str) -> list[str]:
    """Differences in few-shot accuracy to the `reference` or the `control`, as `gains` has them.

    No lines if there are none.
    """
    names = ("few", "few_half")
    return cells_table([wide(table, what, f"{role}_{name}") for name in names], with_half)


def cells_table(parts: list[pd.DataFrame], shown: Callable[..., str]) -> list[str]:
    """A table of methods and datasets: cells are what `shown` makes of the parts' values.

    Methods without any value in the first part are left out.
    """
    methods = parts[0].dropna(how="all").index
    rows = [[str(m), *map(shown, *(part.loc[m] for part in parts))] for m in methods]
    return markdown(["method", *map(str, parts[0])], rows) if rows else []


def with_half(mean: float, half: float) -> str:
    """A mean difference ± half its interval; of one value the value alone."""
    if mean != mean:
        return NOTHING
    return f"{mean:+z.1f}" + (f" ± {half:.1f}" if half == half else "")


def difference_cell(difference: float, low: float, high: float, p: float) -> str:
    """A difference, its interval and its p value; bold if it is certain at the 5 % level."""
    if difference != difference:
        return NOTHING
    if p != p:
        return f"{difference:+z.1f}"
    cell = f"{difference:+z.1f} ({low:+z.1f} to {high:+z.1f}), p {p_value(p)}"
    return f"**{cell}**" if p < ALPHA else cell


def cost_table(table: pd.DataFrame, what: str, reference: str) -> list[str]:
    """Gains over the reference and what they cost, as means over datasets.

    No lines if no other method has a seed in common with it.
    """
    steps, minutes = (
        wide(table, what, f"reference_{cost}").mean(axis="columns") for cost in ("steps", "minutes")
    )
    of_measures = [wide(table, what, f"reference_{name}") for name in ("few", "difference")]
    rows = []
    for method in of_measures[1].dropna(how="all").index.drop(reference, errors="ignore"):
        row = [str(method), *filled([steps[method], minutes[method]], "{:.2f}".format)]
        for of_measure in of_measures:
            gains = of_measure.loc[method].dropna()
            row.append(with_half(gains.mean(), interval(gains.to_numpy())))
            row += filled([gains.mean() / steps[method]], "{:+z.1f}".format)
        rows.append(row)
    heading = ["method", "steps", "time"]
    for words in MEASURES.values():
        heading += [f"{words} gain", "for each unit of steps"]
    return markdown(heading, rows) if rows else []


def size_table(classes: pd.DataFrame, table: pd.DataFrame, what: str, reference: str) -> list[str]:
    """Mean gain of classes over the reference, by groups of training clips, over all datasets.

    No lines if there is no gain. A cell of fewer classes than its heading says how many.
    """
    gains = among(classes, table)
    gains = gains[(gains["what"] == what) & (gains["method"] != reference)]
    gains = gains.dropna(subset="gain").astype({"training_clips": int, "gain": float})
    groups = size_groups(gains["training_clips"]).rename("size")
    by_group = gains.groupby(["method", groups], sort=False, observed=True)["gain"]
    means, numbers = (part.unstack("size") for part in (by_group.mean(), by_group.size()))
    sizes = [size for size in groups.cat.categories if size in means]
    most = {
        size: len(gains[groups == size].drop_duplicates(["dataset", "class"])) for size in sizes
    }
    rows = []
    for method in means.index:
        cells = []
        for size in sizes:
            mean, number = means.loc[method, size], numbers.loc[method, size]
            fewer = f" ({number:.0f})" if number < most[size] else ""
            cells.append(f"{mean:+z.1f}{fewer}" if mean == mean else NOTHING)
        rows.append([str(method), *cells])
    heading = ["method", *(f"{size} clips ({number} classes)" for size, number in most.items())]
    return markdown(heading, rows) if rows else []
