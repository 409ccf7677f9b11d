"""The built-in dataset as a source: `prepare` generates it, so there is nothing to download."""

from pathlib import Path

from brl.clips.clip import PARTS, Clip, Splits
from brl.clips.layout import NTU25
from brl.clips.normalize import Normalization
from brl.datasets.source import Dataset, Source
from brl.datasets.synthetic import scenes as synthetic
from brl.support.files import written_whole

NOTE = "Nothing to download: the stage `prepare` generates the clips.\n"


def fetch(folder: Path, mirror: str | None) -> None:
    """Leaves a note: the stage's folder must be there. A mirror changes nothing."""
    with written_whole(folder / "synthetic.txt") as unfinished:
        unfinished.write_text(NOTE, encoding="utf-8")


def open_generator(folder: Path) -> Dataset:
    """All clips, class by class, in the sensor's coordinates."""
    clips_a_class = synthetic.TRAIN_CLIPS + synthetic.TEST_CLIPS
    return Dataset(
        layout=NTU25,
        classes=synthetic.CLASSES,
        items=[
            (label, index)
            for label in range(len(synthetic.CLASSES))
            for index in range(clips_a_class)
        ],
        read=generate,
        splits=splits,
        normalization=Normalization("ntu"),
        parallel=True,
    )


def generate(item: tuple[int, int]) -> list[Clip]:
    """The clip of a label and an index."""
    return [synthetic.clip(*item)]


def splits(names: list[str]) -> Splits:
    """Test clips are those of other subjects, seen by other cameras."""
    return {
        synthetic.SPLIT: {
            part: [name for name in names if synthetic.part_of(name) == part] for part in PARTS
        }
    }


SOURCE = Source((synthetic.SPLIT,), fetch, open_generator)
