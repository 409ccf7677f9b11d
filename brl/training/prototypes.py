"""The graph-prototype loss of ProtoGCN (arXiv 2411.18941), computed in training only.

ProtoGCN classifies as DG-STGCN does. In training, a branch describes each clip by the graphs that
the last block makes for its bodies, and a second loss draws the description to the prototype of the
clip's class. The arithmetic and its constants are those of the released code.

Its defects are not reproduced: prototypes are kept in checkpoints, several processes move the same
prototypes with the whole batch, the branch is as wide as the graphs instead of 384, and it is not
computed in tests. As published, with `update: correct`, the correctly classified clips of a class
move its prototype; a class that is never classified correctly keeps a random one, and rare classes
are the likely ones. With `update: all`, all clips of a class move it: our choice. So is how mixed
clips and absent bodies count: `Prototypes.loss`, `Network.logits_and_graphs`.
"""

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from brl.config.params import PrototypeParams
from brl.models.common.batch_norm import BatchNorm
from brl.models.common.blocks import ConvNorm, Pointwise
from brl.models.common.network import GraphBackbone
from brl.streams.weights import Recipe
from brl.training.distributed import own_part, rows_of_all
from brl.training.mixing import Targets

DESCRIPTION = 256  # numbers that describe a clip
DROPOUT = 0.1
TEMPERATURE = 0.125
STEP = 0.1  # of a prototype, towards the mean of its clips


class Prototypes(nn.Module):
    """The branch that describes clips, and a prototype for the descriptions of each class.

    graphs   shape (C', V, V) of the graphs
    classes  C, outputs of the network
    seed     of the dropout
    """

    prototypes: Tensor  # C, DESCRIPTION

    def __init__(
        self, graphs: tuple[int, int, int], classes: int, params: PrototypeParams, seed: int
    ) -> None:
        super().__init__()
        channels, joints, _ = graphs
        self.weight, self.update, self.seed = params.weight, params.update, seed
        self.query = nn.Linear(channels, params.number, bias=False)
        self.memory = nn.Linear(params.number, channels, bias=False)
        self.post = ConvNorm(Pointwise(channels, channels), BatchNorm(channels))
        self.describe = nn.Linear(joints * joints, DESCRIPTION)
        self.register_buffer("prototypes", torch.randn(classes, DESCRIPTION))
        self.steps = 0  # of the training so far

    @classmethod
    def of(cls, recipe: Recipe, classes: int, params: PrototypeParams, seed: int) -> "Prototypes":
        """Those for the network of a recipe."""
        with torch.device("meta"):  # without memory, and without drawing random numbers
            backbone = recipe.build().backbone
        assert isinstance(backbone, GraphBackbone)  # params.yaml would have been refused
        return cls(backbone.graph_shape, classes, params, seed)

    def get_extra_state(self) -> int:
        """The steps so far, for checkpoints: a resumed training drops what it would have."""
        return self.steps

    def set_extra_state(self, state: int) -> None:
        """Restores the steps so far."""
        self.steps = state

    def forward(self, graphs: Tensor) -> Tensor:
        """Descriptions (N, DESCRIPTION) of clips' graphs (N, C', V, V), in float32."""
        pooled = self.pooled(graphs)
        with torch.autocast(graphs.device.type, enabled=False):
            return self.describe(pooled)

    def pooled(self, graphs: Tensor) -> Tensor:
        """Each joint pair of graphs (N, C', V, V) as one number: (N, V * V).

        A pair's C' channels become a mixture of prototypes; the number is their mean after a 1x1
        convolution, batch norm and ReLU.
        """
        shares = self.query(graphs.movedim(1, -1)).softmax(dim=-1)  # N V V P
        mixtures = F.relu(self.post(self._dropped(self.memory(shares))))
        exact = torch.promote_types(mixtures.dtype, torch.float32)
        return mixtures.mean(dim=-1, dtype=exact).flatten(1)

    def _dropped(self, x: Tensor) -> Tensor:
        """Dropout in training.

        What is dropped is drawn for the whole batch of all processes, from the number of the step:
        neither their number nor an interruption changes it.
        """
        if not self.training:
            return x
        clips = rows_of_all(x)
        generator = Generator(x.device).manual_seed((self.seed << 32) + self.steps)
        self.steps += 1
        kept = torch.empty(clips, *x.shape[1:], dtype=torch.bool, device=x.device)
        kept.bernoulli_(1 - DROPOUT, generator=generator)
        return x * kept[own_part(clips)].to(x.dtype).div_(1 - DROPOUT)

    def loss(self, descriptions: Tensor, logits: Tensor, targets: Targets) -> Tensor:
        """The weighted loss (a scalar) of a whole batch, after its clips have moved the prototypes.

        descriptions (N, DESCRIPTION), logits (N, C). The loss is the cross-entropy of the cosines
        between descriptions and prototypes; class weights have no part in it. A mixed clip counts
        for both of its classes, by the shares of its labels.
        """
        shares = label_shares(targets, logits.shape[1])
        moving = shares
        if self.update == "correct":
            moving = shares * F.one_hot(logits.argmax(dim=1), logits.shape[1])
        prototypes = moved(self.prototypes, descriptions, moving)
        self.prototypes = prototypes.detach()
        cosines = F.linear(F.normalize(descriptions), F.normalize(prototypes))
        return self.weight * F.cross_entropy(cosines / TEMPERATURE, shares)


def label_shares(targets: Targets, classes: int) -> Tensor:
    """The share (N, C) that each class has in each clip."""
    labels, partners, share = targets
    own, others = F.one_hot(labels, classes), F.one_hot(partners, classes)
    return share[:, None] * own + (1 - share)[:, None] * others


def moved(prototypes: Tensor, descriptions: Tensor, shares: Tensor) -> Tensor:
    """Prototypes (C, D), each a tenth of the way further to the mean of its clips.

    descriptions (N, D); shares (N, C) of the classes in the clips. Shares that add up to less than
    one clip move a prototype less, and nothing moves that of a class without a clip. The gradient
    flows to the descriptions.
    """
    clips = shares.sum(dim=0)[:, None]  # C 1
    means = shares.T @ descriptions / clips.clamp(min=1)
    return prototypes * (1 - STEP * clips.clamp(max=1)) + STEP * means
