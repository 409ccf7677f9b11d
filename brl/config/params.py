"""The schema of params.yaml. It has no defaults: the file states all settings of a run."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from brl.support.errors import UserError
from brl.support.files import project_root, sha256
from brl.support.yaml_file import read_yaml

StreamName = Literal["joint", "bone", "skip", "joint_motion", "bone_motion", "skip_motion"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Angle = Annotated[float, Field(ge=0, le=3.1416)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DatasetParams(_Section):
    """Which dataset and split; `mirror` is a folder or URL that has its raw files."""

    name: str
    split: str
    mirror: str | None


class PrepareParams(_Section):
    """How the clip store is written."""

    max_bodies: Count


# The stage `subsample` depends on this folder: it runs again after a list was edited.
LISTS = Path("lists")


def list_path(list_file: str) -> Path:
    """The path of a list of clips; raises UserError if DVC would not notice an edit of it."""
    path = LISTS / list_file
    if not path.resolve().is_relative_to(LISTS.resolve()):
        raise UserError(
            f"params.yaml: subsample.list_file: {list_file}: is not in {LISTS}/, where "
            "DVC notices edits; copy the file there (a link is not enough) and give its name"
        )
    return path


class SubsampleParams(_Section):
    """How the training subset is chosen: by a class profile, or by a list of clips."""

    seed: Seed
    profile: Literal["exp", "step", "natural"]
    imbalance_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    max_per_class: Count | None
    list_file: str | None


class CheckpointParams(_Section):
    """A published checkpoint that replaces the training of a stream."""

    file: str
    sha256: str

    def verified(self) -> Path:
        """The path of the file; raises UserError if it is missing or its sha256 differs."""
        path = project_root() / self.file
        if not path.is_file():
            raise UserError(
                f"{self.file}: there is no such file; put it there, or run `brl weights "
                "STREAM FILE` with its new place, or with `none` to train instead"
            )
        if sha256(path) != self.sha256:
            raise UserError(
                f"{self.file}: not the file that params.yaml records (its sha256 differs); if "
                "the new one is meant, run `brl weights STREAM FILE` again"
            )
        return path


class StreamParams(_Section):
    """What a stream shows, and how its network gets its weights; see brl.streams.stream.

    use: whether the stream is not left out; Params has only those in use, so dumps go without it.
    """

    use: Annotated[bool, Field(exclude=True)] = True
    hops: Annotated[int, Field(ge=0, le=20)]
    weights: CheckpointParams | None
    lr: Positive | None


class NoSettings(_Section):
    """The settings of a network that has none of its own."""


class DGSTGCNSettings(_Section):
    """Settings of `dgstgcn`; graphs: learned graphs of each block (published: 8)."""

    graphs: Count = 8


# The networks' own settings, each with its published value where it is left out.
NETWORK_SETTINGS: dict[str, type[_Section]] = {"dgstgcn": DGSTGCNSettings}


class ModelParams(_Section):
    """The network, the same for all streams."""

    name: Literal["stgcn", "stgcnpp", "aagcn", "ctrgcn", "msg3d", "dgstgcn"]
    base_channels: Annotated[int, Field(ge=6, le=1024)]
    blocks: Annotated[list[Count], Field(min_length=1, max_length=5)] | None
    absent_bodies: Literal["skip", "pad"]
    head: Literal["linear", "cosine"]
    settings: dict[str, Any] = {}

    @field_validator("settings")
    @classmethod
    def _of_the_network(cls, settings: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        name = info.data.get("name", "")
        schema = NETWORK_SETTINGS.get(name, NoSettings)
        for key in settings:
            if key not in schema.model_fields:
                known = ", ".join(schema.model_fields) or "none"
                raise ValueError(f"{name} has no setting {key}; known: {known}")
        try:
            return schema.model_validate(settings).model_dump(exclude_unset=True)
        except ValidationError as error:
            problem = error.errors()[0]
            wanted = problem["msg"].removeprefix("Input should be ")
            raise ValueError(
                f"{problem['loc'][0]} must be {wanted}, not {problem['input']!r}"
            ) from error

    @model_serializer(mode="wrap")
    def _without_empty_settings(self, default: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves out empty settings, so that records without them stay valid."""
        content = default(self)
        if not self.settings:
            content.pop("settings", None)
        return content


class ScheduleParams(_Section):
    """After which share of the epochs the loss and the class weights set in."""

    loss: Share
    class_weights: Share


