"""What a file of comparisons/ asks for: which methods, seeds and streams, under which settings."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from brl.config.params import Params, Seed, StreamName
from brl.config.presets import DATASETS, METHODS, overwrite
from brl.support.errors import UserError
from brl.support.yaml_file import read_yaml, validated
from brl.training.job import Job

COMPARISONS = Path("comparisons")
# They decide which clips there are, or differ run by run.
NO_SETTINGS = ("seed", "dataset", "prepare", "subsample")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Method(_Section):
    """A row of the table.

    streams   to train; all of them are fused
    preset    a file of presets/methods; None: the row's own name
    settings  dotted parameters, for this row alone
    """

    streams: Annotated[list[StreamName], Field(min_length=1)]
    preset: str | None = None
    settings: dict[str, Any] = {}


class Comparison(_Section):
    """A file of comparisons/.

    preset           a file of presets/: the dataset and split that params.yaml must have
    seeds            every method is trained from each
    settings         dotted parameters, for all methods alike, whatever params.yaml and the
                     methods' presets say
    reference        the method that the others are compared with
    without_classes  classes to leave out of one more mean: their test clips are in doubt
    methods          the rows
    """

    preset: str
    seeds: Annotated[list[Seed], Field(min_length=1)]
    settings: dict[str, Any]
    reference: str
    without_classes: list[str]
    methods: Annotated[dict[str, Method], Field(min_length=1)]


@dataclass(frozen=True)
class Run:
    """One stream of one method from one seed, with all its parameters."""

    method: str
    seed: int
    stream: StreamName
    params: Params

    @property
    def job(self) -> Job:
        """What to train; methods that differ after the training only have the same."""
        return Job.of(self.params, self.stream)

    @property
    def title(self) -> str:
        return f"{self.method} {self.stream}, seed {self.seed}"


def read_comparison(name: str, params: Params) -> Comparison:
    """comparisons/NAME.yaml; UserError where it is missing or wrong, or for other data."""
    path = COMPARISONS / f"{name}.yaml"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in COMPARISONS.glob("*.yaml")))
        raise UserError(f"unknown comparison {name!r}; known: {known}")
    comparison = read_yaml(path, Comparison, called=str(path))
    wanted = DATASETS.read(comparison.preset)["dataset"]
    for key, value in wanted.items():
        found = getattr(params.dataset, key)
        if found != value:
            raise UserError(
                f"{path}: is for dataset.{key} {value}, params.yaml has {found}; "
                f"first: brl preset {comparison.preset}"
            )
    if comparison.reference not in comparison.methods:
        raise UserError(f"{path}: reference: {comparison.reference} is none of its methods")
    return comparison


def planned_runs(comparison: Comparison, params: Params) -> list[Run]:
    """All runs, those that every method has first: so a grid that is cut short compares too.

    Raises UserError where a method, a setting or a stream is not valid.
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
    first = {method: row.streams[0] for method, row in comparison.methods.items()}
    return sorted(runs, key=lambda run: run.stream != first[run.method])


def params_of(comparison: Comparison, params: Params, method: str, seed: int) -> Params:
    """The parameters of a method: those of params.yaml, its preset, the comparison's settings,
    its own."""
    row = comparison.methods[method]
    content = params.model_dump()
    content["model"].setdefault("settings", {})
    overwrite(content, METHODS.read(row.preset or method))
    put(content, comparison.settings)
    put(content, row.settings)
    content["seed"] = seed
    return validated(content, Params, called=f"comparison: {method}")


def put(content: dict[str, Any], settings: dict[str, Any]) -> None:
    """Sets dotted parameters; UserError where there is none of that name, or it is no setting."""
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
    """A short name for what is equal in all these respects."""
    text = json.dumps(parts, sort_keys=True, default=lambda part: part.model_dump())
    return hashlib.sha256(text.encode()).hexdigest()[:16]
