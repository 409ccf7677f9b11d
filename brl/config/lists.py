"""Lists of clips in lists/: `subsample.list_file` of params.yaml."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from brl.support.errors import UserError

LISTS = Path("lists")


def list_path(list_file: str) -> Path:
    """The path of a list of clips; raises UserError if DVC would not notice an edit of it."""
    path = LISTS / list_file
    if not path.resolve().is_relative_to(LISTS.resolve()):
        raise UserError(
            f"params.yaml: subsample.list_file: {list_file}: is not in {LISTS}/, where "
            "DVC notices edits; copy the file there (a link is not enough) and give its name"
        )
    return path


def listed_names(list_file: str) -> list[str]:
    """The names of clips in a list, one per line.

    Raises UserError where the list is elsewhere, cannot be read, or names one clip twice.
    """
    path = list_path(list_file)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"params.yaml: subsample.list_file: {path}: cannot be read ({error}); "
            "must be a text file with one clip name per line"
        ) from error
    names = [line.strip() for line in lines if line.strip()]
    if len(set(names)) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise UserError(f"{list_file}: {twice} occurs twice; each name must occur once")
    return names


def not_for_training(list_file: str, names: Sequence[str], wrong: Sequence[str]) -> UserError:
    """The error for names in a list that are not training clips."""
    return UserError(
        f"{list_file}: {wrong[0]} is not a training clip of this split and these classes "
        f"({len(wrong)} of {len(names)} names are not)"
    )
