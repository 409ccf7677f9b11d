"""Raw NTU RGB+D files in the format of the sensor's software, with random people."""

import zipfile
from pathlib import Path

import numpy as np

FIRST_ID = 72057594037931000
# For each frame its bodies by number, (25, 3) joints each.
Scene = list[dict[int, np.ndarray]]


def skeleton_text(scene: Scene) -> str:
    """The `.skeleton` file of a scene."""
    lines = [f"{len(scene)}"]
    for bodies in scene:
        lines.append(f"{len(bodies)}")
        for number, joints in bodies.items():
            lines += [f"{FIRST_ID + number} 0 1 1 1 1 0 0.02764709 0.05745083 2", "25"]
            # After x y z: position in the depth and the colour image, orientation, tracking state.
            rest = "257.6 205.0 -1.#INF 524.8 0.2 0.03 0.97 -0.03 2"
            lines += [f"{' '.join(map(str, joint))} {rest}" for joint in joints]
    return "\n".join(lines) + "\n"


def people(frames: int, seed: int, width: float = 0.6, motion: float = 0.1) -> np.ndarray:
    """Random joints (frames, 25, 3) float32 in a box of height 1 that moves at random."""
    rng = np.random.default_rng(seed)
    joints = rng.uniform(0, 1, (frames, 25, 3)) * [width, 1, 0.3]
    joints[:, 0], joints[:, 1] = 0, [width, 1, 0.3]  # the box is filled to its corners
    joints += np.array([0, 0, 3]) + rng.normal(0, motion, (frames, 1, 3))
    return joints.astype(np.float32)


def scene_of(num_frames: int, *bodies: tuple[range | list[int], np.ndarray]) -> Scene:
    """The scene in which each body is seen in its frames."""
    scene: Scene = [{} for _ in range(num_frames)]
    for number, (frames, joints) in enumerate(bodies):
        for frame, pose in zip(frames, joints, strict=True):
            scene[frame][number] = pose
    return scene


def write_files(folder: Path, names: list[str], frames: int = 3) -> None:
    """Writes one `.skeleton` file per name, each with another body."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        scene = scene_of(frames, (range(frames), people(frames, seed)))
        (folder / f"{name}.skeleton").write_text(skeleton_text(scene))


def write_zip(path: Path, files: dict[str, str]) -> None:
    """Writes a zip of text files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
