"""Failures of the tracking store: of MLflow, of its database, of the network or of the disk."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from brl.support.addresses import without_passwords
from brl.support.errors import UserError
from brl.support.interruptions import ended_before_interruption
from brl.tracking.database import remedy

TOLD_AFTER_SECONDS = 8.0


class StoreFailure(UserError):
    """The store cannot be used now. What the user wrote may be right: it may work later."""


@contextmanager
def failures_named(uri: str) -> Iterator[None]:
    """Turns what a store raises into a StoreFailure, which names the store and the reason.

    Says so if the store keeps us waiting. Ctrl-C waits a moment for the end of the block: SQLite
    would stay locked by a write that it cuts off, and the run could not be ended.
    """
    waiting = Timer(TOLD_AFTER_SECONDS, _tell_waiting, [uri])
    waiting.daemon = True
    waiting.start()
    try:
        with ended_before_interruption():
            yield
    except UserError:
        raise
    except Exception as error:
        if not isinstance(error, _kinds()):
            raise
        reason = _reason(error)
        words = f"{uri} cannot be used ({reason}){remedy(uri, reason)}"
        raise StoreFailure(words) from error
    finally:
        waiting.cancel()


def _tell_waiting(uri: str) -> None:
    print(f"MLflow: waiting for {without_passwords(uri)}", file=sys.stderr, flush=True)


def _kinds() -> tuple[type[Exception], ...]:
    """The exceptions of a store that fails; ImportError is that of a missing driver."""
    from mlflow import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError, OSError, ImportError


def _reason(error: BaseException) -> str:
    """The first line of what was the first error: MLflow and its libraries wrap it."""
    first = error
    while cause := first.__cause__ or (None if first.__suppress_context__ else first.__context__):
        first = cause
    return (str(first) or str(error) or type(first).__name__).splitlines()[0]
