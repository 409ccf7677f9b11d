"""A folder with reports of invented comparisons, to be summed up."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import yaml

from brl.support.files import write_csv

REFERENCE, CONTROL = "cross_entropy", "cross_entropy, as many steps"


class Summed:
    """A project folder with comparisons of the summary and their reports, but without data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "comparisons").mkdir()

    def compare(self, name: str, methods: Sequence[str] = (REFERENCE,), **changes: object) -> None:
        """Writes comparisons/NAME.yaml."""
        content = {
            "preset": name,
            "seeds": [0],
            "settings": {},
            "reference": REFERENCE,
            "summary": True,
            "without_classes": [],
            "methods": {method: {"streams": ["joint"]} for method in methods},
        }
        text = yaml.safe_dump(content | changes)
        (self.folder / f"comparisons/{name}.yaml").write_text(text, encoding="utf-8")

    def report(
        self,
        name: str,
        results: list[dict[str, object]],
        pairs: Sequence[dict[str, object]] = (),
        classes: Sequence[dict[str, object]] = (),
    ) -> None:
        """Writes comparison NAME and its report; rows may leave out what is usual."""
        self.compare(name, list(dict.fromkeys(str(row["method"]) for row in results)))
        folder = self.folder / "reports/comparisons" / name
        usual = {"what": "joint", "seed": 0, "few": float("nan"), "top1": 50.0}
        write_csv(pd.DataFrame([usual | row for row in results]), folder / "results.csv")
        usual = {"what": "joint", "against": REFERENCE, "seeds": 3, "difference": 0.0}
        usual |= {"low": -1.0, "high": 1.0, "p": 1.0}
        columns = [*usual, "method"]
        table = pd.DataFrame([usual | row for row in pairs], columns=columns)
        write_csv(table, folder / "pairs.csv")
        usual = {"class": "wave", "training_clips": 10, "what": "joint", "gain": 0.0}
        columns = [*usual, "method"]
        table = pd.DataFrame([usual | row for row in classes], columns=columns)
        write_csv(table, folder / "by_class.csv")
