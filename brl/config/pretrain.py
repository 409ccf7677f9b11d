"""The section `pretrain` of params.yaml."""

from typing import Annotated, Any, Literal

from pydantic import Field

from brl.config.section import Count, Extended, Positive, Section, Share


class MaskedParams(Section):
    """Pre-training by masked body parts: see brl.pretraining.masked.

    parts  body parts that are masked in each clip
    loss   `cosine`: SkeletonMAE's; `motion`: AMR's, joints that move count more
    """

    parts: Count
    loss: Literal["cosine", "motion"]


class ContrastiveParams(Section):
    """Pre-training by two views of a clip: see brl.pretraining.contrastive.

    queue     number of earlier clips that a clip is told from; None: half of the clips
    momentum  of the encoder of the second view
    """

    queue: Count | None
    momentum: Annotated[float, Field(ge=0, lt=1)]


class HallucinatedParams(Section):
    """What is added to contrastive pre-training: see brl.pretraining.hallucinated.

    after   share of the epochs before it sets in
    weight  of its loss
    """

    after: Share
    weight: Positive


# The settings that only some kinds have.
OWN = {
    "masked": {"masked"},
    "contrastive": {"contrastive"},
    "hallucinated": {"contrastive", "hallucinated"},
}


class PretrainParams(Extended):
    """Pre-training of every stream without labels; what is not listed here is that of `train`.

    clips  `subset`: those of the long-tailed subset; `split`: all training clips of the split
    lr     the highest learning rate, of all streams
    """

    kind: Literal["none", "masked", "contrastive", "hallucinated"]
    clips: Literal["subset", "split"]
    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]
    lr: Positive
    masked: MaskedParams
    contrastive: ContrastiveParams = ContrastiveParams(queue=None, momentum=0.99)
    hallucinated: HallucinatedParams = HallucinatedParams(after=0.44, weight=2.0)

    @property
    def in_use(self) -> dict[str, Any]:
        """The values that have an effect, as JSON: without the settings of other kinds."""
        others = set().union(*OWN.values()) - OWN[self.kind]
        return self.model_dump(mode="json", exclude=others)
