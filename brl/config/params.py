"""The schema of params.yaml. It has no defaults: the file states all settings of a run."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from brl.config.data import DatasetParams, PrepareParams, SubsampleParams
from brl.config.ensemble import EnsembleParams
from brl.config.evaluate import EvaluateParams
from brl.config.networks import LEAST_WIDTHS, NETWORK_SETTINGS, NoSettings, sees
from brl.config.pictures import PictureParams
from brl.config.pretrain import PretrainParams
from brl.config.section import (
    Angle,
    Count,
    Extended,
    Positive,
    Section,
    Seed,
    Share,
    StreamName,
)
from brl.config.streams import MODALITIES, StreamParams
from brl.support.errors import UserError
from brl.support.yaml_file import read_yaml, validated

# The stage `subsample` depends on this folder: it runs again after a list was edited.


class ModelParams(Extended):
    """The network of all streams, but for what a stream has of its own."""

    name: Literal[
        "stgcn", "stgcnpp", "aagcn", "ctrgcn", "msg3d", "dgstgcn", "psumnet", "skeletonmae",
        "deformable3d", "resnet18", "r2plus1d18",
    ]  # fmt: skip
    base_channels: Annotated[int, Field(ge=6, le=1024)]
    blocks: Annotated[list[Count], Field(min_length=1, max_length=5)] | None
    absent_bodies: Literal["skip", "pad"]
    head: Literal["linear", "cosine"]
    settings: dict[str, Any] = Field(default_factory=dict)

    @field_validator("base_channels")
    @classmethod
    def _is_wide_enough(cls, width: int, info: ValidationInfo) -> int:
        name = info.data.get("name", "")
        if width < (least := LEAST_WIDTHS.get(name, 0)):
            raise ValueError(f"{name} takes {least} or more")
        return width

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


def networks_that_see(shown: set[str]) -> list[str]:
    """The values of `model.name` for streams that show `joints`, `pictures`, or both."""
    names = get_args(ModelParams.model_fields["name"].annotation)
    return [name for name in names if shown <= {*sees(name)}]


class ScheduleParams(Section):
    """After which share of the epochs the loss and the class weights set in."""

    loss: Share
    class_weights: Share


class PrototypeParams(Section):
    """The graph-prototype loss: see brl.training.prototypes.

    number: prototypes of graphs; weight: of the loss; update: the clips that move their class's
    prototype, all of them or the correctly classified ones (published).
    """

    number: Count
    weight: Positive
    update: Literal["all", "correct"]


class MethodParams(Extended):
    """The long-tailed method: sampling, mixing, reversal, losses and class weights."""

    sampler: Literal["instance", "square_root", "class_balanced", "progressive", "rebalanced"]
    mix: Literal["none", "partial", "partial_published", "mixup", "remix", "shap"]
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
    prototypes: PrototypeParams | None = None


class AugmentParams(Section):
    """Random augmentation of training clips; `rotation` is in rad about x, y and z."""

    rotation: Annotated[list[Angle], Field(min_length=3, max_length=3)]
    rotation_order: Literal["xyz", "yxz"]
    scale: Annotated[float, Field(ge=0, lt=1)]
    flip: Share
    flip_kind: Literal["swap", "mirror"]


class TrainParams(Extended):
    """Optimisation, and how frames are sampled and augmented.

    warmup: the share of the training in which the learning rate rises to its highest. clip_grad:
    the largest norm of the gradients of all weights; None: any.
    """

    epochs: Count
    passes: Count
    validation: Annotated[float, Field(ge=0, le=0.5)]
    batch_size: Annotated[int, Field(ge=2)]
    lr: Positive
    warmup: Annotated[float, Field(ge=0, lt=1)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    clip_grad: Positive | None = None
    clip_len: Annotated[int, Field(ge=4)]
    sampling: Literal["uniform", "random"]
    rescale: bool
    augment: AugmentParams
    precision: Literal["float32", "bfloat16"]


class ClassifierParams(Section):
    """How the trained classifier is changed before the test."""

    kind: Literal["none", "logit_adjustment", "tau_normalised", "retrained"]
    tau: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PredictParams(Section):
    """How test clips are scored; `num_clips` is the number of test views of each clip."""

    num_clips: Count
    batch_size: Count
    precision: Literal["float32", "bfloat16"]


class Params(Section):
    """All of params.yaml.

    pretrain is None in files from before there was a pre-training; pictures may be missing in files
    from before there were any.
    """

    seed: Seed
    dataset: DatasetParams
    prepare: PrepareParams
    pictures: dict[StreamName, PictureParams] = Field(default_factory=dict)
    subsample: SubsampleParams
    streams: Annotated[dict[StreamName, StreamParams], Field(min_length=1)]
    model: ModelParams
    method: MethodParams
    train: TrainParams
    pretrain: PretrainParams | None = None
    classifier: ClassifierParams
    predict: PredictParams
    ensemble: EnsembleParams
    evaluate: EvaluateParams

    @model_validator(mode="after")
    def _pictures_that_are_seen_are_there(self) -> "Params":
        for name in self.pictures:
            if name in MODALITIES:
                raise ValueError(f"pictures.{name}: is a modality of joints; must be another name")
        for name, stream in self.streams.items():
            if stream.pictures is not None and stream.pictures not in self.pictures:
                known = ", ".join([*MODALITIES, *self.pictures])
                raise ValueError(
                    f"streams.{name}.inputs: unknown modality {stream.pictures!r}; known: {known}, "
                    "or a block with hops and motion; pictures have their names in pictures"
                )
        return self

    @model_validator(mode="after")
    def _streams_have_valid_networks(self) -> "Params":
        for name in self.streams:
            if name == "ensemble":
                raise ValueError("streams.ensemble: the ensemble of all streams has this name")
            try:
                network = self.model_of(name).name
            except UserError as error:
                raise ValueError(str(error)) from error
            shown = self.streams[name].shown
            if not shown <= {*sees(network)}:
                raise ValueError(
                    f"model.name {network} sees {' and '.join(sees(network))}; the stream {name} "
                    f"shows {' and '.join(sorted(shown))}: must be one of "
                    f"{', '.join(networks_that_see(shown))}"
                )
        return self

    @model_validator(mode="after")
    def _ldam_has_cosine_head(self) -> "Params":
        if self.method.loss == "ldam" and self.model.head != "cosine":
            raise ValueError("method.loss: ldam takes cosines: model.head must be cosine")
        return self

    @model_validator(mode="after")
    def _prototypes_have_graphs(self) -> "Params":
        if self.method.prototypes is None:
            return self
        for stream in self.streams:
            if self.model_of(stream).name != "dgstgcn":
                raise ValueError(
                    "method.prototypes takes graphs that the network learns: model.name must be "
                    f"dgstgcn; it is {self.model_of(stream).name} for {stream}"
                )
        return self

    @model_validator(mode="after")
    def _pretraining_sees_no_held_out_clip(self) -> "Params":
        pretrain = self.pretraining
        if pretrain and pretrain.clips == "split" and self.train.validation > 0:
            raise ValueError(
                "pretrain.clips: split has clips that train.validation holds out: must be subset"
            )
        return self

    @model_validator(mode="after")
    def _mixing_fits(self) -> "Params":
        if self.method.mix == "shap" and self.method.mix_share != 1:
            raise ValueError("method.mix: shap mixes every clip: method.mix_share must be 1.0")
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
    def _ensemble_fits_the_streams(self) -> "Params":
        self.ensemble.check_streams(self.streams)
        if self.ensemble.learns and self.pretraining and self.pretraining.clips == "split":
            raise ValueError(
                f"pretrain.clips: split has the clips that {self.ensemble.kind} learns from, which "
                "no stream may have seen: must be subset"
            )
        return self

    def in_use(self, without: Collection[str] = ()) -> dict[str, Any]:
        """The values that have an effect, as JSON; without: sections to leave out."""
        off = set() if self.pretraining else {"pretrain"}
        off |= set() if self.pictures else {"pictures"}
        content = self.model_dump(mode="json", exclude={*without, *off})
        if self.pretraining and "pretrain" in content:
            content["pretrain"] = self.pretraining.in_use
        return content

    @property
    def pretraining(self) -> PretrainParams | None:
        """The section `pretrain`; None if it is switched off."""
        return None if self.pretrain is None or self.pretrain.kind == "none" else self.pretrain

    def model_of(self, stream: str) -> ModelParams:
        """The network of a stream: `model`, with what the stream has of its own.

        Raises UserError where that is not valid.
        """
        own = self.streams[stream].model
        if own is None:
            return self.model
        content = self.model.model_dump() | own.model_dump()
        if content["name"] != self.model.name:
            content["settings"] = own.settings
        return validated(content, ModelParams, name=f"streams.{stream}.model")


def read_params(path: Path = Path("params.yaml")) -> Params:
    """The checked content of a parameter file.

    Raises UserError that names the first wrong place and says what would be right.
    """
    return read_yaml(path, Params, name=str(path))
