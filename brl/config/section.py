"""What the sections of params.yaml have in common."""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Angle = Annotated[float, Field(ge=0, le=3.1416)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _can_be_opened(path: str) -> str:
    if "\0" in path:
        raise ValueError("holds a NUL character; must be a path or an address")
    return path


Place = Annotated[str, AfterValidator(_can_be_opened)]
# Names of streams are names of files, stages and metrics.
StreamName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]


class Section(BaseModel):
    """A section: unknown keys are refused, and values are not converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Extended(Section):
    """A section with later keys, which have defaults: a key at its default leaves no trace.

    So records from before a key stay valid: weights, checkpoints, keys of stored trainings.
    """

    @model_serializer(mode="wrap")
    def _without_defaults(self, default: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content = default(self)
        for name, field in type(self).model_fields.items():
            if not field.is_required() and getattr(self, name) == field.get_default(
                call_default_factory=True
            ):
                content.pop(name, None)
        return content
