"""The sections of params.yaml that decide the clips."""

from typing import Annotated, Literal

from pydantic import Field

from brl.config.section import Count, Section, Seed


class DatasetParams(Section):
    """Which dataset and split; `mirror` is a folder or URL that has its raw files."""

    name: str
    split: str
    mirror: str | None


class PrepareParams(Section):
    """How the clip store is written."""

    max_bodies: Count


class SubsampleParams(Section):
    """How the training subset is chosen: by a class profile, or by a list of clips."""

    seed: Seed
    profile: Literal["exp", "step", "natural"]
    imbalance_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    max_per_class: Count | None
    list_file: str | None
