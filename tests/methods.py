"""Methods for tests: a preset with some values changed."""

from typing import Any

from brl.config.params import MethodParams
from brl.config.presets import METHODS


def method(preset: str = "cross_entropy", **changes: Any) -> MethodParams:
    """What a preset says of the method, but for `changes`."""
    return MethodParams.model_validate(METHODS.read(preset)["method"] | changes)


def starting(*, loss: float = 0.0, class_weights: float = 0.0) -> dict[str, float]:
    """A schedule."""
    return {"loss": loss, "class_weights": class_weights}
