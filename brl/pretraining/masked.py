"""Pre-training by masked body parts: the network rebuilds the joints that it does not see.

The parts and the loss `cosine` are SkeletonMAE's (Yan et al., arXiv 2307.08476), the loss `motion`
is AMR's (arXiv 2606.11450). SkeletonMAE rebuilds the features of single frames, with an encoder of
its own: here the network `skeletonmae` does so. Any other network is an encoder as a whole, and it
rebuilds coordinates. What follows is our choice. The parts are drawn once for all frames and bodies
of a clip. A learned token takes the place of their joints, behind the norm of the input. A linear
decoder maps each cell of the last features (a joint in T / T' frames) to the normalised coordinates
of these frames.
"""

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from brl.clips.layouts import masked_parts
from brl.config.pretrain import MaskedParams
from brl.config.streams import check_masked
from brl.models.common.batch_norm import places
from brl.models.common.network import Backbone, Network, by_clip
from brl.streams.inputs import Inputs
from brl.streams.weights import Recipe
from brl.training.job import Job
from brl.training.objective import Objective

BETA = 2  # SkeletonMAE's exponent
WINDOWS = (4, 8, 12)  # AMR's, in frames
EPSILON = 1e-6


class MaskedParts(Objective):
    """Rebuilds masked body parts of clips without labels.

    Raises UserError if the stream does not see more parts than are to be masked.
    """

    lr_setting = "pretrain.lr"
    parts: Tensor  # P V, bool

    def __init__(
        self, job: Job, recipe: Recipe, inputs: Inputs, _counts: Tensor, params: MaskedParams
    ) -> None:
        super().__init__()
        layout, part = recipe.layout, recipe.stream.part
        check_masked(layout, job.stream.name, part, params.parts)
        parts = torch.from_numpy(masked_parts(layout, layout.part_joints(part)))
        self.inputs, self.number, self.loss_name = inputs, params.parts, params.loss
        self.register_buffer("parts", parts, persistent=False)
        with torch.random.fork_rng():  # the weights do not matter
            backbone = recipe.build().backbone.eval()
        hidden, features = shapes(backbone, recipe)
        self.frames = -(-recipe.train.clip_len // features[1])  # of a cell
        self.token = nn.Parameter(torch.zeros(hidden[-1]))
        self.decoder = backbone.decoder(features[-1], self.frames * hidden[-1])

    def order(self, _epoch: int, generator: Generator) -> Tensor:
        """All clips, shuffled."""
        return torch.randperm(len(self.inputs), generator=generator)

    def batch(self, indices: Tensor, generator: Generator) -> tuple[Tensor, Tensor, None]:
        """Clips (N, M, T, V, K + 1) and present bodies; the last channel is 1 at masked joints."""
        clips, present = self.inputs.train_batch(indices, generator)
        masked = draw_joints(self.parts, len(indices), self.number, generator)
        channel = masked[:, None, None, :, None].expand(*clips.shape[:-1], 1)
        return torch.cat([clips, channel.to(clips.dtype)], dim=-1), present, None

    def outputs(self, network: Network, clips: Tensor, present: Tensor) -> tuple[Tensor, ...]:
        """The loss of each clip, (N,): the mean of its present bodies."""
        clips, masked = clips[..., :-1], clips[:, 0, 0, :, -1] > 0
        bodies, computed = computed_bodies(network, clips, present)
        clip_of, _ = places(computed, clips.device)  # B
        hidden = masked[clip_of]  # B V
        whole = network.backbone.embed(bodies)
        shown = torch.where(hidden[:, None, :, None], self.token, whole)
        features = network.backbone.encode(shown)
        with torch.autocast(features.device.type, enabled=False):
            rebuilt = self.decoder(features.to(self.token.dtype))
        rebuilt = rebuilt.unflatten(-1, (self.frames, -1))  # B T' V l K
        targets = whole.detach().to(rebuilt.dtype)
        if self.loss_name == "cosine":
            losses = scaled_cosine(rebuilt, cells(targets, self.frames), hidden)
        else:
            weights = [
                motion_weights(e, over_bodies(e.mean(dim=(1, 2)), computed, present)[clip_of])
                for e in (energies(targets, window) for window in WINDOWS)
            ]
            weight = cells(torch.stack(weights).mean(dim=0)[..., None], self.frames)
            losses = weighted_error(rebuilt, cells(targets, self.frames), hidden, weight)
        return (over_bodies(losses, computed, present),)

    def loss(self, outputs: tuple[Tensor, ...], _targets: None, _epoch: int) -> Tensor:
        """The mean loss of the clips."""
        return outputs[0].mean()


def shapes(backbone: Backbone, recipe: Recipe) -> tuple[torch.Size, torch.Size]:
    """The shapes of what is masked of a body, (1, T, V, K), and of its features, (1, T', V, C')."""
    joints, channels = recipe.seen_layout.num_joints, recipe.seen_channels
    with torch.no_grad():
        masked = backbone.embed(torch.zeros(1, recipe.train.clip_len, joints, channels))
        return masked.shape, backbone.encode(masked).shape


def computed_bodies(network: Network, clips: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """The normalised bodies (B, T, V, K) that a training computes, and which they are, (N, M)."""
    norm = network.backbone.data_bn
    if network.pads:
        return norm.normalise_every(clips), torch.ones_like(present)
    return norm.normalise(clips, present), present


def draw_joints(parts: Tensor, clips: int, number: int, generator: Generator) -> Tensor:
    """The joints (N, V) bool of `number` of the parts (P, V), drawn for each of N clips."""
    keys = torch.rand(clips, len(parts), device=parts.device, generator=generator)
    chosen = keys.argsort(dim=1)[:, :number]  # N number
    return parts[chosen].any(dim=1)


def cells(bodies: Tensor, frames: int) -> Tensor:
    """Values of bodies (B, T, V, K) by cells of `frames` frames: (B, T', V, frames, K).

    The last frame is repeated to fill the last cell.
    """
    missing = -bodies.shape[1] % frames
    filled = torch.cat([bodies, bodies[:, -1:].expand(-1, missing, -1, -1)], dim=1)
    return filled.unflatten(1, (-1, frames)).transpose(2, 3)


def over_bodies(values: Tensor, computed: Tensor, present: Tensor) -> Tensor:
    """The mean (N,) over present bodies (N, M) of values (B,) of the computed ones (N, M)."""
    present = present.to(values.device, non_blocking=True)
    by_body = by_clip(values[:, None], computed)[..., 0] * present
    return by_body.sum(dim=1) / present.sum(dim=1)


def scaled_cosine(rebuilt: Tensor, targets: Tensor, hidden: Tensor) -> Tensor:
    """SkeletonMAE's loss of bodies, (B,): the mean over T' of sum_v ((1 - cos_v) / n)^2.

    v are the n hidden joints (B, V) of a body; rebuilt, targets: (B, T', V, l, K). That the power
    covers n is as published.
    """
    cosines = F.cosine_similarity(rebuilt.flatten(-2), targets.flatten(-2), dim=-1)  # B T' V
    share = hidden / hidden.sum(dim=1, keepdim=True)
    return ((1 - cosines) * share[:, None]).pow(BETA).sum(dim=2).mean(dim=1)


def energies(bodies: Tensor, window: int) -> Tensor:
    """How far each joint moves about its mean place in the window around each frame: (B, T, V).

    It is a mean square over the window and the coordinates of bodies (B, T, V, K). Windows follow
    each other; the last one may be shorter.
    """
    of_frame = torch.arange(bodies.shape[1], device=bodies.device) // window
    same = (of_frame[:, None] == of_frame).to(bodies.dtype)
    mean = same / same.sum(dim=1, keepdim=True)  # T T
    deviation = bodies - torch.einsum("ts,bsvk->btvk", mean, bodies)
    return torch.einsum("ts,bsv->btv", mean, deviation.square().mean(dim=-1))


def motion_weights(energies: Tensor, typical: Tensor) -> Tensor:
    """AMR's weights 1 / (1 + typical / energy), from 0 at rest to 1; 1/2 for a typical energy.

    energies (B, T, V) in windows of one length; typical (B,): their mean in the clip. The factor of
    the fraction is not public; 1 is our choice, and so is the mean of the weights over the lengths.
    """
    return 1 / (1 + typical[:, None, None] / (energies + EPSILON))


def weighted_error(rebuilt: Tensor, targets: Tensor, hidden: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean squared error of the hidden joints (B, V) of bodies, (B,).

    rebuilt, targets: (B, T', V, l, K); weights: (B, T', V, l, 1).
    """
    errors = (weights * (rebuilt - targets).square()).mean(dim=(1, 3, 4))  # B V
    return (errors * hidden).sum(dim=1) / hidden.sum(dim=1)
