"""The report of a comparison: a page, tables and a picture."""

from dataclasses import fields
from pathlib import Path

import pandas as pd

from brl.comparison.by_class import lines_on_classes, write_classes
from brl.comparison.cost import with_costs
from brl.comparison.figure import draw_comparison
from brl.comparison.file import Comparison
from brl.comparison.fusions import fusions_of, planned_seeds
from brl.comparison.kept import keep
from brl.comparison.learned import learned_fusions
from brl.comparison.made import kept_files, made_by_other_code
from brl.comparison.plan import Run
from brl.comparison.recipe import recipe_lines
from brl.comparison.record import record
from brl.comparison.results import Scored, accuracies, finished, undefined
from brl.comparison.run import Data
from brl.comparison.statistics import Paired, holm, paired
from brl.comparison.tables import how_to_read, pairs_table, summary_table
from brl.scores.metrics import ShotLimits
from brl.support.errors import UserError
from brl.support.files import write_csv, written_whole

COST_OF_LEARNING = "The cost of a fusion that learns includes the trainings without a fold."


def write_report(
    folder: Path, name: str, comparison: Comparison, runs: list[Run], data: Data
) -> str:
    """Writes the report into a folder and records the results.

    The report consists of README.md, results.csv, pairs.csv, by_class.csv, comparison.png,
    gain.png, and the scores of all runs, scores.npz.
    Returns the page. Raises UserError if no run has scores yet.
    """
    scored = finished(runs, data)
    if not scored:
        raise UserError(f"{name}: no run has finished yet; brl compare computes them")
    results = accuracies(scored, comparison, data, runs[0].params.evaluate)
    results = with_costs(results, runs, data)
    pairs = all_pairs(scored, comparison.reference)
    write_csv(results, folder / "results.csv")
    write_csv(pairs.round(4), folder / "pairs.csv")
    keep(folder, runs, data)
    write_classes(folder, scored, comparison.reference, data, runs[0].params.evaluate)
    draw_comparison(folder / "comparison.png", results, title_of(name, comparison, runs, data))
    page = "\n".join(page_lines(name, comparison, runs, data, results, pairs))
    record(scored, runs, data, name)
    with written_whole(folder / "README.md") as unfinished:
        unfinished.write_text(page + "\n", encoding="utf-8")
    return page


def all_pairs(scored: list[Scored], reference: str) -> pd.DataFrame:
    """Paired tests of methods on the same clips, over the seeds that both have.

    For each stream and fusion, every method is compared with the reference and with the methods
    before it. Columns: `what` (the stream or the fusion), `method`, `against`, those of `Paired`,
    and `p` corrected by `holm`: `holm_reference` for the number of pairs with the reference (NaN in
    other pairs), `holm_all` for that of all pairs of the same stream or fusion.
    """
    by_source: dict[str, dict[str, dict[int, pd.Series]]] = {}
    for one in scored:
        by_source.setdefault(one.source, {}).setdefault(one.method, {})[one.seed] = one.correct
    rows = []
    for source, methods in by_source.items():
        names = sorted(methods, key=lambda method: method != reference)
        for index, first in enumerate(names):
            for second in names[index + 1 :]:
                seeds = sorted(methods[first].keys() & methods[second].keys())
                if seeds:
                    ours, theirs = ([methods[m][s] for s in seeds] for m in (second, first))
                    compared = vars(paired(ours, theirs))
                    rows.append({"what": source, "method": second, "against": first} | compared)
    columns = ["what", "method", "against", *(field.name for field in fields(Paired))]
    pairs = pd.DataFrame(rows, columns=columns)
    with_reference = pairs[pairs["against"] == reference]
    for column, family in (("holm_reference", with_reference), ("holm_all", pairs)):
        pairs[column] = family.groupby("what")["p"].transform(lambda p: holm(p.to_numpy()))
    return pairs


def title_of(name: str, comparison: Comparison, runs: list[Run], data: Data) -> str:
    """The title of page and picture: the data, and the clips that methods are judged by."""
    validation, split = runs[0].params.train.validation, runs[0].params.dataset.split
    clips = f"{data.summary['clips']:.0f} training clips"
    part = f"validation part ({validation:g} of them)" if validation else f"test clips of {split}"
    data_of = "" if name == comparison.preset else f"{comparison.preset}, "
    return f"{name}: {data_of}{clips}, judged by {part}"


