"""The section `pretrain` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from brl.config.section import Count, Positive, Section


class MaskedParams(Section):
    """Pre-training by masked body parts: see brl.pretraining.masked.

    parts  body parts that are masked in each clip
    loss   `cosine`: SkeletonMAE's; `motion`: AMR's, joints that move count more
    """

    parts: Count
    loss: Literal["cosine", "motion"]


class PretrainParams(Section):
    """Pre-training of every stream without labels; what is not listed here is that of `train`.

    clips  `subset`: those of the long-tailed subset; `split`: all training clips of the split
    lr     the highest learning rate, of all streams
    """

    kind: Literal["none", "masked"]
    clips: Literal["subset", "split"]
    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]
    lr: Positive
    masked: MaskedParams