class MethodParams(_Section):
    """The long-tailed method: sampling, mixing, reversal, loss and class weights."""

    sampler: Literal["instance", "square_root", "class_balanced", "progressive", "rebalanced"]
    mix: Literal["none", "partial", "partial_published", "mixup", "remix"]
    mix_share: Share
    reverse: Literal["none", "same", "aware"]
    reverse_share: Share
    loss: Literal[
        "cross_entropy", "focal", "ldam", "balanced_softmax", "logit_adjustment", "equalisation"
    ]
    tau: Positive
    class_weights: Literal[
        "none", "inverse_frequency", "class_balanced", "action_aware", "action_aware_published"
    ]
    schedule: ScheduleParams


class AugmentParams(_Section):
    """Random augmentation of training clips; `rotation` is in rad about x, y and z."""

    rotation: Annotated[list[Angle], Field(min_length=3, max_length=3)]
    rotation_order: Literal["xyz", "yxz"]
    scale: Annotated[float, Field(ge=0, lt=1)]
    flip: Share
    flip_kind: Literal["swap", "mirror"]


class TrainParams(_Section):
    """Optimisation, and how frames are sampled and augmented.

    warmup: the share of the training in which the learning rate rises to its highest.
    """

    epochs: Count
    passes: Count
    validation: Annotated[float, Field(ge=0, le=0.5)]
    batch_size: Annotated[int, Field(ge=2)]
    lr: Positive
    warmup: Annotated[float, Field(ge=0, lt=1)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    clip_len: Annotated[int, Field(ge=4)]
    sampling: Literal["uniform", "random"]
    rescale: bool
    augment: AugmentParams
    precision: Literal["float32", "bfloat16"]


class ClassifierParams(_Section):
    """How the trained classifier is changed before the test."""

    kind: Literal["none", "logit_adjustment", "tau_normalised", "retrained"]
    tau: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PredictParams(_Section):
    """How test clips are scored; `num_clips` is the number of test views of each clip."""

    num_clips: Count
    batch_size: Count
    precision: Literal["float32", "bfloat16"]


class EnsembleParams(_Section):
    """How the streams are fused."""

    kind: Literal["weighted"]
    weights: dict[StreamName, Annotated[float, Field(ge=0, allow_inf_nan=False)]]


class EvaluateParams(_Section):
    """Numbers of training clips that separate many-, medium- and few-shot classes."""

    many_shot_above: Count
    few_shot_below: Count

    @model_validator(mode="after")
    def _ordered(self) -> "EvaluateParams":
        if self.few_shot_below > self.many_shot_above:
            raise ValueError("few_shot_below must not exceed many_shot_above")
        return self


class Params(_Section):
    """All of params.yaml."""

    seed: Seed
    dataset: DatasetParams
    prepare: PrepareParams
    subsample: SubsampleParams
    streams: Annotated[dict[StreamName, StreamParams], Field(min_length=1)]
    model: ModelParams
    method: MethodParams
    train: TrainParams
    classifier: ClassifierParams
    predict: PredictParams
    ensemble: EnsembleParams
    evaluate: EvaluateParams

    @field_validator("streams")
    @classmethod
    def _in_use(cls, streams: dict[StreamName, StreamParams]) -> dict[StreamName, StreamParams]:
        used = {name: stream for name, stream in streams.items() if stream.use}
        if not used:
            raise ValueError("at least one stream needs `use: true`")
        return used

    @model_validator(mode="after")
    def _ldam_has_cosine_head(self) -> "Params":
        if self.method.loss == "ldam" and self.model.head != "cosine":
            raise ValueError("method.loss: ldam takes cosines: model.head must be cosine")
        return self

    @model_validator(mode="after")
    def _published_mixing_pads(self) -> "Params":
        if self.method.mix == "partial_published" and self.model.absent_bodies != "pad":
            raise ValueError(
                "method.mix: partial_published mixes absent bodies too: model.absent_bodies must "
                "be pad"
            )
        return self

    @model_validator(mode="after")
    def _changed_classifier_is_linear(self) -> "Params":
        kind = self.classifier.kind
        if kind != "none" and self.model.head != "linear":
            raise ValueError(
                f"classifier.kind: {kind} takes a linear head: model.head must be linear"
            )
        return self

    @model_validator(mode="after")
    def _every_stream_has_a_weight(self) -> "Params":
        missing = [name for name in self.streams if name not in self.ensemble.weights]
        if missing:
            raise ValueError(f"ensemble.weights has no weight for the stream {missing[0]}")
        if not any(self.ensemble.weights[name] > 0 for name in self.streams):
            raise ValueError("ensemble.weights: at least one stream needs a weight above zero")
        return self


def read_params(path: Path = Path("params.yaml")) -> Params:
    """The checked content of a parameter file.

    Raises UserError that names the first wrong place and says what would be right.
    """
    return read_yaml(path, Params, name=str(path))
