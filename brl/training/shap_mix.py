"""Shap-Mix (arXiv 2407.12312): the rarer class keeps the parts of the body that tell it.

A table holds what each pair and triple of the five parts (trunk, arms, legs) is worth to each
class: an estimate of its Shapley value, made in passing. A batch is trained with its mixture,
which the table guides. The arithmetic and its constants are those of the released code.

Its defects are not reproduced: the frequency of a class is its count, not its place in the list
of classes; the mean clip is that of what the network sees; the table is kept in checkpoints. Our
readings: absent bodies are treated as by `partial`, windows are in sixteenths of a clip of any
length, and the arms and legs of every layout are the paired joints of its parts `hand` and `leg`.
"""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from brl.clips.layout import Layout
from brl.clips.layouts import limbs
from brl.config.streams import check_limbs
from brl.streams.device import arithmetic, on_host
from brl.streams.inputs import Inputs
from brl.streams.weights import Recipe
from brl.training.distributed import gather_batch, own_part
from brl.training.mixing import Batch, Targets

PARTS = 5
SUBSETS = torch.tensor(
    [
        [part in chosen for part in range(PARTS)]
        for size in (2, 3)
        for chosen in combinations(range(PARTS), size)
    ]
)
INITIAL = 1e-6  # in the table
SCALE = 10.0  # of the values
DECAY = 0.9
TEMPERATURE = 0.2
# Passes over the training clips before subsets are drawn by the table, and before it decays.
SALIENT_FROM, DECAY_FROM = 5, 6
PASTED = 0.75  # share of the batches; the others are blended
UNITS, SHORTEST, LONGEST = 16, 7, 11  # of a clip; of the window into which frames are pasted


