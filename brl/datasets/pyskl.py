"""Datasets that PYSKL publishes as one annotation pickle each.

H. Duan et al., "PYSKL: towards good practices for skeleton action recognition", arXiv 2205.09443.
The 2D skeletons were estimated from the videos with HRNet.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from brl.clips.clip import Splits
from brl.clips.layout import Layout
from brl.clips.layouts import COCO17, NTU25
from brl.clips.normalize import Normalization
from brl.datasets.annotations import check_annotations, open_annotations
from brl.datasets.classes import class_names
from brl.datasets.ntu.names import CLASSES_60, CLASSES_120, in_field_order, listed
from brl.datasets.source import Dataset, Listed, Source, always
from brl.fetching.fetch import fetch_file

SERVER = "https://download.openmmlab.com/mmaction/pyskl/data"
THREE_SPLITS = ("split1", "split2", "split3")
IN_METRES, IN_PIXELS = Normalization("ntu"), Normalization("image")


def pickled(
    address: str,
    layout: Layout,
    normalization: Normalization,
    classes: tuple[str, ...],
    *splits: str,
    order: Callable[[Splits], Splits] = lambda splits: splits,
    listed: Callable[[str | None], Listed] = lambda _mirror: Listed(),
) -> Source:
    """The source of an annotation pickle on PYSKL's server.

    address: its path on the server. splits: names of the splits in it. order: changes the order of
    the clips within each split; by default it is the pickle's. listed: what names of clips tell.
    """
    file = Path(address).name

    def fetch(folder: Path, mirror: str | None) -> None:
        check = partial(check_annotations, file)
        fetch_file(file, f"{SERVER}/{address}", mirror, folder, check=check)

    def opened(folder: Path) -> Dataset:
        dataset = open_annotations(folder / file, layout, classes, normalization)
        return replace(dataset, splits=lambda names: order(dataset.splits(names)))

    return Source(splits, fetch, opened, always(layout, classes), listed)


ntu = partial(pickled, order=in_field_order, listed=listed)

# By `dataset.name`.
SOURCES: dict[str, Source] = {
    "ntu60": ntu("nturgbd/ntu60_3danno.pkl", NTU25, IN_METRES, CLASSES_60, "xsub", "xview"),
    "ntu120": ntu("nturgbd/ntu120_3danno.pkl", NTU25, IN_METRES, CLASSES_120, "xsub", "xset"),
    "ntu60_2d": ntu("nturgbd/ntu60_hrnet.pkl", COCO17, IN_PIXELS, CLASSES_60, "xsub", "xview"),
    "ntu120_2d": ntu("nturgbd/ntu120_hrnet.pkl", COCO17, IN_PIXELS, CLASSES_120, "xsub", "xset"),
    "gym": pickled("gym/gym_hrnet.pkl", COCO17, IN_PIXELS, class_names("gym99"), "default"),
    "ucf101": pickled(
        "ucf101/ucf101_hrnet.pkl", COCO17, IN_PIXELS, class_names("ucf101"), *THREE_SPLITS
    ),
    "hmdb51": pickled(
        "hmdb51/hmdb51_hrnet.pkl", COCO17, IN_PIXELS, class_names("hmdb51"), *THREE_SPLITS
    ),
    "diving48": pickled(
        "diving48/diving48_hrnet.pkl", COCO17, IN_PIXELS, class_names("diving48"), "default"
    ),
}
