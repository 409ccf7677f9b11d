"""The section `pictures` of params.yaml: what is kept of the pictures that show the clips."""

from typing import Annotated, Literal

from pydantic import Field

from brl.config.section import Section
from brl.pictures.form import Form


class PictureParams(Section):
    """An input of pictures; see `brl.pictures.form.Form`.

    No key may be called `size` or `nfiles`: DVC leaves these words out where it looks for an
    earlier run with the same parameters, and would take the result of another.
    """

    side: Annotated[int, Field(ge=8, le=512)]
    frames: Annotated[int, Field(ge=1, le=1024)]
    format: Literal["color", "gray", "depth"]
    crop: Literal["none", "bodies"]

    @property
    def form(self) -> Form:
        """The same, for the room of pictures, which knows no parameters."""
        return Form(**self.model_dump())
