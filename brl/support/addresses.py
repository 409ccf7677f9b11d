"""Addresses as they may be shown: without user names and passwords."""

import re

# In a database's address a password may contain slashes.
CREDENTIALS = re.compile(r"://(?:[^\s/:@]*:\S*|[^\s/]*)@")


def without_passwords(text: str) -> str:
    """The text with the user name and password of every address in it replaced by ***."""
    return CREDENTIALS.sub("://***@", text)
