"""The schema of params.yaml. It has no defaults: the file is the whole truth of a run."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from brl.errors import UserError

StreamName = Literal["joint", "bone", "skip", "joint_motion", "bone_motion", "skip_motion"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Angle = Annotated[float, Field(ge=0, le=3.1416)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DatasetParams(_Section):
    name: str
    split: str
    mirror: str | None


class PrepareParams(_Section):
    max_bodies: Count


class SubsampleParams(_Section):
    profile: Literal["exp", "step", "natural"]
    imbalance_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    max_per_class: Count | None
    list_file: str | None


class StreamParams(_Section):
    lr: Positive | None


class ModelParams(_Section):
    name: Literal["stgcnpp"]
    base_channels: Annotated[int, Field(ge=6, le=1024)]


class MethodParams(_Section):
    sampler: Literal["instance", "rebalanced"]
    loss: Literal["cross_entropy"]


class AugmentParams(_Section):
    rotation: Annotated[list[Angle], Field(min_length=3, max_length=3)]
    scale: Annotated[float, Field(ge=0, lt=1)]
    flip: Share
    flip_kind: Literal["swap", "mirror"]


class TrainParams(_Section):
    epochs: Count
    passes: Count
    batch_size: Annotated[int, Field(ge=2)]
    lr: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    clip_len: Annotated[int, Field(ge=4)]
    sampling: Literal["uniform", "random"]
    rescale: bool
    augment: AugmentParams
    precision: Literal["float32", "bfloat16"]


class PredictParams(_Section):
    num_clips: Count
    batch_size: Count
    precision: Literal["float32", "bfloat16"]


class EnsembleParams(_Section):
    weights: dict[StreamName, Annotated[float, Field(ge=0, allow_inf_nan=False)]]


class EvaluateParams(_Section):
    many_shot_above: Count
    few_shot_below: Count

    @model_validator(mode="after")
    def _ordered(self) -> "EvaluateParams":
        if self.few_shot_below > self.many_shot_above:
            raise ValueError("few_shot_below must not exceed many_shot_above")
        return self


class Params(_Section):
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    dataset: DatasetParams
    prepare: PrepareParams
    subsample: SubsampleParams
    streams: Annotated[dict[StreamName, StreamParams], Field(min_length=1)]
    model: ModelParams
    method: MethodParams
    train: TrainParams
    predict: PredictParams
    ensemble: EnsembleParams
    evaluate: EvaluateParams

    @model_validator(mode="after")
    def _every_stream_has_its_share(self) -> "Params":
        missing = [name for name in self.streams if name not in self.ensemble.weights]
        if missing:
            raise ValueError(f"ensemble.weights has no weight for the stream {missing[0]}")
        if not any(self.ensemble.weights[name] > 0 for name in self.streams):
            raise ValueError("ensemble.weights: at least one stream needs a weight above zero")
        return self


class _UniqueKeys(yaml.SafeLoader):
    """YAML allows no key twice; PyYAML silently takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(
                    problem="a key must be a word", problem_mark=key.start_mark
                )
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value!r} occurs twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_params(path: Path = Path("params.yaml")) -> Params:
    """The checked content of a parameter file.

    Raises UserError with a line that names the first wrong place and says what would be right.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a UTF-8 text file") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}:" if mark else ""
        raise UserError(f"{path}:{line} not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: must hold `key: value` lines, as the params.yaml of the project")
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {_in_words(error)}") from error


def _in_words(error: ValidationError) -> str:
    """The first complaint of a validation as `place: what is wrong; what would be right`."""
    # A misspelt key is also a missing one: name what stands there.
    problem = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    kind, given, context = problem["type"], problem["input"], problem.get("ctx", {})
    is_key = "[key]" in problem["loc"]
    place = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    more = error.error_count() - 1
    tail = f" (and {more} more)" if more else ""
    if kind == "extra_forbidden":
        return f"{place}: unknown key; known here: {_known_keys(problem['loc'])}{tail}"
    if kind == "missing":
        return f"{place}: missing; every key must be there{tail}"
    if kind == "literal_error" and is_key:
        return f"{place}: unknown stream; known: {context['expected']}{tail}"
    if kind == "value_error":
        prefix = f"{place}: " if place else ""
        return f"{prefix}{context['error']}{tail}"
    if kind == "too_short":
        return (
            f"{place}: needs {context['min_length']} or more, has {context['actual_length']}{tail}"
        )
    if kind == "model_type":
        return f"{place}: must be a block of `key: value` lines, not {given!r}{tail}"
    wanted = problem["msg"].removeprefix("Input should be ")
    if isinstance(given, str) and _is_number(given):
        wanted += f"; YAML reads {given} as text, write {_as_yaml_number(given)}"
    return f"{place}: must be {wanted}, not {given!r}{tail}"


def _known_keys(location: tuple[int | str, ...]) -> str:
    """The keys of the section in which `location` lies."""
    section: type[BaseModel] = Params
    for part in location[:-1]:
        field = section.model_fields.get(str(part))
        annotation = field.annotation if field else StreamParams
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            section = annotation
    return ", ".join(section.model_fields)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _as_yaml_number(text: str) -> str:
    """The number in a form that every YAML reader takes for one: 1e-3 becomes 1.0e-3."""
    mantissa, exponent, power = text.lower().partition("e")
    if exponent and "." not in mantissa:
        mantissa += ".0"
    if exponent and power[0] not in "+-":
        power = f"+{power}"
    return mantissa + exponent + power
