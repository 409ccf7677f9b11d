"""The largest pictures that are read: a small file may claim to hold a huge one."""

from brl.support.errors import UserError

MOST_PIXELS = 2**25  # a frame of 8K video has 33.2 million


def check_size(width: int, height: int, where: str) -> None:
    """Raises UserError, which begins with `where`, for a picture that is too large or empty."""
    if not 0 < width * height <= MOST_PIXELS:
        raise UserError(
            f"{where}: pictures of {width} x {height} pixels; must be {MOST_PIXELS:,} pixels at "
            "most"
        )
