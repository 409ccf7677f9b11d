"""Moving bodies of any known layout, with bones of constant length."""

import numpy as np
from scipy.spatial.transform import Rotation

from brl.clips.layout import Layout
from brl.inspection.poses import rest_pose


def moving_body(layout: Layout, seed: int, frames: int = 12) -> np.ndarray:
    """A person who turns and moves all limbs, (T, V, K): in metres, or in pixels with y down.

    Bones swing by up to 0.6 rad; people differ by up to 15 % in the length of each bone.
    """
    draws = np.random.default_rng(seed)
    rest, parents, mirrored = rest_pose(layout), layout.parents_in_graph(), layout.mirrored()
    lengths = draws.uniform(0.85, 1.15, layout.num_joints)
    lengths = (lengths + lengths[mirrored]) / 2
    swings = draws.uniform(-0.6, 0.6, (layout.num_joints, 3))
    phases = np.sin(np.linspace(0, 3, frames)[:, None] + draws.uniform(0, 6, layout.num_joints))
    positions = np.zeros((frames, layout.num_joints, 3))
    placed = {v for v, parent in enumerate(parents) if v == parent}
    while len(placed) < layout.num_joints:
        for v in sorted(set(range(layout.num_joints)) - placed):
            if parents[v] in placed:
                bone = lengths[v] * (rest[v] - rest[parents[v]])
                turned = Rotation.from_rotvec(phases[:, v, None] * swings[v]).apply(bone)
                positions[:, v] = positions[:, parents[v]] + turned
                placed.add(v)
    facing = Rotation.from_euler("y", draws.uniform(-0.7, 0.7))
    positions = facing.apply(positions.reshape(-1, 3)).reshape(positions.shape)
    positions += (0.3, 0.2, 2.5) + draws.normal(size=positions.shape) * 0.005
    if layout.dimensions == 2:
        positions = np.array([960, 540]) + positions[..., :2] * (300, -300)
    if layout.scored:
        scores = draws.uniform(0.3, 1, (*positions.shape[:2], 1))
        positions = np.concatenate([positions, scores], axis=-1)
    return positions.astype(np.float32)
