"""Random augmentation of training clips, as batched functions."""

import torch
from torch import Generator, Tensor

from brl.config.params import AugmentParams


def random_matrices(
    count: int,
    augment: AugmentParams,
    device: torch.device,
    generator: Generator,
    dimensions: int = 3,
) -> Tensor:
    """One random linear map per clip, (N, 3, 3): a scaling of each axis, then three rotations.

    Scale factors are uniform in 1 +- `scale`; the angles about x, y and z are uniform in
    +- `rotation`, in rad, and `rotation_order` says which axis comes first. 2D joints are only
    rotated in the image plane, about z, and scaled in x and y: their third channel is a score and
    stays.
    """
    enabled = [1, 1, 1, 1, 1, 1] if dimensions == 3 else [0, 0, 1, 1, 1, 0]
    maxima = [*augment.rotation, *[augment.scale] * 3]
    limits = torch.tensor([a * b for a, b in zip(maxima, enabled, strict=True)])
    limits = limits.to(device, non_blocking=True)
    draws = torch.rand((count, 6), device=device, generator=generator) * 2 - 1
    angles, scales = (draws * limits).split(3, dim=1)
    return rotation_matrices(angles, augment.rotation_order) * (1 + scales)[:, None, :]


def rotation_matrices(angles: Tensor, order: str) -> Tensor:
    """Matrices (N, 3, 3) that rotate column vectors about fixed axes.

    angles (N, 3): about x, y and z, in rad. order: `xyz` is the order of BRL's augmentation of NTU
    RGB+D. `yxz` is that of the field's augmentation of NW-UCLA: where y is up and z points away
    from the camera, bodies turn about the vertical and then tilt, but never lean sideways.
    """
    (cx, cy, cz), (sx, sy, sz) = angles.cos().unbind(1), angles.sin().unbind(1)
    zero, one = torch.zeros_like(cx), torch.ones_like(cx)

    def matrix(*entries: Tensor) -> Tensor:
        return torch.stack(entries, dim=1).view(-1, 3, 3)

    about = {
        "x": matrix(one, zero, zero, zero, cx, -sx, zero, sx, cx),
        "y": matrix(cy, zero, sy, zero, one, zero, -sy, zero, cy),
        "z": matrix(cz, -sz, zero, sz, cz, zero, zero, zero, one),
    }
    first, second, third = (about[axis] for axis in order)
    return third @ second @ first


def transform(joints: Tensor, matrices: Tensor) -> Tensor:
    """Multiplies each clip's joints (N, ..., K) by its matrix (N, 3, 3).

    K is 2, 3, or 4: then the fourth channel is a score and stays.
    """
    if joints.shape[-1] == 4:
        moved = transform(joints[..., :3], matrices)
        return torch.cat([moved, joints[..., 3:]], dim=-1)
    channels = joints.shape[-1]
    flat = joints.flatten(1, -2) @ matrices[:, :channels, :channels].transpose(1, 2)
    return flat.view(joints.shape)


def flip(joints: Tensor, flipped: Tensor, mirrored: Tensor, kind: str) -> Tensor:
    """Exchanges left and right in the clips that `flipped` (N,) bool selects.

    joints (N, M, T, V, K); mirrored (V,) int64: the index of each joint's mirror image. The kind
    `swap` exchanges left and right joints and keeps their coordinates, as published; `mirror` also
    negates x.
    """
    swapped = joints[..., mirrored, :]
    if kind == "mirror":
        swapped[..., 0] *= -1
    return torch.where(flipped[:, None, None, None, None], swapped, joints)


def rescale(joints: Tensor, lowest: Tensor, highest: Tensor) -> Tensor:
    """Maps each axis of a clip from [lowest, highest] to [-1, 1]; an axis without extent to -1.

    joints (N, M, T, V, K); lowest, highest (N, K): the extremes over the whole clip.
    """
    lowest, highest = (limit[:, None, None, None, :] for limit in (lowest, highest))
    extent = highest - lowest
    return (joints - lowest) / torch.where(extent > 0, extent, 1) * 2 - 1


def extremes(rows: Tensor, owner: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Lowest and highest coordinates of each clip, (N, K) each.

    rows (R, V, K): frames of bodies; owner (R,): the index of each row's clip; count: N.
    """
    indices = owner[:, None].expand(-1, rows.shape[-1])
    infinite = rows.new_full((count, rows.shape[-1]), torch.inf)
    lowest = infinite.scatter_reduce(0, indices, rows.amin(dim=1), "amin")
    highest = (-infinite).scatter_reduce(0, indices, rows.amax(dim=1), "amax")
    return lowest, highest
