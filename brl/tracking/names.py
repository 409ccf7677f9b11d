"""Names in MLflow: of runs, parameters, metrics and data."""

import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import ValidationError

from brl.config.params import Params
from brl.report.words import data_in_words, method_in_words
from brl.support.addresses import without_passwords
from brl.support.text import printable, shortened

# With more classes the table of runs in MLflow gets slow: then only the extremes are metrics.
MAX_CLASS_METRICS = 100
EXTREMES = 5  # classes at each end
SLUG_LENGTH = 60  # MLflow refuses names of more than 250 characters
NAME_LENGTH = 160
MOST_LETTERS = 5000  # of a value: MLflow refuses 6000 of a parameter, 8000 of a tag
# The parameters that `method_in_words` and `data_in_words` express.
METHOD_WORDS = {
    *(f"method.{name}" for name in ("loss", "class_weights", "sampler", "mix", "reverse")),
    "classifier.kind",
}
DATA_SECTIONS = ("dataset.", "prepare.", "subsample.")


def flattened(params: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters as one flat dictionary with dotted names, without passwords."""
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, dict):
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = without_passwords(value) if isinstance(value, str) else value
    return flat


def in_mlflow(value: Any) -> str:
    """The value of a parameter or a tag, as MLflow can keep it and show it."""
    lines = map(printable, str(value).split("\n"))
    return shortened("\n".join(lines), MOST_LETTERS)


def class_metric(label: int, name: str, num_classes: int, part: str = "accuracy") -> str:
    """Metric name of a class's accuracy: sorts by label, and has only characters MLflow accepts."""
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:SLUG_LENGTH]
    return f"{part}/class/{label:0{len(str(num_classes - 1))}d}_{slug}"


def accuracy_metrics(
    headline: dict[str, float | None], by_class: dict[str, float], part: str = "accuracy"
) -> dict[str, float]:
    """Headline numbers and accuracies by class (name to %) as metrics, undefined ones left out.

    With more than MAX_CLASS_METRICS classes only those with the lowest and the highest accuracies
    are metrics. part: the first part of the names; `accuracy` means test clips everywhere.
    """
    classes = {
        class_metric(label, name, len(by_class), part): value
        for label, (name, value) in enumerate(by_class.items())
        if value == value  # NaN: a class without test clips
    }
    if len(by_class) > MAX_CLASS_METRICS:
        ranked = sorted(classes.items(), key=lambda item: item[1])
        classes = dict(ranked[:EXTREMES] + ranked[-EXTREMES:])
    return headline_metrics(headline, part) | classes


def headline_metrics(headline: dict[str, float | None], part: str) -> dict[str, float]:
    """Headline numbers as metrics, undefined ones left out; part: the first part of the names."""
    return {f"{part}/{name}": value for name, value in headline.items() if value is not None}


def data_tag(params: Params) -> str:
    """The data in words, with all parameters of the subset."""
    subsample, words = params.subsample, data_in_words(params)
    if subsample.classes:
        words += f", classes {', '.join(map(str, subsample.classes))}"
    if subsample.list_file:
        return words
    if subsample.max_per_class is not None:
        words += f", at most {subsample.max_per_class} clips of a class"
    return f"{words}, subset seed {subsample.seed}"


def run_name(params: Params, stream: str | None = None, without: tuple[str, ...] = ()) -> str:
    """A name that says in what a run differs from params.yaml as it is committed.

    Without git, or without a difference, it is the method, the data and the seed. The name of an
    experiment of DVC comes first.

    stream: the only stream of the run; None: all. without: sections that do not matter to it.
    """
    committed = committed_params()
    words = list(_differences(committed, params, stream, without)) if committed else []
    name = _shortened(words) or (
        f"{method_in_words(params)}: {data_in_words(params)}, seed {params.seed}"
    )
    experiment = os.environ.get("DVC_EXP_NAME")
    return ": ".join(filter(None, (experiment, stream, name)))


def committed_params() -> Params | None:
    """params.yaml of git's HEAD; None without git, or if today's schema does not accept it."""
    command = ["git", "show", "HEAD:./params.yaml"]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, check=True)
        return Params.model_validate(yaml.safe_load(shown.stdout))
    except (OSError, subprocess.CalledProcessError, ValidationError):
        return None


def _differences(
    old: Params, new: Params, stream: str | None, without: tuple[str, ...]
) -> Iterator[str]:
    """The differences in words: of data and method first, then parameter by parameter."""
    before, after = flattened(old.in_use()), flattened(new.in_use())
    changed = [name for name in before | after if before.get(name) != after.get(name)]
    changed = [name for name in changed if name != "dataset.mirror"]
    if {"dataset.name", "dataset.split"} & set(changed):
        yield data_in_words(new)
        changed = [name for name in changed if not name.startswith(DATA_SECTIONS)]
    if METHOD_WORDS & set(changed):
        yield method_in_words(new)
    if stream is None:
        yield from (f"with {name}" for name in new.streams if name not in old.streams)
        yield from (f"without {name}" for name in old.streams if name not in new.streams)
    for name in changed:
        section, *rest = name.split(".")
        known = section != "streams" or (rest[0] in old.streams and rest[0] in new.streams)
        own = section != "streams" or stream in (None, rest[0])
        if known and own and name not in METHOD_WORDS and section not in without:
            yield f"{name} {after.get(name)}"


def _shortened(words: list[str]) -> str:
    """As many of the words as fit into a name, and the number of the others."""
    name = ""
    for index, word in enumerate(words):
        longer = f"{name}, {word}" if name else word
        if len(longer) > NAME_LENGTH:
            return f"{name} and {len(words) - index} more"
        name = longer
    return name
