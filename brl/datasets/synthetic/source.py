"""The built-in dataset as a source. The stage `prepare` generates it; nothing is downloaded."""

from pathlib import Path

from brl.clips.clip import PARTS, Clip, Splits
from brl.clips.layouts import NTU25
from brl.clips.normalize import Normalization
from brl.datasets.source import Dataset, Source, always
from brl.datasets.synthetic import scenes as synthetic
from brl.datasets.synthetic.film.film import check_kind, films
from brl.pictures.film import FilmOf, Films
from brl.support.files import written_whole

NOTE = "Nothing to download: the stage `prepare` generates the clips.\n"


def fetch(folder: Path, _mirror: str | None) -> None:
    """Writes a note, because the stage's output folder must exist."""
    with written_whole(folder / "synthetic.txt") as unfinished:
        unfinished.write_text(NOTE, encoding="utf-8")


def open_generator(_folder: Path) -> Dataset:
    """Opens all clips, class by class, in the sensor's coordinates (metres)."""
    clips_per_class = synthetic.TRAIN_CLIPS + synthetic.TEST_CLIPS
    return Dataset(
        layout=NTU25,
        classes=synthetic.CLASSES,
        items=[
            (label, index)
            for label in range(len(synthetic.CLASSES))
            for index in range(clips_per_class)
        ],
        read=generate,
        splits=splits,
        normalization=Normalization("ntu"),
        parallel=True,
    )


def generate(item: tuple[int, int]) -> list[Clip]:
    """Generates the clip of a (label, index) pair."""
    return [synthetic.clip(*item)]


def film_of(_folder: Path, kind: str) -> FilmOf:
    """The films of the clips; they lie in no folder.

    kind: rgb, depth or infrared. Raises UserError for another one.
    """
    found = films(kind)
    return lambda clip, _frames: found.get(clip)


def splits(names: list[str]) -> Splits:
    """The only split: test clips show other subjects from other camera views."""
    return {
        synthetic.SPLIT: {
            part: [name for name in names if synthetic.part_of(name) == part] for part in PARTS
        }
    }


SOURCE = Source((synthetic.SPLIT,), fetch, open_generator, always(NTU25, synthetic.CLASSES))
FILMS = Films(of=film_of, check=lambda _mirror, kind, _form: check_kind(kind))
