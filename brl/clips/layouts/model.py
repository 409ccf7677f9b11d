"""Layouts of bodies in 3D that a model estimates from a video or from markers."""

from brl.clips.layout import Layout
from brl.clips.layouts.named import fingers, named

# With MediaPipe's `visibility` as the score: it reports all joints in all frames, so nothing else
# says what it saw. The same joints in world coordinates (metres) and in those of the image.
MEDIAPIPE33 = named(
    "mediapipe33",
    {
        "nose": "nose",
        "left inner eye": "nose",
        "left eye": "left inner eye",
        "left outer eye": "left eye",
        "right inner eye": "nose",
        "right eye": "right inner eye",
        "right outer eye": "right eye",
        "left ear": "left outer eye",
        "right ear": "right outer eye",
        "left mouth": "nose",
        "right mouth": "nose",
        "left shoulder": "nose",
        "right shoulder": "nose",
        "left elbow": "left shoulder",
        "right elbow": "right shoulder",
        "left wrist": "left elbow",
        "right wrist": "right elbow",
        "left pinky": "left wrist",
        "right pinky": "right wrist",
        "left index": "left wrist",
        "right index": "right wrist",
        "left thumb": "left wrist",
        "right thumb": "right wrist",
        "left hip": "left shoulder",
        "right hip": "right shoulder",
        "left knee": "left hip",
        "right knee": "right hip",
        "left ankle": "left knee",
        "right ankle": "right knee",
        "left heel": "left ankle",
        "right heel": "right ankle",
        "left toe": "left ankle",
        "right toe": "right ankle",
    },
    arms="nose",
    legs="nose",
    dimensions=3,
    scored=True,
)

H36M17 = named(
    "h36m17",
    {
        "pelvis": "torso",
        "right hip": "pelvis",
        "right knee": "right hip",
        "right ankle": "right knee",
        "left hip": "pelvis",
        "left knee": "left hip",
        "left ankle": "left knee",
        "torso": "thorax",
        "thorax": "thorax",
        "neck": "thorax",
        "head": "neck",
        "left shoulder": "thorax",
        "left elbow": "left shoulder",
        "left wrist": "left elbow",
        "right shoulder": "thorax",
        "right elbow": "right shoulder",
        "right wrist": "right elbow",
    },
    arms="thorax",
    legs="pelvis",
    dimensions=3,
)

# SMPL's tree, turned so that it leads to the chest, where the arms begin.
SMPL24 = named(
    "smpl24",
    {
        "pelvis": "spine 1",
        "left hip": "pelvis",
        "right hip": "pelvis",
        "spine 1": "spine 2",
        "left knee": "left hip",
        "right knee": "right hip",
        "spine 2": "spine 3",
        "left ankle": "left knee",
        "right ankle": "right knee",
        "spine 3": "spine 3",
        "left foot": "left ankle",
        "right foot": "right ankle",
        "neck": "spine 3",
        "left collar": "spine 3",
        "right collar": "spine 3",
        "head": "neck",
        "left shoulder": "left collar",
        "right shoulder": "right collar",
        "left elbow": "left shoulder",
        "right elbow": "right shoulder",
        "left wrist": "left elbow",
        "right wrist": "right elbow",
        "left hand": "left wrist",
        "right hand": "right wrist",
    },
    arms="spine 3",
    legs="pelvis",
    dimensions=3,
)

_HAND = {"wrist": "wrist", **fingers("wrist")}
# One hand, left or right: nothing is exchanged in a mirror image, and there is no lower body.
HAND21 = Layout(
    name="hand21",
    parents=tuple(list(_HAND).index(parent) for parent in _HAND.values()),
    mirror_pairs=(),
    upper_body=tuple(range(21)),
    names=tuple(_HAND),
)