class ShapMix(nn.Module):
    """The table of a training, and mixing by it.

    mean       the mean training clip (M, T, V, K), as the network sees it
    parts      joints of the five parts, (5, V) bool
    counts     training clips per class, (C,)
    precision  that of the training
    """

    table: Tensor  # C, 20
    mean: Tensor
    parts: Tensor
    joints: Tensor  # of the subsets, (20, V)
    counts: Tensor

    def __init__(self, mean: Tensor, parts: Tensor, counts: Tensor, precision: str) -> None:
        super().__init__()
        self.precision = precision
        self.register_buffer("table", torch.full((len(counts), len(SUBSETS)), INITIAL))
        joints = (SUBSETS[:, :, None] & parts).any(dim=1)
        fixed = {"mean": mean, "parts": parts, "joints": joints, "counts": counts}
        for name, values in fixed.items():
            self.register_buffer(name, values, persistent=False)

    @classmethod
    def of(cls, recipe: Recipe, inputs: Inputs, counts: Tensor) -> "ShapMix":
        """That of a recipe and its training clips.

        Raises UserError where the layout has no arms and legs, or the stream sees one part only.
        """
        layout, stream, train = recipe.layout, recipe.stream, recipe.train
        check_limbs(layout, stream.name, stream.part, "shap")
        parts = body_parts(layout, layout.part_joints(stream.part))
        return cls(mean_clip(inputs, train.batch_size), parts, counts, train.precision)

    def forward(self, batch: Batch, network: nn.Module, passes: int, generator: Generator) -> Batch:
        """The batch and its mixture, 2N clips; first the network's answers move the table.

        passes: over the training clips so far.
        """
        host = on_host(generator)
        chosen = _draw(0, len(SUBSETS) - 1, host)
        subset = SUBSETS[chosen]
        others = self._draw_others(subset, passes, host)
        values = self.values(batch, network, subset, others)
        decay = DECAY if passes >= DECAY_FROM else 0.0
        self.table[:, chosen] = moved(self.table[:, chosen], values, batch.targets.labels, decay)
        mixed = self._mixed(batch, passes, generator, host)
        targets = map(torch.cat, zip(batch.targets, mixed.targets, strict=True))
        return Batch(
            torch.cat([batch.clips, mixed.clips]),
            torch.cat([batch.present, mixed.present]),
            Targets(*targets),
        )

    @torch.no_grad()
    def values(self, batch: Batch, network: nn.Module, subset: Tensor, others: Tensor) -> Tensor:
        """What the parts of a subset are worth to the class of each clip, (N,).

        It is ten times the gain in the class's probability, if any, over the subset's joints. The
        network sees the other parts with the subset, then without it, and the mean clip elsewhere.
        subset and others: (5,) bool, without a common part.
        """
        count, device = len(batch.clips), batch.clips.device
        subset, others = (each.to(device, non_blocking=True) for each in (subset, others))
        clips, present, labels = (
            rows[own_part(count)] for rows in (batch.clips, batch.present, batch.targets.labels)
        )
        shown = [self.showing(clips, present, parts) for parts in (subset | others, others)]
        network.eval()
        with arithmetic(self.precision, device):
            logits = network(torch.cat(shown), present.repeat(2, 1))
        network.train()
        of_class = logits.float().softmax(dim=1).gather(1, labels.repeat(2)[:, None])[:, 0]
        with_subset, without = of_class.chunk(2)
        gains = gather_batch(with_subset - without, count).clamp(min=0)
        joints = (self.parts & subset[:, None]).sum()
        return SCALE * gains / joints.clamp(min=1)  # none: of limbs that a stream does not see

    def showing(self, clips: Tensor, present: Tensor, parts: Tensor) -> Tensor:
        """Clips (N, M, T, V, K) in some parts (5,) bool, and the mean clip in the others."""
        shown = (self.parts & parts[:, None]).any(dim=0)
        present = present.to(clips.device, non_blocking=True)
        return torch.where(shown[:, None], clips, self.mean) * present[:, :, None, None, None]

    def salience(self, classes: Tensor) -> Tensor:
        """Probabilities (N, 20) with which the subsets of classes (N,) are drawn."""
        return (self.table[classes] / TEMPERATURE).softmax(dim=1)

    def joints_of_partners(self, labels: Tensor, partners: Tensor, subsets: Tensor) -> Tensor:
        """The joints (N, V) bool that come from the partners, whose labels are `partners` (N,).

        subsets (N,): what the rarer class keeps, be it the clip's or the partner's.
        """
        kept = self.joints[subsets]
        own_are_kept = self.rarer(labels, partners) == labels
        return torch.where(own_are_kept[:, None], ~kept, kept)

    def rarer(self, labels: Tensor, partners: Tensor) -> Tensor:
        """The class with fewer training clips in each pair, (N,); of equals the first."""
        return torch.where(self.counts[partners] < self.counts[labels], partners, labels)

    def _draw_others(self, subset: Tensor, passes: int, generator: Generator) -> Tensor:
        """Any number of the parts outside a subset, (5,) bool; none in early passes."""
        outside = PARTS - int(subset.sum())
        number = _draw(0, outside, generator) if passes >= SALIENT_FROM else 0
        keys = torch.rand(PARTS, generator=generator)
        first = keys.masked_fill(subset, 2).argsort()[:number]
        return torch.zeros_like(subset).index_fill(0, first, value=True)

    def _mixed(self, batch: Batch, passes: int, generator: Generator, host: Generator) -> Batch:
        """The mixture of a batch, in which each clip has the same distance to its partner."""
        count = len(batch.clips)
        partners = (torch.arange(count) + _draw(1, max(count - 1, 1), host)) % count
        if _uniform(host) >= PASTED:
            return blended(batch, partners, _uniform(host))
        if passes < SALIENT_FROM:
            joints = self.joints[_draw(0, len(SUBSETS) - 1, host)].expand(count, -1)
        else:
            labels = batch.targets.labels
            pairs = labels, labels[partners.to(labels.device, non_blocking=True)]
            subsets = drawn(self.salience(self.rarer(*pairs)), generator)
            joints = self.joints_of_partners(*pairs, subsets)
        return pasted(batch, partners, joints, *draw_windows(batch.clips.shape[2], host))


def body_parts(layout: Layout, seen: Sequence[int]) -> Tensor:
    """Trunk, arms and legs among the joints that a stream sees, (5, V) bool; see `limbs`.

    They are the published parts of NTU and COCO.
    """
    return torch.tensor([[joint in part for joint in seen] for part in limbs(layout)])


