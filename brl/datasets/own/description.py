"""Reads `dataset.yaml`, the description of the user's own data."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from brl.clips.layout import OWN, Layout
from brl.clips.layouts import LAYOUTS, NTU25, SHORT_NAMES
from brl.clips.normalize import Normalization
from brl.support.text import NAME_RULE, is_name, shortened
from brl.support.yaml_file import read_yaml

DESCRIPTION_FILE = "dataset.yaml"
Joint = int | str
KNOWN = LAYOUTS | SHORT_NAMES


class Description(BaseModel):
    """The content of a `dataset.yaml`.

    `name` is what reports call the data. Either `layout` names a known layout, and `dimensions` and
    `scored` may say how its channels differ; or the keys from `joints` to `scored` describe one.
    Only partial mixing needs `upper_body`. A joint is given by its name or by its number, from 0.
    The page for users is docs/own_data.md.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    classes: Annotated[list[str], Field(min_length=2)]
    layout: str | None = None
    joints: list[str] | None = None
    parents: list[Joint] | None = None
    left_right: list[Annotated[list[Joint], Field(min_length=2, max_length=2)]] = []
    upper_body: list[Joint] | None = None
    lower_body: list[Joint] | None = None
    parts: dict[str, list[Joint]] = {}
    dimensions: Literal[2, 3] = 3
    scored: bool = False
    normalize: Literal["none", "center", "ntu", "image"]
    center: Joint | None = None
    name: str | None = None

    @model_validator(mode="after")
    def _one_layout(self) -> "Description":
        own = {"joints", "parents", "left_right", "upper_body", "lower_body", "parts"}
        given = own & self.model_fields_set
        if self.layout is not None and given:
            raise ValueError(f"layout and {min(given)}: give a known layout or describe your own")
        if self.layout is not None and self.layout not in KNOWN:
            raise ValueError(f"layout: unknown {self.layout!r}; known: {', '.join(LAYOUTS)}")
        if self.layout is None and self.parents is None:
            raise ValueError(f"needs a layout ({', '.join(LAYOUTS)}), or parents of your own")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: a name occurs twice")
        for name in self.classes:
            if not is_name(name):
                raise ValueError(f"classes: {shortened(name, 60)!r}: {NAME_RULE}")
        for name in (*(self.joints or ()), *self.parts):
            if not is_name(name):
                raise ValueError(f"joints, parts: {shortened(name, 60)!r}: {NAME_RULE}")
        if self.name is not None and not is_name(self.name):
            raise ValueError(f"name: {shortened(self.name, 60)!r}: {NAME_RULE}")
        if self.normalize == "center" and self.center is None:
            raise ValueError(
                "center: missing; `normalize: center` needs the joint that becomes the origin: the "
                "middle of the hips, else the neck, else a hip, a shoulder or the nose; of a hand "
                "the wrist (docs/own_data.md)"
            )
        if self.normalize != "center" and self.center is not None:
            raise ValueError(f"center: is for `normalize: center`, not for {self.normalize}")
        layout = self.skeleton()
        if self.normalize == "ntu" and layout != NTU25:
            raise ValueError("normalize: `ntu` is for the layout ntu25 in 3D; use center")
        if self.normalize == "image" and layout.dimensions != 2:
            raise ValueError("normalize: `image` is for 2D joints; use center")
        if self.center is not None and self.center_joint not in range(layout.num_joints):
            raise ValueError(f"center: no joint {self.center}; there are {layout.num_joints}")
        return self

    @property
    def center_joint(self) -> int:
        """The index of the joint `center`. Raises ValueError where there is no such joint."""
        assert self.center is not None
        return self._indices([self.center], "center")[0]

    def normalization(self) -> Normalization:
        """The rule by which the joints are normalised."""
        if self.center is None:
            return Normalization(self.normalize)
        return Normalization(self.normalize, self.center_joint)

    def skeleton(self) -> Layout:
        """The layout. Raises ValueError, with a message for the user, where it is invalid."""
        if self.layout is not None:
            changes = {"dimensions", "scored"} & self.model_fields_set
            return replace(KNOWN[self.layout], **{key: getattr(self, key) for key in changes})
        assert self.parents is not None
        if self.joints is not None and len(self.joints) != len(self.parents):
            raise ValueError(
                f"parents: {len(self.parents)} for {len(self.joints)} joints; must be one per joint"
            )
        if len(set(self.joints or [])) < len(self.joints or []):
            raise ValueError("joints: a name occurs twice")
        count = len(self.parents)
        upper = self._indices(self.upper_body or [], "upper_body")
        if self.lower_body is not None:
            lower = self._indices(self.lower_body, "lower_body")
            if sorted([*upper, *lower]) != list(range(count)):
                raise ValueError("upper_body, lower_body: each joint must be in one of them, once")
        pairs = [self._indices(pair, "left_right") for pair in self.left_right]
        return Layout(
            name=OWN,
            parents=self._indices(self.parents, "parents"),
            mirror_pairs=tuple((left, right) for left, right in pairs),
            upper_body=upper,
            dimensions=self.dimensions,
            scored=self.scored,
            parts={
                name: self._indices(joints, f"parts: {name}") for name, joints in self.parts.items()
            },
            names=tuple(self.joints or ()),
        )

    def _indices(self, joints: list[Joint], key: str) -> tuple[int, ...]:
        """Indices of joints given by name or number; `key` is their key in the file."""
        names = self.joints or []
        for joint in joints:
            if isinstance(joint, str) and joint not in names:
                known = ", ".join(names) or "none, the joints have no names"
                raise ValueError(f"{key}: no joint {joint!r}; known: {known}")
        return tuple(names.index(joint) if isinstance(joint, str) else joint for joint in joints)


def read_description(path: Path) -> Description:
    """Reads and checks a `dataset.yaml`. Raises UserError that names the first wrong place."""
    return read_yaml(path, Description, name=path.name)
