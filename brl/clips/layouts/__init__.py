"""The known layouts.

The parts are those of PSUMNet (arXiv 2208.05775): `hand` is the arms and the shoulder centre, `leg`
the legs and the pelvis centre. Where there is no such joint, it is the tree's centre.
"""

from brl.clips.layouts.image import COCO17, OPENPOSE18, PENN_ACTION13
from brl.clips.layouts.kinect import MSR_ACTION3D20, NTU25, NW_UCLA20, UTD_MHAD20

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
    )
}