def mean_clip(inputs: Inputs, batch_size: int) -> Tensor:
    """Mean (M, T, V, K) of the test views of all clips; a body's is that of the clips with it."""
    device = inputs.device
    total = torch.zeros((), dtype=torch.float64, device=device)
    bodies = torch.zeros((), dtype=torch.int64)
    for indices in torch.arange(len(inputs)).split(batch_size):
        clips, present = inputs.test_batch(indices, 1)
        total = total + clips.sum(dim=0, dtype=torch.float64)
        bodies = bodies + present.sum(dim=0)
    bodies = bodies.clamp(min=1).to(device)
    return (total / bodies[:, None, None, None]).float()


def moved(entries: Tensor, values: Tensor, labels: Tensor, decay: float) -> Tensor:
    """A subset's entries (C,) of the table after clips with values (N,), one after the other.

    A clip makes the entry e of its class decay * e + (1 - decay) * value.
    """
    of_class = F.one_hot(labels, len(entries)).to(values.dtype)  # N C
    later = (labels == labels[:, None]).triu(1).sum(dim=1)  # clips of the same class
    steps = (1 - decay) * decay**later * values
    return decay ** of_class.sum(dim=0) * entries + steps @ of_class


def drawn(probabilities: Tensor, generator: Generator) -> Tensor:
    """One column (N,) for each row of probabilities (N, D).

    `torch.multinomial` draws the same, but looks at the probabilities first, and waits for them.
    """
    waits = torch.empty_like(probabilities).exponential_(generator=generator)
    return (probabilities / waits).argmax(dim=1)


def window(start: int, length: int, frames: int) -> range:
    """The frames of a window in a clip of `frames`; start and length are in sixteenths of it."""
    return range(start * frames // UNITS, (start + length) * frames // UNITS)


def draw_windows(frames: int, generator: Generator) -> tuple[range, range]:
    """Frames that are replaced, and a stretch of at least that length that replaces them."""
    length = _draw(SHORTEST, LONGEST, generator)
    target = window(_draw(0, UNITS - length, generator), length, frames)
    length = _draw(length, UNITS, generator)
    return target, window(_draw(0, UNITS - length, generator), length, frames)


def pasted(batch: Batch, partners: Tensor, joints: Tensor, target: range, source: range) -> Batch:
    """The batch with joints (N, V) bool of its partners (N,) in the frames `target`.

    They show the partner's frames `source`, faster or slower. A body that the partner lacks keeps
    its own joints, and one that the clip lacks stays absent. The partner's label has the share of
    what is replaced in all joints of all frames. Partners are on the CPU, as present bodies are.
    """
    clips, present, _ = batch
    steps = torch.arange(len(target), device=clips.device) * len(source) // len(target)
    both = (present & present[partners]).to(clips.device, non_blocking=True)
    partners = partners.to(clips.device, non_blocking=True)
    taken = joints[:, None, None, :, None] & both[:, :, None, None, None]
    new = clips.clone()
    replaced = new[:, :, target.start : target.stop]
    replaced.copy_(torch.where(taken, clips[partners][:, :, source.start + steps], replaced))
    frames, number = clips.shape[2:4]
    return _labelled(batch, new, partners, joints.sum(dim=1) * (len(target) / (frames * number)))


def blended(batch: Batch, partners: Tensor, share: float) -> Batch:
    """The batch, of which its partners (N,) make up a share; bodies as in `pasted`."""
    clips, present, _ = batch
    both = (present & present[partners]).to(clips.device, non_blocking=True)
    partners = partners.to(clips.device, non_blocking=True)
    mixture = (1 - share) * clips + share * clips[partners]
    new = torch.where(both[:, :, None, None, None], mixture, clips)
    return _labelled(batch, new, partners, torch.full(partners.shape, share, device=clips.device))


def _labelled(batch: Batch, new: Tensor, partners: Tensor, share: Tensor) -> Batch:
    """New clips of a batch in which the partners' labels have a share (N,)."""
    labels = batch.targets.labels
    return Batch(new, batch.present, Targets(labels, labels[partners], 1 - share))


def _draw(lowest: int, highest: int, generator: Generator) -> int:
    """A whole number between two, which may be drawn, too; the generator is one of the CPU."""
    return int(torch.randint(lowest, highest + 1, (), generator=generator))


def _uniform(generator: Generator) -> float:
    """A number from 0 to 1; the generator is one of the CPU."""
    return float(torch.rand((), generator=generator))
