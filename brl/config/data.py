"""The sections of params.yaml that decide the clips."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from brl.config.section import Count, Extended, Place, Section, Seed


class DatasetParams(Section):
    """Which dataset and split; `mirror` is a folder or URL that has its raw files."""

    name: str
    split: str
    mirror: Place | None


class PrepareParams(Section):
    """How the clip store is written."""

    max_bodies: Count


class SubsampleParams(Extended):
    """How the training subset is chosen: by a class profile, or by a list of clips.

    classes: those that are told apart, by name or label; None: all of the dataset. This also
    chooses the test clips.
    """

    seed: Seed
    profile: Literal["exp", "step", "natural"]
    imbalance_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    max_per_class: Count | None
    list_file: Place | None
    classes: list[str | int] | None = None

    @field_validator("classes")
    @classmethod
    def _some(cls, classes: list[str | int] | None) -> list[str | int] | None:
        if classes and len(classes) < 2:
            raise ValueError("one class; must be two or more, or empty for all classes")
        return classes or None
