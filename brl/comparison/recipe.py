"""The whole recipe of a comparison, for its page: all parameters, machine and arithmetic."""

from collections import Counter
from typing import Any

from brl.clips.layout import WHOLE_BODY
from brl.comparison.data import Data
from brl.comparison.file import Comparison
from brl.comparison.made import facts, kept_files
from brl.comparison.plan import Run, flat, in_words

# Not of the recipe, or, for streams, told of those that are used.
LEFT_OUT = ("seed", "dataset.mirror", "streams.")


def recipe_lines(comparison: Comparison, runs: list[Run], data: Data) -> list[str]:
    """The lines of the recipe, in Markdown.

    All parameters of the reference, those in which other rows differ from it, and what the kept
    weights and scores were computed with.
    """
    first = next(run for run in runs if run.method == comparison.reference)
    reference = parameters(runs, first.method)
    sections: dict[str, list[str]] = {}
    for name, value in reference.items():
        section, key = name.split(".", 1)
        sections.setdefault(section, []).append(f"{key} {in_words(value)}")
    lines = ["", "## Recipe", "", f"All parameters of {first.method}:", ""]
    lines += [f"- {section}: {', '.join(values)}" for section, values in sections.items()]
    others = [
        f"- {method}: {', '.join(differences)}"
        for method in comparison.methods
        if (differences := differing(parameters(runs, method), reference))
    ]
    if others:
        lines += ["", "The other rows differ from it in:", "", *others]
    return [*lines, "", "Computed with:", "", *machine_lines(runs, data)]


def parameters(runs: list[Run], method: str) -> dict[str, Any]:
    """The parameters of a method by dotted names, with inputs and learning rate of its streams."""
    of_method = [run for run in runs if run.method == method]
    named = flat(of_method[0].params)
    shown = {name: value for name, value in named.items() if not name.startswith(LEFT_OUT)}
    for stream, job in {run.stream: run.job for run in of_method}.items():
        seen = of_method[0].params.streams[stream].model_dump(include={"inputs", "part", "model"})
        shown |= {
            f"streams.{stream}.{key}": value
            for key, value in seen.items()
            if value not in (None, WHOLE_BODY)
        }
        shown[f"streams.{stream}.lr"] = job.lr
    return shown


def differing(of_row: dict[str, Any], reference: dict[str, Any]) -> list[str]:
    """The parameters of a row, in words, that the reference has not or has otherwise."""
    return [
        f"{name} {in_words(value)}"
        for name, value in of_row.items()
        if name not in reference or reference[name] != value
    ]


def machine_lines(runs: list[Run], data: Data) -> list[str]:
    """Machine, threads, versions and arithmetic of the kept weights and scores, with numbers."""
    lines = []
    for files, what in zip(kept_files(runs, data), ("trainings", "scores"), strict=True):
        counted = Counter(
            "; ".join(f"{name} {value}" for name, value in facts([file]).items()) for file in files
        )
        lines += [
            f"- {number} of the {len(files)} {what}: {made or 'not recorded'}"
            for made, number in counted.most_common()
        ]
    return lines
