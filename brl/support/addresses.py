"""Addresses as they may be shown: without user names, passwords and tokens."""

import re

# In a database's address a password may contain slashes.
CREDENTIALS = re.compile(r"://(?:[^\s/:@]*:\S*|[^\s/]*)@")
# Nobody knows under which name a server expects its token: no value of a query is shown.
QUERY_VALUE = re.compile(r"([?&][^\s?&=]+=)[^\s&]+")


def without_passwords(text: str) -> str:
    """The text with the user name and password, and the values of the query, of addresses as ***.

    Of an address in the text, `://NAME:PASSWORD@` and `?NAME=VALUE` are replaced.
    """
    return QUERY_VALUE.sub(r"\1***", CREDENTIALS.sub("://***@", text))
