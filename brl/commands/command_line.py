"""Shared by all commands: the help, argument types and completion."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from brl.support.errors import UserError, one_line_errors

A_FILE = click.Path(path_type=Path)
Completer = Callable[[click.Context, click.Parameter, str], list[str]]


class Commands(click.Group):
    """Commands grouped by section; user errors end a command with one line, not a traceback."""

    def __init__(self, *, sections: dict[str, tuple[str, ...]], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.sections = sections

    def list_commands(self, _context: click.Context) -> list[str]:
        """Names of all commands, in order of the sections."""
        return [name for names in self.sections.values() for name in names]

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of commands, section by section."""
        width = max(map(len, self.list_commands(context)))
        for title, names in self.sections.items():
            rows = [
                (f"{name:{width}}", self.commands[name].get_short_help_str(100)) for name in names
            ]
            with formatter.section(title):
                formatter.write_dl(rows)

    def invoke(self, context: click.Context) -> Any:
        """Runs the command with one-line errors."""
        with one_line_errors():
            return super().invoke(context)


class Count(click.ParamType):
    """A whole number of 1 or more."""

    name = "N"

    def convert(
        self, value: str | int, _param: click.Parameter | None, _context: click.Context | None
    ) -> int:
        """The number; fails for other text."""
        text = str(value).strip()
        if not text.isdecimal() or int(text) < 1:
            self.fail(f"{value!r}; must be a whole number of 1 or more")
        return int(text)


class ImageSize(click.ParamType):
    """An image size WIDTHxHEIGHT in pixels, converted to (height, width)."""

    name = "WIDTHxHEIGHT"

    def convert(
        self, value: str, _param: click.Parameter | None, _context: click.Context | None
    ) -> tuple[float, float]:
        """Height and width in pixels; fails for other text."""
        from brl.datasets.ranges import is_size  # numpy is slow to import, and --help needs none

        match = re.fullmatch(r"(\d+)x(\d+)", value)
        if match is None or not all(is_size(float(size)) for size in match.groups()):
            self.fail(f"{value!r}; must be WIDTHxHEIGHT in pixels, such as 1920x1080")
        return float(match[2]), float(match[1])


def names_in(folder: str) -> Completer:
    """Completes the names of a folder's YAML files."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
        return sorted(
            path.stem for path in Path(folder).glob("*.yaml") if path.stem.startswith(incomplete)
        )

    return complete


def streams(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Completes the streams of params.yaml."""
    from brl.config.params import read_params

    try:
        known = read_params().streams
    except UserError:
        return []
    return [name for name in known if name.startswith(incomplete)]
