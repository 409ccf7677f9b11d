"""Enters clips into `clips.csv`, the list of a folder of own data."""

from pathlib import Path

import pandas as pd

from brl.datasets.own.clip_list import CLIPS_FILE, lines_without
from brl.support.errors import UserError
from brl.support.files import write_csv
from brl.video.clips import Made

COLUMNS = ("name", "label", "split", "width", "height")


class ClipList:
    """The list of a folder's clips; empty if there is none yet.

    Lines and columns that are there stay. Raises UserError where the file is no such list.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / CLIPS_FILE
        self.columns, self.rows = list(COLUMNS), list[dict[str, str]]()
        if self.path.exists():
            table = _read(self.path)
            has_split = any(column.startswith("split") for column in table)
            new = [
                column
                for column in COLUMNS
                if column not in table and not (column == "split" and has_split)
            ]
            self.columns = [*table, *new]
            self.rows = table.reindex(columns=self.columns, fill_value="").to_dict("records")

    def enter(self, made: Made) -> None:
        """Enters a clip, and writes the list. A label that is there stays."""
        size = {"width": str(made.width), "height": str(made.height)}
        line = next((row for row in self.rows if row["name"] == made.video.name), None)
        if line is None:
            line = dict.fromkeys(self.columns, "") | {"name": made.video.name}
            self.rows.append(line)
        line |= size | {"label": line["label"] or made.video.label}
        write_csv(pd.DataFrame(self.rows, columns=self.columns), self.path)

    def lines_without(self, column: str) -> str:
        """The lines where a value is missing, in words; empty if there is none."""
        return lines_without([row.get(column, "-") for row in self.rows])


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            path, dtype=str, keep_default_na=False, skipinitialspace=True, encoding="utf-8-sig"
        )
    except ValueError as error:  # not CSV, or not UTF-8
        raise UserError(f"{path}: not a list of clips; must be CSV with a header") from error
    if "name" not in table:
        raise UserError(f"{path}: no column 'name'; the list needs {', '.join(COLUMNS)}")
    return table
