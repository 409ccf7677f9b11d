"""Batches of clips: one vectorised gather, without a Python loop over clips."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from brl.clips.layout import Layout
from brl.clips.presence import present_bodies
from brl.clips.store import ClipStore
from brl.streams.device import resident


class Clips:
    """n clips whose joints can be gathered onto a device.

    rows (R, V, K) float32 holds the frames of all bodies, one body after the other, as in a clip
    store. Four arrays (n,) describe the clips: starts (first row), lengths (number of frames),
    bodies (number of bodies) and labels. max_bodies is M of every batch.

    Only the rows and what is gathered from them are on the device. What describes clips stays on
    the CPU, as do the indices that select them, so that no size of a batch has to be read from a
    GPU, which would have to finish all its work first.
    """

    def __init__(
        self,
        rows: np.ndarray,
        *,
        starts: np.ndarray,
        lengths: np.ndarray,
        bodies: np.ndarray,
        labels: np.ndarray,
        layout: Layout,
        max_bodies: int,
        device: torch.device,
    ) -> None:
        self.device = device
        self.layout = layout
        self.max_bodies = max_bodies
        self.labels = torch.from_numpy(labels)
        self.lengths = torch.from_numpy(lengths)
        # On the CPU the tensor shares the mapped file's memory: rows are read when gathered.
        self._rows = resident(torch.from_numpy(rows), device)
        self._starts = torch.from_numpy(starts)
        self._bodies = torch.from_numpy(bodies)

    @classmethod
    def of_store(
        cls,
        store: ClipStore,
        indices: np.ndarray,
        device: torch.device,
        max_bodies: int | None = None,
    ) -> "Clips":
        """The clips of a store with these indices (n,); max_bodies defaults to the store's."""
        return cls(
            store.rows,
            starts=store.starts[indices],
            lengths=store.frames[indices],
            bodies=store.bodies[indices],
            labels=store.labels[indices],
            layout=store.layout,
            max_bodies=max_bodies or store.max_bodies,
            device=device,
        )

    @classmethod
    def of_recordings(
        cls,
        recordings: Sequence[np.ndarray],
        layout: Layout,
        max_bodies: int,
        device: torch.device,
    ) -> "Clips":
        """Normalised recordings (M, T, V, K) float32, M and T of each its own. Labels are 0.

        A recording may be a part of another: bodies that are absent from it are dropped.
        """
        recordings = [present_bodies(joints, max_bodies) for joints in recordings]
        bodies, lengths = np.array([joints.shape[:2] for joints in recordings]).T
        rows = np.concatenate([joints.reshape(-1, *joints.shape[2:]) for joints in recordings])
        return cls(
            rows,
            starts=np.cumsum(bodies * lengths) - bodies * lengths,
            lengths=np.ascontiguousarray(lengths),
            bodies=np.ascontiguousarray(bodies),
            labels=np.zeros(len(recordings), dtype=np.int64),
            layout=layout,
            max_bodies=max_bodies,
            device=device,
        )

    def __len__(self) -> int:
        return len(self.labels)

    def present(self, indices: Tensor) -> Tensor:
        """Which bodies are present in the clips `indices` (N,): (N, M) bool, on the CPU.

        A body that a clip has is present in all its batches, also where the sampled frames do not
        show it: it is then a body of zeros that networks compute and average.
        """
        return torch.arange(self.max_bodies) < self._bodies[indices, None]

    def joints(self, indices: Tensor, frames: Tensor) -> Tensor:
        """Joints (N, M, T, V, K) of clips `indices` (N,) at frames (N, T); absent bodies are 0.

        The frames are on the device. Between two, where they are no whole numbers, joints are
        interpolated.
        """
        if frames.is_floating_point():
            before = frames.long()
            last = (self.lengths[indices, None] - 1).to(self.device, non_blocking=True)
            after = torch.minimum(before + 1, last)
            both = self.joints(indices, before), self.joints(indices, after)
            return torch.lerp(*both, (frames - before)[:, None, :, None, None])
        present = self.present(indices)
        body = torch.arange(self.max_bodies) * present
        first_rows = self._starts[indices, None] + body * self.lengths[indices, None]
        first_rows = first_rows.to(self.device, non_blocking=True)
        joints = self._gather(first_rows[:, :, None] + frames[:, None, :])
        return joints * present.to(self.device, non_blocking=True)[:, :, None, None, None]

    def all_rows(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """All frames of all bodies of clips `indices` (N,): rows (R, V, K) and owner (R,).

        owner: the position of each row's clip in `indices`.
        """
        sizes = (self._bodies * self.lengths)[indices]
        owner = torch.repeat_interleave(torch.arange(len(indices)), sizes)
        first = sizes.cumsum(0) - sizes
        rows = self._starts[indices][owner] + torch.arange(len(owner)) - first[owner]
        owner = owner.to(self.device, non_blocking=True)
        return self._gather(rows.to(self.device, non_blocking=True)), owner

    def _gather(self, rows: Tensor) -> Tensor:
        if self._rows.device == self.device:
            return self._rows[rows]
        return self._rows[rows.cpu()].to(self.device)  # the rows take too much of the GPU's memory
