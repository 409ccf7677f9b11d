"""Style and output shared by the figures of a run."""

import sys
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brl.support.files import written_whole
from brl.support.text import shortened, without_joiners

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED_LETTERS = 10
LONGEST_LABEL = 40
GROUP_COLOURS = {"many": "#3b6fb6", "medium": "#6fa287", "few": "#d0743c"}


def new_figure(width: float, height: float) -> tuple["Figure", "Axes"]:
    """An empty figure with one panel. width, height: inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


@contextmanager
def fonts_for(names: Iterable[str]) -> Iterator[None]:
    """Draws names as they are: of any script, and `$` begins no formula.

    Where matplotlib's own font lacks a character, an installed font that has it is used. Characters
    that no font has are boxes, and one line on stderr says so, once in a process.
    """
    import matplotlib
    from matplotlib import font_manager

    own = font_manager.get_font(font_manager.findfont(font_manager.FontProperties())).get_charmap()
    shown = {letter for name in names for letter in name if letter.isprintable()}
    foreign = frozenset(letter for letter in shown if ord(letter) not in own)
    families = families_with(foreign) if foreign else ()
    style: dict[Any, Any] = {
        "font.family": [*matplotlib.rcParams["font.family"], *families],
        "text.parse_math": False,
    }
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        warnings.filterwarnings("ignore", r".* does not support \w+ natively")  # before 3.11
        yield


def in_picture(name: str) -> str:
    """A name as a picture shows it: no longer than there is room for."""
    return shortened(without_joiners(name), LONGEST_LABEL)


@cache
def families_with(letters: frozenset[str]) -> tuple[str, ...]:
    """The fewest families of installed fonts that have these letters, as far as any has.

    Prints a line on the letters that none has.
    """
    codes, families = {ord(letter) for letter in letters}, []
    known = {name: codes & has for name, has in installed_fonts().items()}
    while codes:
        # Of equal ones a font without serifs, as matplotlib's own.
        best = max(known, key=lambda name: (len(known[name] & codes), "Sans" in name))
        if not known[best] & codes:
            print(no_font([*map(chr, codes)]), file=sys.stderr)
            break
        families.append(best)
        codes -= known[best]
    return tuple(families)


@cache
def installed_fonts() -> dict[str, set[int]]:
    """The characters of each family of installed fonts, in its plain style."""
    from matplotlib import font_manager

    fonts = font_manager.fontManager
    listed = {font.fname for font in fonts.ttflist}
    for path in sorted({*font_manager.findSystemFonts()} - listed):  # newer than matplotlib's list
        with suppress(OSError, RuntimeError, ValueError):
            fonts.addfont(path)
    characters: dict[str, set[int]] = {}
    for font in fonts.ttflist:
        # The font of last resort has a box for every character.
        if (font.style, font.weight) == ("normal", 400) and "Last Resort" not in font.name:
            with suppress(OSError, RuntimeError):  # removed, or of pictures
                characters.setdefault(font.name, {*font_manager.get_font(font.fname).get_charmap()})
    return characters


def no_font(letters: list[str]) -> str:
    """The line on letters that no font has."""
    letters = sorted(letters, key=lambda letter: (not letter.isalpha(), letter))  # signs last
    scripts = sorted({unicodedata.name(letter, "unknown").split()[0] for letter in letters})
    more = " …" if len(letters) > NAMED_LETTERS else ""
    return (
        f"warning: no installed font has {' '.join(letters[:NAMED_LETTERS])}{more} "
        f"({', '.join(scripts)}): pictures show boxes in their place; install a font for it, such "
        "as Noto (Debian, Ubuntu: apt install fonts-noto-core fonts-noto-cjk)"
    )


def save_figure(figure: "Figure", path: Path) -> None:
    """Writes a figure to a file, in the format of its suffix. Equal figures give equal bytes."""
    with written_whole(path) as unfinished:
        # The default metadata holds the version of matplotlib.
        figure.savefig(unfinished, dpi=110, metadata={"Software": None})
