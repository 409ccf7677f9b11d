"""A comparison as its file in comparisons/ describes it: methods, seeds, streams, settings."""

import hashlib
import json
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from brl.config.params import Params, Seed, StreamName
from brl.config.presets import DATASETS, METHODS, overwrite
from brl.support.errors import UserError
from brl.support.yaml_file import read_yaml, validated
from brl.training.job import Job

COMPARISONS = Path("comparisons")
# These sections decide the clips, or differ from run to run.
NO_SETTINGS = ("seed", "dataset", "prepare", "subsample")
# These decide the clips that a method is judged by, and the groups of their classes.
JUDGED_BY = ("train.validation", "evaluate.many_shot_above", "evaluate.few_shot_below")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Method(_Section):
    """A method: one row of the table.

    streams   the streams to train and fuse
    preset    a file of presets/methods; None: the one with the name of the row
    settings  dotted parameters for this row only
    """

    streams: Annotated[list[StreamName], Field(min_length=1)]
    preset: str | None = None
    settings: dict[str, Any] = {}


class Comparison(_Section):
    """A file of comparisons/.

    preset           a file of presets/: params.yaml must have its dataset and split
    seeds            seeds from which every method is trained
    settings         dotted parameters for all methods; they override params.yaml and the methods'
                     presets
    reference        the method that the others are compared with
    without_classes  classes with doubtful test clips, left out of an additional mean
    methods          the rows of the table, by name
    """

    preset: str
    seeds: Annotated[list[Seed], Field(min_length=1)]
    settings: dict[str, Any]
    reference: str
    without_classes: list[str]
    methods: Annotated[dict[str, Method], Field(min_length=1)]


@dataclass(frozen=True)
class Run:
    """One stream of one method, trained from one seed, with all parameters."""

    method: str
    seed: int
    stream: StreamName
    params: Params

    @property
    def job(self) -> Job:
        """The training job. Methods that differ only after the training share it."""
        return Job.of(self.params, self.stream)

    @property
    def title(self) -> str:
        """Names the run in messages."""
        return f"{self.method} {self.stream}, seed {self.seed}"


def read_comparison(name: str, params: Params) -> Comparison:
    """Reads comparisons/NAME.yaml.

    Raises UserError if it is missing or invalid, or made for another dataset or split.
    """
    path = COMPARISONS / f"{name}.yaml"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in COMPARISONS.glob("*.yaml")))
        raise UserError(f"unknown comparison {name!r}; known: {known}")
    comparison = read_yaml(path, Comparison, name=str(path))
    wanted = DATASETS.read(comparison.preset)["dataset"]
    for key, value in wanted.items():
        present = getattr(params.dataset, key)
        if present != value:
            raise UserError(
                f"{path}: is for dataset.{key} {value}, params.yaml has {present}; "
                f"first: brl preset {comparison.preset}"
            )
    if comparison.reference not in comparison.methods:
        raise UserError(f"{path}: reference: {comparison.reference} is none of its methods")
    return comparison


def planned_runs(comparison: Comparison, params: Params) -> list[Run]:
    """All runs of a comparison, in the order in which they are computed.

    Each method's first stream comes first, so an interrupted comparison still has results for all
    methods. Raises UserError if a method, a setting or a stream is invalid, or if two methods would
    be judged by different clips or in different groups of classes.
    """
    for method, row in comparison.methods.items():
        for stream in row.streams:
            if stream not in params.streams:
                raise UserError(f"comparison: {method}: params.yaml has no stream {stream}")
    runs = [
        Run(method, seed, stream, params_of(comparison, params, method, seed))
        for seed in comparison.seeds
        for method, row in comparison.methods.items()
        for stream in row.streams
    ]
    check_judged_alike(runs)
    first = {method: row.streams[0] for method, row in comparison.methods.items()}
    return sorted(runs, key=lambda run: run.stream != first[run.method])


def check_judged_alike(runs: list[Run]) -> None:
    """Raises UserError if runs differ in a parameter of `JUDGED_BY`."""
    for key in JUDGED_BY:
        value_of = attrgetter(key)
        expected = value_of(runs[0].params)
        for run in runs:
            if (value := value_of(run.params)) != expected:
                raise UserError(
                    f"comparison: methods: {run.method}: {key} {value}, but {runs[0].method} has "
                    f"{expected}; must be the same for all: set it in the comparison's settings"
                )


def params_of(comparison: Comparison, params: Params, method: str, seed: int) -> Params:
    """The parameters of a method.

    params.yaml is overridden by the method's preset, that by the comparison's settings, and those
    by the method's own. Raises UserError if the result is invalid.
    """
    row = comparison.methods[method]
    content = params.model_dump()
    content["model"].setdefault("settings", {})
    overwrite(content, METHODS.read(row.preset or method))
    put(content, comparison.settings)
    put(content, row.settings)
    content["seed"] = seed
    return validated(content, Params, name=f"comparison: {method}")


def put(content: dict[str, Any], settings: dict[str, Any]) -> None:
    """Sets dotted parameters in place.

    Raises UserError if a parameter does not exist or must be the same for all methods.
    """
    for name, value in settings.items():
        if name.split(".")[0] in NO_SETTINGS:
            raise UserError(f"comparison: settings: {name} must be the same for all: params.yaml")
        *sections, key = name.split(".")
        section: Any = content
        for part in sections:
            section = section.get(part) if isinstance(section, dict) else None
        if not isinstance(section, dict) or key not in section:
            raise UserError(f"comparison: settings: params.yaml has no {name}")
        section[key] = value


def key_of(*parts: Any) -> str:
    """A hash of JSON values and pydantic models, used as a file name."""
    text = json.dumps(parts, sort_keys=True, default=lambda part: part.model_dump())
    return hashlib.sha256(text.encode()).hexdigest()[:16]
