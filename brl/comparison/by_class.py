"""What each method gains in each class of a comparison: a table and a picture."""

from pathlib import Path

import numpy as np
import pandas as pd

from brl.comparison.gain_figure import draw_gains
from brl.comparison.results import Scored
from brl.comparison.run import Data
from brl.comparison.sizes import SIZES
from brl.config.params import EvaluateParams
from brl.scores.metrics import accuracy_by_class, shot_groups
from brl.support.files import write_report


def write_classes(
    folder: Path, scored: list[Scored], reference: str, data: Data, params: EvaluateParams
) -> None:
    """Writes by_class.csv and, if there is a method to be compared with the reference, gain.png."""
    classes = class_table(scored, reference, data, params)
    write_report(classes, folder / "by_class.csv")
    gains = classes[(classes["method"] != reference) & classes["gain"].notna()]
    if len(gains):
        draw_gains(folder / "gain.png", gains, reference)


def class_table(
    scored: list[Scored], reference: str, data: Data, params: EvaluateParams
) -> pd.DataFrame:
    """Accuracies of classes, one row for each class, stream or fusion, and method.

    Columns: `class`, `training_clips`, `test_clips`, `group` (`many`, `medium` or `few`), `what`
    (the stream or the fusion), `method`, `seeds` (their number), `accuracy` (in %, mean over seeds)
    and `gain` (accuracy minus that of the reference, mean over the seeds that both have, in
    points). NaN for a class without test clips, and for gains without a common seed.
    """
    by_seed: dict[tuple[str, str], dict[int, np.ndarray]] = {}
    for one in scored:
        of_seeds = by_seed.setdefault((one.source, one.method), {})
        of_seeds[one.seed] = accuracy_by_class(one.clips)
    accuracies = {key: pd.DataFrame(of_seeds) for key, of_seeds in by_seed.items()}
    classes = pd.DataFrame(
        {
            "class": data.store.classes,
            "training_clips": data.subset.counts,
            "test_clips": np.bincount(scored[0].clips.labels, minlength=len(data.store.classes)),
            "group": shot_groups(data.subset.counts, params),
        }
    )
    tables = []
    for (what, method), accuracy in accuracies.items():
        own = classes.assign(what=what, method=method, seeds=accuracy.shape[1])
        own["accuracy"] = accuracy.mean(axis=1)
        # Columns are seeds: one that only one of the two has becomes NaN, which the mean skips.
        of_reference = accuracies.get((what, reference), pd.DataFrame(index=own.index))
        own["gain"] = (accuracy - of_reference).mean(axis=1)
        tables.append(own)
    return pd.concat(tables, ignore_index=True).round(4)


def lines_on_classes(of_reference: pd.DataFrame, reference: str) -> list[str]:
    """The lines of the page that show what `write_classes` wrote, in Markdown.

    of_reference: the pairs with the reference.
    """
    if of_reference.empty:
        return ["Accuracy by class: [by_class.csv](by_class.csv)."]
    return [
        f"What each class gains over {reference}, in points, by its number of training clips; the "
        f"line is the mean of classes with {', '.join(SIZES)} clips ([numbers](by_class.csv)):",
        "",
        "![](gain.png)",
    ]
