"""The 68 points of a face, as 300-W numbers them, joined to a tree below the tip of the nose."""

EAR_TO_CHIN = [f"jaw {number}" for number in range(1, 9)]
BROW_INWARDS = [f"brow {number}" for number in range(1, 6)]
_JAW = dict(zip(EAR_TO_CHIN, [*EAR_TO_CHIN[1:], "chin"], strict=True))
_BROW = dict(zip(BROW_INWARDS, [*BROW_INWARDS[1:], "nose bridge 1"], strict=True))
_MIDDLE = ("chin", "nose bridge 1")


def _sided(side: str, chain: dict[str, str]) -> dict[str, str]:
    return {
        f"{side} {joint}": parent if parent in _MIDDLE else f"{side} {parent}"
        for joint, parent in chain.items()
    }


def _reversed(chain: dict[str, str]) -> dict[str, str]:
    return dict(reversed(chain.items()))


_LEFT_EYE = {
    "left eye inner corner": "nose bridge 1",
    "left eye inner upper lid": "left eye inner corner",
    "left eye outer upper lid": "left eye inner upper lid",
    "left eye outer corner": "left eye outer upper lid",
    "left eye outer lower lid": "left eye inner lower lid",
    "left eye inner lower lid": "left eye inner corner",
}
# From corner to corner and back, as it is numbered; the right eye begins at its outer corner.
_RIGHT_EYE = {
    joint: _LEFT_EYE[joint.replace("right", "left")].replace("left", "right")
    for joint in (
        "right eye outer corner",
        "right eye outer upper lid",
        "right eye inner upper lid",
        "right eye inner corner",
        "right eye inner lower lid",
        "right eye outer lower lid",
    )
}
_NOSE = {
    "nose bridge 1": "nose bridge 2",
    "nose bridge 2": "nose bridge 3",
    "nose bridge 3": "nose bridge 4",
    "nose bridge 4": "nose",
    "right nostril 2": "right nostril 1",
    "right nostril 1": "nose base",
    "nose base": "nose bridge 4",
    "left nostril 1": "nose base",
    "left nostril 2": "left nostril 1",
}
_LIPS = {
    "right lip corner": "right upper lip 2",
    "right upper lip 2": "right upper lip 1",
    "right upper lip 1": "upper lip",
    "upper lip": "nose base",
    "left upper lip 1": "upper lip",
    "left upper lip 2": "left upper lip 1",
    "left lip corner": "left upper lip 2",
    "left lower lip 2": "left lower lip 1",
    "left lower lip 1": "lower lip",
    "lower lip": "inner lower lip",
    "right lower lip 1": "lower lip",
    "right lower lip 2": "right lower lip 1",
    "right inner lip corner": "right inner upper lip",
    "right inner upper lip": "inner upper lip",
    "inner upper lip": "upper lip",
    "left inner upper lip": "inner upper lip",
    "left inner lip corner": "left inner upper lip",
    "left inner lower lip": "inner lower lip",
    "inner lower lip": "inner upper lip",
    "right inner lower lip": "inner lower lip",
}
FACE = {
    **_sided("right", _JAW),
    "chin": "lower lip",
    **_reversed(_sided("left", _JAW)),
    **_sided("right", _BROW),
    **_reversed(_sided("left", _BROW)),
    **_NOSE,
    **_RIGHT_EYE,
    **_LEFT_EYE,
    **_LIPS,
}
