"""Which joints of a table are those of a hand, where it shows both hands of a person."""

from collections.abc import Sequence

JOINTS = 21
SIDES = {
    word: side for side in ("left", "right") for word in (side, side[0], f"{side[0]}h")
}  # left, l, lh, ...
HAND_WORDS = {"hand", "lh", "rh"}
Hands = dict[str, dict[int, list[str]]]


def hands_among(names: Sequence[list[str]]) -> Hands:
    """The joints of each hand: their places among the names, and what their names are in the hand.

    names: the words of each joint's name. left_hand_3, lh3, hand0_3 and left_wrist are of a hand.
    Where some names say `hand`, others such as left_shoulder are joints of the body. Empty where no
    name tells a hand, or where sides have other numbers of joints than hands.
    """
    say_hand = any(HAND_WORDS & {*words} for words in names)
    hands: Hands = {}
    for place, words in enumerate(names):
        if say_hand and not HAND_WORDS & {*words}:
            continue
        hand, joint = _hand_and_joint(words)
        if hand and joint:
            hands.setdefault(hand, {})[place] = joint
    if not say_hand and any(len(joints) != JOINTS for joints in hands.values()):
        return {}
    return hands


def _hand_and_joint(words: list[str]) -> tuple[str, list[str]]:
    """Which hand the words of a name tell, and the words of the joint; no hand where none does."""
    if words[:1] == ["hand"] and words[1:2] and words[1].isdecimal():
        return words[1], words[2:]
    hand = next((SIDES[word] for word in words if word in SIDES), "")
    return hand, [word for word in words if word not in SIDES and word not in HAND_WORDS]
