"""The data report that `prepare` wrote, for the page and for `brl data`."""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from brl.support.errors import UserError
from brl.support.paths import DATA_FINDINGS, DATA_TABLE

# The columns of `DataReport.parts`, and their headings.
HEADINGS = {
    "split": "split",
    "part": "part",
    "clips": "clips",
    "classes": "classes",
    "of_class": "clips per class",
    "frames": "frames",
    "missing": "missing joints",
}


@dataclass(frozen=True)
class DataReport:
    """Statistics of the clips of each class and part, and findings that may be mistakes.

    Columns as from `by_class` and `findings` of brl.datasets.data_report.
    """

    classes: pd.DataFrame
    findings: pd.DataFrame

    @classmethod
    def read(cls, reports: Path) -> "DataReport":
        """Reads the report in a folder; raises UserError if it is not there."""
        table, findings = (reports / path.name for path in (DATA_TABLE, DATA_FINDINGS))
        try:
            return cls(
                pd.read_csv(table, keep_default_na=False, na_values={"shortest": ""}),
                pd.read_csv(findings, dtype={"example": str}, keep_default_na=False),
            )
        except OSError as error:
            raise UserError(f"{table}: not there; brl data makes it") from error

    @property
    def parts(self) -> list[dict[str, str]]:
        """A row for each part of each split, as text, with the columns `HEADINGS`."""
        rows = []
        for (split, part), classes in self.classes.groupby(["split", "part"], sort=False):
            clips = classes["clips"]
            present = classes[clips > 0]
            shortest, longest = (present[name].astype(int) for name in ("shortest", "longest"))
            missing = classes["missing_joints"].sum() / max(classes["joints"].sum(), 1)
            rows.append(
                {
                    "split": str(split),
                    "part": str(part),
                    "clips": f"{clips.sum()}",
                    "classes": f"{len(present)}",
                    "of_class": f"{clips.min()} to {clips.max()}",
                    "frames": f"{shortest.min()} to {longest.max()}" if len(present) else "",
                    "missing": f"{100 * missing:.2f} %",
                }
            )
        return rows

    def of_split(self, split: str) -> tuple[list[dict[str, str]], list[dict[Hashable, Any]]]:
        """The rows of `parts` of a split, and the findings that are not of another split."""
        others = tuple(f"{name}: " for name in self.classes["split"].unique() if name != split)
        findings = self.findings[~self.findings["finding"].str.startswith(others)]
        rows = [row for row in self.parts if row["split"] == split]
        return rows, findings.to_dict("records")
