"""A comparison's file in comparisons/: its keys, and what must hold of them."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from brl.config.section import Seed
from brl.support.text import NAME_RULE, is_name, shortened
from brl.support.yaml_file import read_yaml

COMPARISONS = Path("comparisons")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Method(_Section):
    """A method: one row of the table.

    streams   the streams to train and fuse
    preset    a file of presets/methods; None: the one with the name of the row
    system    a file of presets/systems that is put over it; None: there is none
    settings  dotted parameters for this row only
    """

    streams: Annotated[list[str], Field(min_length=1)]
    preset: str | None = None
    system: str | None = None
    settings: dict[str, Any] = {}


class Comparison(_Section):
    """A file of comparisons/.

    preset           a file of presets/: params.yaml must have its recipe
    seeds            seeds from which every method's first stream is trained
    ensemble_seeds   those of them from which the other streams are trained; None: all
    settings         dotted parameters for all methods; they override params.yaml and the methods'
                     presets
    reference        the method that the others are compared with
    control          a method that takes as many steps as the longest one; None: there is none. The
                     summary over datasets compares with it, too
    summary          whether the comparison belongs to the summary over datasets
    without_classes  classes with doubtful test clips, left out of an additional mean
    methods          the rows of the table, by name
    """

    preset: str
    seeds: Annotated[list[Seed], Field(min_length=1)]
    ensemble_seeds: list[Seed] | None = None
    settings: dict[str, Any]
    reference: str
    control: str | None = None
    summary: bool = False
    without_classes: list[str]
    methods: Annotated[dict[str, Method], Field(min_length=1)]

    @field_validator("ensemble_seeds")
    @classmethod
    def _are_seeds(cls, chosen: list[Seed] | None, info: ValidationInfo) -> list[Seed] | None:
        for seed in chosen or []:
            if seed not in info.data.get("seeds", []):
                raise ValueError(f"{seed} must be one of `seeds`")
        return chosen

    @field_validator("methods")
    @classmethod
    def _have_names(cls, methods: dict[str, Method]) -> dict[str, Method]:
        for name in methods:
            if not is_name(name) or "|" in name:
                raise ValueError(f"{shortened(name, 60)!r}: {NAME_RULE}, without |")
        return methods

    @model_validator(mode="after")
    def _compares_with_its_methods(self) -> "Comparison":
        for key, method in (("reference", self.reference), ("control", self.control)):
            if method is not None and method not in self.methods:
                raise ValueError(f"{key}: {method} is none of its methods")
        return self

    @property
    def fused_from(self) -> list[Seed]:
        """The seeds from which all streams are trained, so that they can be fused."""
        return self.seeds if self.ensemble_seeds is None else self.ensemble_seeds


def read_file(path: Path) -> Comparison:
    """Reads a file of comparisons/; raises UserError if it is not valid."""
    return read_yaml(path, Comparison, name=str(path))
