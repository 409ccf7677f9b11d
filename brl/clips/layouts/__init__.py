"""The known layouts.

The parts are those of PSUMNet (arXiv 2208.05775): `hand` is the arms and the shoulder centre, `leg`
the legs and the pelvis centre. Where there is no such joint, it is the tree's centre.
"""

from brl.clips.layouts.image import (
    COCO17,
    COCO_WHOLEBODY133,
    HALPE26,
    OPENPOSE18,
    OPENPOSE25,
    PENN_ACTION13,
)
from brl.clips.layouts.kinect import MSR_ACTION3D20, NTU25, NW_UCLA20, UTD_MHAD20
from brl.clips.layouts.model import H36M17, HAND21, MEDIAPIPE33, SMPL24
from brl.clips.layouts.parts import limbs as limbs
from brl.clips.layouts.parts import masked_parts as masked_parts

LAYOUTS = {
    layout.name: layout
    for layout in (
        NTU25,
        NW_UCLA20,
        UTD_MHAD20,
        MSR_ACTION3D20,
        COCO17,
        PENN_ACTION13,
        OPENPOSE18,
        OPENPOSE25,
        HALPE26,
        COCO_WHOLEBODY133,
        MEDIAPIPE33,
        H36M17,
        SMPL24,
        HAND21,
    )
}
# Other names by which a description may call a layout; files and results have those above.
SHORT_NAMES = {"utd20": UTD_MHAD20, "msr20": MSR_ACTION3D20, "penn13": PENN_ACTION13}
