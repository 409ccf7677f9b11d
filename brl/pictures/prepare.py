"""Makes the pictures of all clips small and writes the store of pictures."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from brl.clips.store import ClipStore
from brl.pictures.film import Film, FilmOf
from brl.pictures.form import Form
from brl.pictures.small import small
from brl.pictures.store import Kept, write_pictures
from brl.support.errors import UserError
from brl.support.parallel import ITEMS_PER_CORE, in_parallel
from brl.support.progress import progress

MOST_NAMED = 8  # films that a message names
WAITING = 2**26  # bytes per core of pictures that wait to be written


def prepare(
    folder: Path, store: ClipStore, forms: Mapping[str, Form], films: Mapping[str, FilmOf]
) -> None:
    """Writes what is kept of the pictures that show the clips of a store.

    forms: input -> how its pictures are kept. films: input -> the films of clips. All cores share
    the reading. Raises UserError that names the films that cannot be read; nothing is then written.
    """
    inputs = {
        name: (form, _kept_of_clips(name, store, form, films[name])) for name, form in forms.items()
    }
    write_pictures(folder, inputs, store.digest)


def spread(first: int, last: int, most: int) -> list[int]:
    """Numbers from the first to the last, `most` of them at most, evenly spaced."""
    if last - first < most:
        return list(range(first, last + 1))
    if most == 1:
        return [(first + last) // 2]
    return [int(number) for number in np.rint(np.linspace(first, last, most))]


def kept(film: Film, frames: int, form: Form) -> Kept:
    """What is kept of the film of a clip with this number of joint frames T.

    Of the pictures from the first joint frame to the last, so many as the form keeps, evenly
    spaced. Raises UserError where the film cannot be read or does not fit the form.
    """
    last = film.count - 1
    first_shown, last_shown = (
        int(np.clip(np.rint((frame - film.offset) * film.rate), 0, last))
        for frame in (0, frames - 1)
    )
    numbers = spread(first_shown, last_shown, form.frames)
    box = film.box() if form.crop == "bodies" else None
    if form.crop == "bodies" and box is None:
        raise UserError(f"{film.name}: where the bodies are in it is not known: crop: none")
    shrunk = [small(picture, form, box, film.name) for picture in film.pictures(numbers)]
    step = (last_shown - first_shown) / (len(numbers) - 1) if len(numbers) > 1 else 1.0
    return Kept(np.stack(shrunk), film.rate / step, film.offset + first_shown / film.rate)


def _kept_of_clips(
    name: str, store: ClipStore, form: Form, film_of: FilmOf
) -> Iterator[Kept | None]:
    """What is kept of each clip, in the store's order; at the end UserError for what broke."""
    clips = zip(store.names.tolist(), store.frames.tolist(), strict=True)
    items = [(film_of(clip, frames), frames) for clip, frames in clips]
    size = form.frames * int(np.prod(form.shape)) * form.type.itemsize
    per_core = int(np.clip(WAITING // size, 1, ITEMS_PER_CORE))
    results = in_parallel(partial(_kept_or_problem, form), items, per_core)
    broken: list[str] = []
    for result in progress(results, f"clips: {name}", total=len(items)):
        if isinstance(result, str):
            broken.append(result)
        yield None if isinstance(result, str) else result
    if broken:
        more = f"; and {len(broken) - MOST_NAMED} more" if len(broken) > MOST_NAMED else ""
        films = sum(film is not None for film, _ in items)
        number = f"{len(broken)} of {films} films cannot be kept: "
        raise UserError(f"pictures.{name}: {number}{'; '.join(broken[:MOST_NAMED])}{more}")


def _kept_or_problem(form: Form, item: tuple[Film | None, int]) -> Kept | str | None:
    """What is kept of a clip, or why that cannot be, in one line."""
    film, frames = item
    if film is None:
        return None
    try:
        return kept(film, frames, form)
    except UserError as error:
        return str(error)
