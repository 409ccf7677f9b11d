"""The section `streams` of params.yaml."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    field_serializer,
    field_validator,
    model_serializer,
)

from brl.clips.layout import WHOLE_BODY, Layout
from brl.clips.layouts import limbs, masked_parts
from brl.config.section import Place, Positive, Section
from brl.support.errors import UserError
from brl.support.files import project_root, sha256


class ModalityParams(Section):
    """What a network sees of a joint.

    hops    0: the joint; n: its offset from the joint n hops nearer to the centre
    motion  whether the difference of each frame to the next one is shown
    """

    hops: Annotated[int, Field(ge=0, le=20)]
    motion: bool = False


class PictureInput(Section):
    """What a network sees of a clip beside its joints: the pictures of this name in `pictures`."""

    pictures: str


def _kind(given: Any) -> str:
    """Which of the two an input is, for messages that are about this one alone."""
    named = "pictures" in given if isinstance(given, dict) else isinstance(given, PictureInput)
    return "[pictures]" if named else "[modality]"


StreamInput = Annotated[
    Annotated[ModalityParams, Tag("[modality]")] | Annotated[PictureInput, Tag("[pictures]")],
    Discriminator(_kind),
]

# The modalities of BRL, arXiv 2308.14024.
MODALITIES = {
    f"{name}{suffix}": ModalityParams(hops=hops, motion=bool(suffix))
    for suffix in ("", "_motion")
    for hops, name in enumerate(("joint", "bone", "skip"))
}


def _listed(given: Any) -> list[Any]:
    """The inputs as a list of sections: a single one needs no list, and the six have names.

    Other names are those of pictures.
    """
    return [_named(each) for each in (given if isinstance(given, list) else [given])]


def _named(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    if given not in MODALITIES:
        return {"pictures": given}
    return MODALITIES[given].model_dump()


class CheckpointParams(Section):
    """A published checkpoint that replaces the training of a stream."""

    file: Place
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


class OwnModelParams(Section):
    """In what the network of a stream differs from `model`; dumps hold only what was given."""

    name: str = ""
    base_channels: int = 0
    blocks: list[int] | None = None
    settings: dict[str, Any] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _given(self, default: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in default(self).items() if key in self.model_fields_set}


class StreamParams(Section):
    """What a stream sees, and how its network gets its weights; see brl.streams.stream.

    inputs   modalities, one after the other along the channels; or pictures; or both
    part     a part of the layout; `body`: all joints
    model    in what its network differs from `model`
    weights  a checkpoint instead of a training
    lr       its learning rate; None: `train.lr`
    """

    inputs: Annotated[list[StreamInput], BeforeValidator(_listed), Field(min_length=1)]
    part: str = WHOLE_BODY
    model: OwnModelParams | None = None
    weights: CheckpointParams | None = None
    lr: Positive | None = None

    @field_validator("inputs")
    @classmethod
    def _with_one_camera(cls, inputs: list[StreamInput]) -> list[StreamInput]:
        if sum(isinstance(each, PictureInput) for each in inputs) > 1:
            raise ValueError("a stream sees the pictures of one camera: one stream for each")
        return inputs

    @field_serializer("inputs")
    def _by_name(self, inputs: list[StreamInput]) -> list[Any]:
        names = {modality: name for name, modality in MODALITIES.items()}
        return [
            each.pictures if isinstance(each, PictureInput) else names.get(each, each.model_dump())
            for each in inputs
        ]

    @property
    def modalities(self) -> list[ModalityParams]:
        """What the stream sees of joints; empty if it sees pictures alone."""
        return [each for each in self.inputs if isinstance(each, ModalityParams)]

    @property
    def pictures(self) -> str | None:
        """The name of the pictures that the stream sees; None: it sees none."""
        named = [each.pictures for each in self.inputs if isinstance(each, PictureInput)]
        return named[0] if named else None

    @property
    def shown(self) -> set[str]:
        """What the stream shows its network: joints, pictures, or both."""
        kinds = {"joints": self.modalities, "pictures": self.pictures}
        return {kind for kind, seen in kinds.items() if seen}


def check_part(layout: Layout, stream: str, part: str) -> None:
    """Raises UserError where a layout lacks a part that a stream sees."""
    try:
        layout.part(part)
    except ValueError as error:
        raise UserError(f"params.yaml: streams.{stream}.part: {error}") from error


def check_halves(layout: Layout, stream: str, part: str, mix: str) -> None:
    """Raises UserError where halves of the body are to be mixed and a stream sees one of them only.

    part: that of the layout which the stream sees. mix: `method.mix`.
    """
    seen = layout.part(part)
    upper = len(seen.upper_body)
    if mix.startswith("partial") and upper in (0, seen.num_joints):
        raise UserError(
            f"params.yaml: method.mix: {mix} mixes upper and lower bodies, but of the "
            f"{seen.num_joints} joints that streams.{stream} sees, {upper} are of the upper body; "
            "must be some of them (own data: upper_body in dataset.yaml), or choose another mix, "
            "as `brl preset --method cross_entropy` does"
        )


def check_limbs(layout: Layout, stream: str, part: str, mix: str) -> None:
    """Raises UserError where limbs are to be mixed and the layout has none, or a stream sees one.

    part: that of the layout which the stream sees. mix: `method.mix`.
    """
    if mix != "shap":
        return
    seen = set(layout.part_joints(part))
    try:
        parts = [each for each in limbs(layout) if each & seen]
    except ValueError as error:
        raise UserError(
            "params.yaml: method.mix: shap needs the parts hand and leg of the layout (own data: "
            f"parts in dataset.yaml): {error}"
        ) from error
    if len(parts) < 2:
        raise UserError(
            "params.yaml: method.mix: shap mixes trunk, arms and legs; the stream "
            f"{stream} sees one of them, must see two or more"
        )


def check_masked(layout: Layout, stream: str, part: str, number: int) -> None:
    """Raises UserError where as many body parts are to be masked as a stream sees, or more.

    part: that of the layout which the stream sees. number: `pretrain.masked.parts`.
    """
    count = len(masked_parts(layout, layout.part_joints(part)))
    if number >= count:
        remedy = f"must be {count - 1} at most" if count > 1 else "masking needs two or more"
        raise UserError(
            f"params.yaml: pretrain.masked.parts: {number}, but the stream {stream} sees {count} "
            f"body part{'s' * (count > 1)}; {remedy}"
        )
