"""Network inputs from selected clips: frame sampling, then augmentation, then the stream."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from brl.clips.layout import Layout
from brl.config.params import TrainParams
from brl.streams.augment import extremes, flip, random_matrices, rescale, transform
from brl.streams.batch import Clips
from brl.streams.frames import test_frames, train_frames
from brl.streams.stream import Stream


class Inputs(Protocol):
    """n clips as network inputs; training and prediction access clips only through it.

    A batch is a pair of clips (N, M, T, V, K) and present bodies (N, M) bool; indices (N,) select
    its clips among the n. The clips are on the device. All that selects and describes them is on
    the CPU, also the present bodies: their number decides shapes, and nothing has to wait for it.
    """

    @property
    def labels(self) -> Tensor:
        """Class of each clip, (n,) int64."""

    @property
    def lengths(self) -> Tensor:
        """Frames of each clip, (n,) int64."""

    @property
    def device(self) -> torch.device:
        """The device of the clips, and of the random numbers drawn for them."""

    def __len__(self) -> int: ...

    def train_batch(
        self, indices: Tensor, generator: Generator, backwards: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Randomly sampled frames of each clip, augmented.

        backwards (N,) bool, on the device: clips that are played from their last frame to their
        first.
        """

    def changed_batch(
        self, indices: Tensor, frames: Tensor, change: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The clips at frames (N, T), changed in place of the augmentation.

        frames: float, on the device; between two, joints are interpolated. change: maps joints
        (N, M, T, V, K) of all the body to others, of which the stream then takes bones and motions.
        """

    def test_batch(self, indices: Tensor, num_clips: int) -> tuple[Tensor, Tensor]:
        """The I test views of each clip, (N I, ...); the views of a clip are adjacent."""


@dataclass(frozen=True)
class JointInputs:
    """The inputs of one stream from the joints of clips.

    All steps are tensor operations on the clips' device.
    """

    clips: Clips
    stream: Stream
    params: TrainParams

    @property
    def labels(self) -> Tensor:
        """Class of each clip, (n,) int64."""
        return self.clips.labels

    @property
    def lengths(self) -> Tensor:
        """Frames of each clip, (n,) int64."""
        return self.clips.lengths

    @property
    def device(self) -> torch.device:
        """The device of the clips in a batch."""
        return self.clips.device

    @property
    def clip_len(self) -> int:
        """Frames T of a clip in a batch."""
        return self.params.clip_len

    def __len__(self) -> int:
        return len(self.clips)

    def train_batch(
        self, indices: Tensor, generator: Generator, backwards: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Randomly sampled frames of each clip, augmented; see Inputs."""
        augment = self.params.augment
        device = self.device
        lengths = self.lengths[indices].to(device, non_blocking=True)
        frames = train_frames(self.params.sampling, lengths, self.clip_len, generator)
        dimensions = self.clips.layout.dimensions
        matrices = random_matrices(len(indices), augment, device, generator, dimensions)
        flipped = torch.rand(len(indices), device=device, generator=generator) < augment.flip
        return self.batch(indices, frames, matrices, flipped, backwards)

    def changed_batch(
        self, indices: Tensor, frames: Tensor, change: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The clips at frames (N, T), changed in place of the augmentation; see Inputs."""
        return self.batch(indices, frames, change=change)

    def test_batch(self, indices: Tensor, num_clips: int) -> tuple[Tensor, Tensor]:
        """The I test views of each clip; see Inputs.

        I is num_clips, or 1 with `random` sampling.
        """
        frames = test_frames(
            self.lengths[indices], self.params.sampling, self.clip_len, num_clips
        ).to(self.device, non_blocking=True)
        return self.batch(indices.repeat_interleave(frames.shape[1]), frames.flatten(0, 1))

    def batch(
        self,
        indices: Tensor,
        frames: Tensor,
        matrices: Tensor | None = None,
        flipped: Tensor | None = None,
        backwards: Tensor | None = None,
        change: Callable[[Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The clips at frames (N, T), transformed by matrices (N, K, K), flipped and changed."""
        layout = self.clips.layout
        limits = self._limits(indices, matrices) if self.params.rescale else None
        last = (self.lengths[indices, None] - 1).to(self.device, non_blocking=True)

        def joints_at(frames: Tensor) -> Tensor:
            if backwards is not None:
                frames = torch.where(backwards[:, None], last - frames, frames)
            joints = self.clips.joints(indices, frames)
            if matrices is not None:
                joints = transform(joints, matrices)
            if limits is not None:
                joints = rescale(joints, *limits)
            if flipped is not None:
                joints = flip(joints, flipped, self._mirrored, self.params.augment.flip_kind)
            return joints if change is None else change(joints)

        present = self.clips.present(indices)
        shown = self.stream.show(layout, joints_at, frames, last)
        on_device = present.to(self.device, non_blocking=True)
        return shown * on_device[:, :, None, None, None], present

    def _limits(self, indices: Tensor, matrices: Tensor | None) -> tuple[Tensor, Tensor]:
        """Lowest and highest coordinates over all frames of the clips, (N, K) each."""
        rows, owner = self.clips.all_rows(indices)
        if matrices is not None:
            rows = transform(rows, matrices[owner])
        return limits(rows, owner, len(indices), self.clips.layout)

    @property
    def _mirrored(self) -> Tensor:
        mirrored = torch.from_numpy(self.clips.layout.mirrored())
        return mirrored.to(self.device, non_blocking=True)


def limits(rows: Tensor, owner: Tensor, count: int, layout: Layout) -> tuple[Tensor, Tensor]:
    """The values that `rescale` maps to -1 and 1 in each clip, (N, K) each.

    rows (R, V, K): frames of bodies; owner (R,): the index of each row's clip; count: N. The
    limits of a score channel are -1 and 1, so `rescale` does not change it.
    """
    lowest, highest = extremes(rows, owner, count)
    if layout.scored:
        score = torch.arange(rows.shape[-1], device=rows.device) == rows.shape[-1] - 1
        lowest, highest = lowest.masked_fill(score, -1), highest.masked_fill(score, 1)
    return lowest, highest
