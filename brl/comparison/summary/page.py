"""The page of the summary over datasets."""

from pathlib import Path

import pandas as pd

from brl.comparison.summary.figure import draw_ranks
from brl.comparison.summary.ranks import ALPHA, critical_difference, friedman, ranks
from brl.comparison.summary.reports import Reports, read_reports
from brl.comparison.summary.table import MEASURES, summary_table, wide
from brl.comparison.summary.tables import (
    accuracy_table,
    cost_table,
    difference_table,
    few_shot_table,
    size_table,
)
from brl.comparison.tables import p_value
from brl.support.files import write_csv, written_whole

CLASSES_OF = {"few": "Few-shot classes", "top1": "All test clips (top-1)"}


def write_summary(folder: Path) -> str:
    """Writes README.md, summary.csv and ranks.png into a folder of reports; returns the page.

    The picture needs two datasets and two methods that both have. Raises UserError as
    `read_reports` and `summary_table` do.
    """
    reports = read_reports(folder)
    table = summary_table(reports)
    write_csv(table.reset_index(), folder / "summary.csv")
    panels = {
        f"{what}: {words}": ranked
        for what in whats(table)
        for measure, words in MEASURES.items()
        if min((ranked := ranks(wide(table, what, measure))).shape) > 1
    }
    if panels:
        draw_ranks(folder / "ranks.png", panels)
    page = "\n".join(page_lines(reports, table, with_picture=bool(panels)))
    with written_whole(folder / "README.md") as unfinished:
        unfinished.write_text(page + "\n", encoding="utf-8")
    return page


def whats(table: pd.DataFrame) -> list[str]:
    """The stream and the fusion of a summary."""
    return list(table.index.unique("what"))


def page_lines(reports: Reports, table: pd.DataFrame, *, with_picture: bool) -> list[str]:
    """The lines of the page, in Markdown."""
    lines = ["# Methods over datasets", "", *introduction(reports)]
    if with_picture:
        lines += [
            "",
            "Mean ranks over datasets, with bars of half the critical difference to either side. "
            "Where Friedman's test, below, finds a difference, two methods whose bars do not "
            "overlap differ; of others nothing is known.",
            "",
            "![](ranks.png)",
        ]
    for what in whats(table):
        lines += ["", f"## {what}"]
        for measure in MEASURES:
            accuracy = wide(table, what, measure)
            lines += ["", f"### {CLASSES_OF[measure]}, {what}", ""]
            if accuracy.isna().all(axis=None):
                lines.append("No dataset has such classes.")
                continue
            lines += accuracy_table(table, what, measure)
            lines += ["", verdict(ranks(accuracy))]
        lines += difference_lines(reports, table, what)
        lines += gain_lines(reports, table, what)
    return lines


def introduction(reports: Reports) -> list[str]:
    """What the page is made from, and how to read it."""
    links = ", ".join(f"[{name}]({name}/README.md)" for name in reports.datasets)
    lines = [f"`brl compare --summary` makes this page from the reports of {links}."]
    if reports.missing:
        lines[0] += f" No report yet: {', '.join(reports.missing)}."
    if reports.without_classes:
        names = ", ".join(reports.without_classes)
        lines[0] += f" Accuracies by class are missing for {names}."
    lines += [
        "",
        "Methods that two datasets have are shown. Accuracy in %, mean over seeds ± half the 95 % "
        "interval over seeds. *Mean rank*: methods are ranked on each dataset, 1 is best; a method "
        "that some dataset lacks has none. *Best on*: the number of datasets on which no ranked "
        "method is better. Differences and gains are in points.",
        "",
        f"The reference is `{reports.reference}`.",
    ]
    if reports.control:
        lines[-1] += (
            f" `{reports.control}` is the control: it takes as many steps as the longest method. "
            "What beats only the reference may owe it to longer training."
        )
    return lines


def verdict(ranked: pd.DataFrame) -> str:
    """What the ranks show, in words."""
    methods, datasets = ranked.shape
    if min(methods, datasets) < 2:
        return "Ranks say nothing yet: that takes two datasets, and two methods on all of them."
    chance = friedman(ranked)
    lines = (
        f"{methods} methods are on all {datasets} datasets. If they were equally good, mean ranks "
        f"would differ as much as here with p {p_value(chance)} (Friedman's test)"
    )
    if chance > ALPHA:  # Nemenyi's test follows one that says that there is a difference
        return f"{lines}: these datasets do not show that any two of them differ."
    needed = critical_difference(methods, datasets)
    means = ranked.mean(axis="columns").sort_values(kind="stable")
    apart = [
        f"{better} and {worse}"
        for place, better in enumerate(means.index)
        for worse in means.index[place + 1 :]
        if means[worse] - means[better] > needed
    ]
    lines += (
        f". Two of them differ at the 5 % level if their mean ranks are more than {needed:.1f} "
        "apart (Nemenyi's critical difference); "
    )
    return lines + (f"these are: {'; '.join(apart)}." if apart else "no two are.")


def difference_lines(reports: Reports, table: pd.DataFrame, what: str) -> list[str]:
    """Tables of differences to the reference and to the control."""
    roles = {"reference": reports.reference, "control": reports.control}
    lines = []
    few = [
        f"### Differences in few-shot accuracy, {what}",
        "",
        "Mean difference of trainings from the same seed ± half its 95 % interval over seeds.",
    ]
    top1 = [
        f"### Differences in top-1, {what}",
        "",
        "Difference on the same clips over the seeds that both have, its 95 % interval over clips "
        f"and seeds, and its p value, corrected for the {number_of_tests(reports, table)} "
        "differences of this page (Holm); bold is below 0.05. One common seed has neither.",
    ]
    for heading, rows_of in ((few, few_shot_table), (top1, difference_table)):
        tables = {role: rows for role in roles if (rows := rows_of(table, what, role))}
        lines += ["", *heading] if tables else []
        for role, rows in tables.items():
            lines += ["", f"To the {role}, `{roles[role]}`:", "", *rows]
    return lines


def number_of_tests(reports: Reports, table: pd.DataFrame) -> int:
    """The number of pairs with a p value; reference and control are one pair, and shown twice."""
    tested = {
        (what, dataset, frozenset((method, other)))
        for role, other in (("reference", reports.reference), ("control", reports.control))
        for what, dataset, method in table.index[table[f"{role}_p"].notna()]
    }
    return len(tested)


def gain_lines(reports: Reports, table: pd.DataFrame, what: str) -> list[str]:
    """Tables of what a gain costs, and of which classes have it."""
    lines = []
    costs = cost_table(table, what, reports.reference)
    if costs:
        lines += [
            "",
            f"### What a gain costs, {what}",
            "",
            "Means over datasets. *Steps* and *time* (of the processor) of a training are relative "
            f"to those of `{reports.reference}`. Gains over it are ± half the 95 % interval over "
            "datasets; *for each unit of steps* is the gain divided by the steps.",
            "",
            *costs,
        ]
    sizes = size_table(reports.classes, table, what, reports.reference)
    if sizes:
        lines += [
            "",
            f"### Which classes gain, {what}",
            "",
            f"Mean gain over `{reports.reference}` of the classes of all datasets, by their number "
            "of training clips; a number in brackets says that only so many classes count.",
            "",
            *sizes,
        ]
    return lines
