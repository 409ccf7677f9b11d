"""A PostgreSQL server that stops to answer is a failure, as for any other store.

Its driver would wait for ever: a timeout of the server does not help where the server hangs.
"""

from contextlib import suppress
from select import select
from typing import Any

SECONDS = 30.0  # longer than any statement of MLflow takes


def wait_no_longer() -> None:
    """Has psycopg2, if it is there, raise an error when a server sends nothing for 30 seconds."""
    with suppress(ImportError):
        from psycopg2.extensions import set_wait_callback

        set_wait_callback(_wait)


def _wait(connection: Any) -> None:
    """Waits until the server has answered. After an error, psycopg2 closes the connection."""
    from psycopg2 import OperationalError
    from psycopg2.extensions import POLL_OK, POLL_READ

    while (state := connection.poll()) != POLL_OK:
        reads, writes = ([connection], []) if state == POLL_READ else ([], [connection])
        if not any(select(reads, writes, [], SECONDS)):
            raise OperationalError(f"no answer within {SECONDS:.0f} seconds")
