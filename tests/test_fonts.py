"""Class names of any script in pictures: fonts that have them, or one line that says so."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager, rcParams

from brl import figures
from brl.comparison.gain_figure import draw_gains
from brl.figures import fonts_for
from brl.report.charts import draw_confusion
from brl.report.figure import draw_by_class

NAMES = ["挥手", "يلوح", "हाथ हिलाना", "손 흔들기"]
LATIN = ["wave", "café", "naïve – é", "Ωμέγα"]


def write_font(path: Path, family: str, text: str) -> str:
    """A font whose glyphs are all the same triangle."""
    glyphs = {f"g{ord(letter)}": ord(letter) for letter in sorted({*text} - {" "})}
    pen = TTGlyphPen(None)
    for draw, point in ((pen.moveTo, (0, 0)), (pen.lineTo, (500, 700)), (pen.lineTo, (900, 0))):
        draw(point)
    pen.closePath()
    shape = pen.glyph()
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", *glyphs])
    builder.setupCharacterMap({code: name for name, code in glyphs.items()})
    builder.setupGlyf(dict.fromkeys((".notdef", *glyphs), shape))
    builder.setupHorizontalMetrics(dict.fromkeys((".notdef", *glyphs), (1000, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(path)
    return str(path)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs fonts, which are all that the system has; warnings of matplotlib are errors."""
    fonts = font_manager.fontManager
    own = [font for font in fonts.ttflist if "mpl-data" in font.fname]
    monkeypatch.setattr(fonts, "ttflist", own)

    def installed(**texts: str) -> None:
        files = [write_font(tmp_path / f"{name}.ttf", name, texts[name]) for name in texts]
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda: files)
        for cached in (figures.families_with, figures.installed_fonts):
            cached.cache_clear()

    installed()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield installed
    installed()


def drawn(path: Path, names: list[str]) -> bytes:
    classes = pd.DataFrame({"class": names, "group": "few", "train_clips": 3})
    draw_by_class(path, classes, pd.DataFrame({"joint": [1.0] * 4, "ensemble": [2.0] * 4}))
    return path.read_bytes()


def test_names_that_matplotlibs_font_has_change_nothing(install, tmp_path, capsys):
    before = list(rcParams["font.family"])
    with fonts_for(LATIN):
        assert rcParams["font.family"] == before
    alone = drawn(tmp_path / "alone.png", LATIN)
    install(Extra="".join(LATIN))
    assert drawn(tmp_path / "beside.png", LATIN) == alone
    assert capsys.readouterr().err == ""


def test_other_names_are_drawn_with_installed_fonts(install, tmp_path, capsys):
    boxes = drawn(tmp_path / "boxes.png", NAMES)
    capsys.readouterr()
    install(Chinese=NAMES[0], Others=NAMES[2] + NAMES[3])
    with fonts_for(NAMES):
        assert rcParams["font.family"] == ["sans-serif", "Others", "Chinese"]
    assert rcParams["font.family"] == ["sans-serif"]
    assert drawn(tmp_path / "letters.png", NAMES) != boxes
    assert capsys.readouterr().err == ""


def test_a_font_that_adds_nothing_is_not_taken_and_one_without_serifs_is_preferred(install):
    install(**{"A Serif": NAMES[0], "B Sans": NAMES[0], "C Sans": NAMES[0][:1]})
    assert figures.families_with(frozenset(NAMES[0])) == ("B Sans",)


def test_letters_without_a_font_are_named_in_one_line(install, tmp_path, capsys):
    """However many pictures and names there are."""
    install(Korean=NAMES[3])
    for number in range(2):
        drawn(tmp_path / f"{number}.png", NAMES)
    svg = draw_confusion(np.eye(4), NAMES)
    assert all(f">{name}<" in svg for name in NAMES)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: no installed font has थ न ल ह 手 挥 ा ि (CJK, DEVANAGARI): ")
    assert "fonts-noto-core fonts-noto-cjk" in line


def test_a_file_that_is_no_font_is_passed_over(install, tmp_path, monkeypatch, capsys):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(tmp_path / "broken.ttf")])
    figures.installed_fonts.cache_clear()
    drawn(tmp_path / "a.png", NAMES)
    assert "no installed font has" in capsys.readouterr().err


def test_the_gains_name_classes_of_any_script(install, tmp_path, capsys):
    install(All="".join(NAMES))
    gains = {"training_clips": [2, 4, 8, 16], "gain": [9.0, -5.0, 1.0, 2.0], "group": "few"}
    table = pd.DataFrame({"class": NAMES, "what": "joint", "method": "brl", **gains})
    draw_gains(tmp_path / "gain.png", table, "cross_entropy")
    assert capsys.readouterr().err == ""
