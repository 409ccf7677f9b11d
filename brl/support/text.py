"""Names and messages of users, in a form that is safe to show: the only place that knows how."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

LONGEST_NAME = 200
NAME_RULE = f"must be one line of printable text, {LONGEST_NAME} letters at most"
MARKDOWN = re.compile(r"[\\`*\[\]<>|$~]|(?<![^\W_])_|_(?![^\W_])")
FORMULA = ("=", "+", "-", "@")
# Persian and the scripts of India have invisible letters within words, which part or join others.
JOINER = re.compile("(?<=\\w)[\u200c\u200d](?=\\w)")


def is_printable(text: str) -> bool:
    """Whether a text is one line of letters, signs and spaces."""
    return JOINER.sub("", text).isprintable()


def is_name(text: str) -> bool:
    """Whether a text can be the name of a class, a clip, a split or a dataset."""
    return is_printable(text) and text.strip() != "" and len(text) <= LONGEST_NAME


def printable(text: str) -> str:
    """The text with all that is not printable escaped: controls, marks of direction, surrogates."""
    return "".join(
        char if char.isprintable() or JOINER.match(text, place) else ascii(char)[1:-1]
        for place, char in enumerate(text)
    )


def without_joiners(text: str) -> str:
    """The text as it is drawn where letters are not joined anyway."""
    return JOINER.sub("", text)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and an ellipsis: `most` letters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def in_markdown(text: str) -> str:
    """The text as Markdown that shows it, also in a cell of a table."""
    return MARKDOWN.sub(r"\\\g<0>", printable(text))


def in_spreadsheet(value: object) -> object:
    """A cell of a table; text that a spreadsheet would compute begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def console(*, soft_wrap: bool = False) -> "Console":
    """A console that shows text as it is: [red] is no markup, and :smile: no emoji."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False, soft_wrap=soft_wrap)


def shown(text: str) -> str:
    """Text from a file, escaped and shortened to one line that is safe to print."""
    return ascii(text)[1:-1][:200]
