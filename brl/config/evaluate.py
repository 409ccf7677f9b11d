"""The section `evaluate` of params.yaml."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from brl.config.section import Section

THIRDS: Literal["thirds"] = "thirds"


def _clips_or_thirds(given: Any) -> Any:
    if given == THIRDS or (type(given) is int and given >= 1):
        return given
    raise ValueError(f"must be a number of clips, 1 or more, or {THIRDS}, not {given!r}")


ShotLimit = Annotated[int | Literal["thirds"], BeforeValidator(_clips_or_thirds)]


class EvaluateParams(Section):
    """What separates many-, medium- and few-shot classes: see brl.scores.metrics.ShotLimits.

    Numbers of training clips, or `thirds` in both.
    """

    many_shot_above: ShotLimit
    few_shot_below: ShotLimit

    @property
    def in_thirds(self) -> bool:
        """Whether each group has a third of the classes."""
        return self.many_shot_above == THIRDS

    @model_validator(mode="after")
    def _ordered(self) -> "EvaluateParams":
        many, few = self.many_shot_above, self.few_shot_below
        if isinstance(many, int) and isinstance(few, int):
            if few > many:
                raise ValueError("few_shot_below must not exceed many_shot_above")
        elif many != few:
            raise ValueError(
                f"many_shot_above {many}, few_shot_below {few}: both must be numbers of clips, or "
                f"both {THIRDS}"
            )
        return self
