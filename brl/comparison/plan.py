"""The runs of a comparison: methods, seeds and streams with all their parameters."""

import hashlib
import json
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import yaml

from brl.comparison.file import COMPARISONS, Comparison, read_file
from brl.config.params import Params, read_params
from brl.config.presets import METHODS, SYSTEMS, apply_preset, overwrite, put_values
from brl.support.errors import UserError
from brl.support.yaml_file import validated
from brl.training.job import Job
from brl.unseen.clips import HELD_OUT

# These sections decide the clips, or differ from run to run.
NO_SETTINGS = ("seed", "dataset", "prepare", "subsample")
# These decide the clips that a method is judged by, and the groups of their classes.
JUDGED_BY = ("train.validation", "evaluate.many_shot_above", "evaluate.few_shot_below")


@dataclass(frozen=True)
class Run:
    """One stream of one method, trained from one seed, with all parameters.

    unseen  None: it scores the clips that judge. Else it scores training clips that it is not
            trained on, for a fusion that learns: HELD_OUT or the number of a fold
    """

    method: str
    seed: int
    stream: str
    params: Params
    unseen: int | None = None

    @property
    def job(self) -> Job:
        """The training job. Methods that differ only after the training share it.

        It holds nothing out by itself: held-out clips judge here, so they may not also choose the
        epoch. See `Data.parts`.
        """
        job = Job.of(self.params, self.stream)
        return replace(job, train=job.train.model_copy(update={"validation": 0.0}))

    @property
    def network(self) -> str:
        """The name of the network."""
        return self.job.model.name

    @property
    def title(self) -> str:
        """Names the run in messages."""
        shown = {None: "", HELD_OUT: ", held-out clips"}
        part = shown.get(self.unseen, f", without fold {self.unseen}")
        return f"{self.method} {self.stream}, seed {self.seed}{part}"

    @property
    def left_out(self) -> str:
        """Names, for keys, what a learned fusion takes from the clips of the training."""
        own, seed = self.params.ensemble, self.params.subsample.seed
        if own.held_out:
            return f", {own.held_out} unseen by seed {seed}"
        if self.unseen:
            return f", fold {self.unseen} of {own.folds} unseen by seed {seed}"
        return ""


def read_comparison(name: str, params: Params) -> Comparison:
    """Reads comparisons/NAME.yaml.

    Raises UserError if it is missing or invalid, or params.yaml does not have its recipe.
    """
    path = COMPARISONS / f"{name}.yaml"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in COMPARISONS.glob("*.yaml")))
        raise UserError(f"unknown comparison {name!r}; known: {known}")
    comparison = read_file(path)
    check_recipe(comparison, params, path)
    return comparison


def check_recipe(comparison: Comparison, params: Params, path: Path) -> None:
    """Raises UserError if a row would have other parameters than right after `brl preset`.

    Parameters that all rows set themselves may differ. path: of the comparison, for the message.
    """
    wanted = after_preset(comparison.preset, params)
    if params == wanted:
        return  # saves a second that reading the methods' presets takes
    for method in comparison.methods:
        present, right = (flat(params_of(comparison, each, method, 0)) for each in (params, wanted))
        for key in right | present:
            if present.get(key) == right.get(key):
                continue
            has, should = (in_words(each.get(key)) for each in (present, right))
            mirror = f" --mirror {params.dataset.mirror}" if params.dataset.mirror else ""
            raise UserError(
                f"{path}: preset {comparison.preset} has {key} {should}, params.yaml has {has}; "
                f"first: brl preset {comparison.preset}{mirror}"
            )


def after_preset(preset: str, params: Params) -> Params:
    """The parameters that `brl preset` makes of these, with the same mirror."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "params.yaml"
        file.write_text(yaml.safe_dump(content_of(params)), encoding="utf-8")
        apply_preset(preset, file, params.dataset.mirror)
        return read_params(file)


def content_of(params: Params) -> dict[str, Any]:
    """The parameters as params.yaml has them: also with keys that leave no trace in dumps."""
    content = params.model_dump()
    content["model"].setdefault("settings", {})
    content["method"].setdefault("prototypes", None)
    content["subsample"].setdefault("classes", None)
    if params.pretrain:
        for name in ("contrastive", "hallucinated"):
            content["pretrain"].setdefault(name, getattr(params.pretrain, name).model_dump())
    content["ensemble"] = {"held_out": 0.0, "folds": 0} | content["ensemble"]
    return content


def flat(params: Params) -> dict[str, Any]:
    """The parameters by their dotted names, without options that are not in use."""
    (row,) = pd.json_normalize(params.in_use()).to_dict("records")
    return {str(name): value for name, value in row.items()}


def in_words(value: Any) -> str:
    """A parameter's value as params.yaml has it."""
    return json.dumps(value, ensure_ascii=False).strip('"')


def planned_runs(comparison: Comparison, params: Params) -> list[Run]:
    """All runs of a comparison, in the order in which they are computed.

    Each method's first stream comes first, so an interrupted comparison still has results for all
    methods. Raises UserError if a method, a setting or a stream is invalid, or if two methods would
    be judged by different clips or in different groups of classes.
    """
    runs = []
    for seed in comparison.seeds:
        for method, row in comparison.methods.items():
            of_method = params_of(comparison, params, method, seed)
            check_streams(method, row.streams, of_method)
            check_fusion(method, row.streams, of_method)
            streams = row.streams if seed in comparison.fused_from else row.streams[:1]
            runs += [Run(method, seed, stream, of_method) for stream in streams]
    check_judged_alike(runs)
    first = {method: row.streams[0] for method, row in comparison.methods.items()}
    return sorted(runs, key=lambda run: run.stream != first[run.method])


def check_streams(method: str, streams: list[str], params: Params) -> None:
    """Raises UserError if a row names a stream that its parameters do not have."""
    for stream in streams:
        if stream not in params.streams:
            raise UserError(
                f"comparison: {method}: there is no stream {stream}; there are "
                f"{', '.join(params.streams)}"
            )


def check_fusion(method: str, streams: list[str], params: Params) -> None:
    """Raises UserError if a row has a fusion that learns, but only one stream."""
    if params.ensemble.learns and len(streams) == 1:
        raise UserError(
            f"comparison: {method}: ensemble.kind {params.ensemble.kind} learns to fuse streams, "
            f"but there is only {streams[0]}: add a stream, or take weighted or logits"
        )


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

    params.yaml is overridden by the presets of method and system, those by the comparison's
    settings, and these by the method's own. Raises UserError if the result is invalid.
    """
    row = comparison.methods[method]
    content = content_of(params)
    overwrite(content, METHODS.read(row.preset or method))
    if row.system:
        put_values(content, SYSTEMS.read(row.system))
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
