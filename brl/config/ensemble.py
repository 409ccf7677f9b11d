"""The section `ensemble` of params.yaml."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from brl.config.section import Extended, StreamName
from brl.config.streams import StreamParams


class EnsembleParams(Extended):
    """How the streams are fused.

    kind      `weighted` means probabilities, `logits` their logarithms, both by `weights`;
              `stacked` and `mixer` learn, from training clips that the streams have not seen
    held_out  the share of the subset, drawn within each class, on which no stream is trained
    folds     parts of the subset; each stream is trained once more without each of them
    """

    kind: Literal["weighted", "logits", "stacked", "mixer"]
    weights: dict[StreamName, Annotated[float, Field(ge=0, allow_inf_nan=False)]]
    held_out: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    folds: Annotated[int, Field(ge=0)] = 0

    @property
    def learns(self) -> bool:
        """Whether the fusion has parameters that are learned."""
        return self.kind in ("stacked", "mixer")

    @property
    def weighted(self) -> "EnsembleParams":
        """The weighted mean with the same weights, to compare with."""
        return EnsembleParams(kind="weighted", weights=self.weights)

    @model_validator(mode="after")
    def _learns_from_unseen_clips(self) -> "EnsembleParams":
        if self.folds == 1:
            raise ValueError("folds: 1 would train without any clip: must be 2 or more, or 0")
        chosen = (self.held_out > 0) + (self.folds > 0)
        if self.learns and chosen != 1:
            raise ValueError(
                f"kind: {self.kind} learns from clips on which the streams were not trained: "
                "either held_out or folds must be above 0"
            )
        if not self.learns and chosen:
            raise ValueError(f"kind: {self.kind} learns nothing: held_out must be 0.0, and folds 0")
        return self

    def check_streams(self, streams: Mapping[str, StreamParams]) -> None:
        """Raises ValueError where these streams cannot be fused so."""
        missing = [name for name in streams if name not in self.weights]
        if missing:
            raise ValueError(f"ensemble.weights has no weight for the stream {missing[0]}")
        if not any(self.weights[name] > 0 for name in streams):
            raise ValueError("ensemble.weights: at least one stream needs a weight above zero")
        if self.kind == "mixer" and len(streams) == 1:
            raise ValueError(
                "ensemble.kind: mixer shows each stream what the others see, but there is only "
                f"{next(iter(streams))}: add a stream, or take another kind"
            )
        for name, stream in streams.items():
            if self.learns and stream.weights:
                raise ValueError(
                    f"streams.{name}.weights: the clips that a checkpoint was trained on are not "
                    "known here: ensemble.kind must be weighted or logits"
                )