def page_lines(
    name: str,
    comparison: Comparison,
    runs: list[Run],
    data: Data,
    results: pd.DataFrame,
    pairs: pd.DataFrame,
) -> list[str]:
    """The lines of the page, in Markdown."""
    model, train = runs[0].params.model, runs[0].params.train
    planned, fusions = planned_seeds(runs), fusions_of(runs)
    own = [key for row in comparison.methods.values() for key in row.settings]
    of_reference = pairs[pairs["against"] == comparison.reference]
    exceptions = ", but where a row says otherwise" if any(map(of_recipe, own)) else ""
    evaluate = runs[0].params.evaluate
    limits = ShotLimits.of(data.subset.counts, evaluate)
    lines = [
        f"# {title_of(name, comparison, runs, data)}",
        "",
        f"`brl preset {comparison.preset}`, then `brl compare {name}`. All methods "
        f"under one recipe{exceptions}: {model.name}, {model.base_channels} channels, "
        f"{train.epochs} epochs of {train.passes} passes, batches of {train.batch_size}, "
        f"learning rate {train.lr:g}, the last epoch.",
        "",
        how_to_read(results, of_reference, planned),
        "",
        *([limits.in_words, ""] if evaluate.in_thirds else []),
        *([COST_OF_LEARNING, ""] if learned_fusions(runs) else []),
        *how_to_repeat(comparison, train.validation > 0),
        *note_on_code(runs, data),
        "![](comparison.png)",
        "",
        *lines_on_classes(of_reference, comparison.reference),
    ]
    for source, of_source in results.groupby("what", sort=False):
        lines += [
            "",
            f"## {source}",
            "",
            *summary_table(of_source, planned, bool(comparison.without_classes)),
        ]
        against = of_reference[of_reference["what"] == source]
        if len(against):
            lines += ["", *pairs_table(against, comparison.reference)]
    for fusion, methods in undefined(runs).items():
        lines += [
            "",
            f"*{fusion}*: not defined for {', '.join(methods)}: the weights of "
            f"{', '.join(fusions[methods[0]][fusion])} are zero (`ensemble.weights`).",
        ]
    if comparison.without_classes:
        left_out = ", ".join(comparison.without_classes)
        lines += ["", f"*Mean class, others*: without {left_out}."]
    return lines + recipe_lines(comparison, runs, data)


def of_recipe(parameter: str) -> bool:
    """Whether a dotted parameter belongs to the recipe that all methods share, not to a method."""
    return parameter.startswith(("train.", "predict.", "model.")) and parameter != "model.head"


def how_to_repeat(comparison: Comparison, held_out: bool) -> list[str]:
    """Lines that say how to repeat one row, and which rows differ from their preset.

    held_out: whether a validation part judges.
    """
    edits = ", ".join(
        ["its seed", *(f"{key}: {value}" for key, value in comparison.settings.items())]
    )
    pipeline = (
        " That run is judged by the test clips, after the epoch that is best by the validation "
        "part. Here the validation part judges, so the last epoch is taken."
    )
    lines = [
        f"A row by itself: `brl preset {comparison.preset} --method …`, in params.yaml "
        f"{edits}; then `make repro`.{pipeline if held_out else ''}",
        "",
    ]
    for method, row in comparison.methods.items():
        if row.preset or row.settings:
            own = [f"--method {row.preset or method}"]
            own += [f"--system {row.system}"] if row.system else []
            own += [f"{key}: {value}" for key, value in row.settings.items()]
            lines.append(f"- {method}: {', '.join(own)}")
    return lines if lines[-1] == "" else [*lines, ""]


def note_on_code(runs: list[Run], data: Data) -> list[str]:
    """A warning if weights or scores were made by other code; else no lines."""
    others = made_by_other_code(runs, data)
    if not any(others):
        return []
    told = zip(others, kept_files(runs, data), ("trainings", "scores"), strict=True)
    numbers = [f"{number} of the {len(files)} {what}" for number, files, what in told if number]
    return [
        f"**{' and '.join(numbers)} were computed by other code than the present one.** To compute "
        "all anew, remove `.comparison/` and compare again.",
        "",
    ]
