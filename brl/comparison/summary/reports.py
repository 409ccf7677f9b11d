"""Reads the reports of the comparisons that belong to the summary."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from brl.comparison.file import COMPARISONS, Comparison, read_file
from brl.support.errors import UserError

RESULTS = ("method", "what", "seed", "few", "top1")
COSTS = ("steps", "minutes")  # reports of old lack them
PAIRS = ("what", "method", "against", "seeds", "difference", "low", "high", "p")
CLASSES = ("class", "training_clips", "what", "method", "gain")


@dataclass(frozen=True)
class Reports:
    """The reports of the comparisons with `summary: true`.

    reference        the method that all of them compare with
    control          the method that takes as many steps as the longest; None: there is none
    datasets         names of the comparisons that have a report
    missing          names of those that have none yet
    without_classes  names of those whose report has no by_class.csv
    results          columns `RESULTS`, `COSTS` (NaN where a report lacks them) and `dataset`
    pairs            columns `PAIRS` and `dataset`
    classes          columns `CLASSES` and `dataset`
    """

    reference: str
    control: str | None
    datasets: list[str]
    missing: list[str]
    without_classes: list[str]
    results: pd.DataFrame
    pairs: pd.DataFrame
    classes: pd.DataFrame


def read_reports(folder: Path) -> Reports:
    """Reads the reports in a folder, that of comparison NAME in folder/NAME.

    Raises UserError if no comparison belongs to the summary, if none of them has a report, if they
    differ in reference or control, or if a report cannot be read.
    """
    files = {path.stem: read_file(path) for path in sorted(COMPARISONS.glob("*.yaml"))}
    listed = {name: file for name, file in files.items() if file.summary}
    if not listed:
        raise UserError(f"{COMPARISONS}/: no comparison has `summary: true`")
    reference, control = (_common(listed, key) for key in ("reference", "control"))
    assert reference is not None  # it is a required key
    present = [name for name in listed if (folder / name / "results.csv").exists()]
    if not present:
        raise UserError(
            f"no report yet of {', '.join(listed)}; first: brl compare {next(iter(listed))}"
        )
    with_classes = [name for name in present if (folder / name / "by_class.csv").exists()]
    results = _tables(folder, present, "results.csv", RESULTS)
    return Reports(
        reference=reference,
        control=control,
        datasets=present,
        missing=[name for name in listed if name not in present],
        without_classes=[name for name in present if name not in with_classes],
        results=results.reindex(columns=[*RESULTS, *COSTS, "dataset"]),
        pairs=_tables(folder, present, "pairs.csv", PAIRS)[[*PAIRS, "dataset"]],
        classes=_tables(folder, with_classes, "by_class.csv", CLASSES)[[*CLASSES, "dataset"]],
    )


def _common(listed: dict[str, Comparison], key: str) -> str | None:
    """The value of a key that all comparisons share, apart from those that have None."""
    named = {getattr(file, key): name for name, file in listed.items()}
    named.pop(None, None)
    if len(named) > 1:
        (first, one), (second, other), *_ = named.items()
        raise UserError(
            f"{COMPARISONS}/{other}.yaml: {key}: {second}, but {one} has {first}; must be the same "
            "in all comparisons of the summary"
        )
    return next(iter(named), None)


def _tables(folder: Path, names: list[str], file: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """One table of all reports, with the column `dataset`."""
    tables = [pd.DataFrame(columns=[*columns, "dataset"])] if not names else []
    for name in names:
        path = folder / name / file
        again = f"brl compare {name} --report writes it again"
        try:
            table = pd.read_csv(path)
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be read; {again}") from error
        lacking = [column for column in columns if column not in table]
        if lacking:
            raise UserError(f"{path}: has no column {lacking[0]}; {again}")
        tables.append(table.assign(dataset=name))
    return pd.concat(tables, ignore_index=True)
