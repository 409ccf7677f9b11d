"""Whether a text is the address of a tracking store, without connecting to it."""

import os
from importlib.metadata import entry_points
from urllib.parse import urlsplit

from brl.support.errors import UserError

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
SERVERS = ("http", "https")
OTHERS = ("databricks", "databricks-uc", "uc")
RIGHT = "must be http://SERVER:5000, sqlite:////FOLDER/mlflow.db or another database"


def is_database(uri: str) -> bool:
    """Whether MLflow reaches the store through SQLAlchemy; the scheme may name a driver, too."""
    return _scheme(uri).split("+")[0] in DATABASES


def check_uri(uri: str) -> None:
    """Raises UserError if no store can have this address."""
    if mistake := _mistake(uri):
        raise UserError(
            f"MLFLOW_TRACKING_URI: {uri} cannot be used ({mistake}); {RIGHT}; unset it for a local "
            "store, or set BRL_TRACKING=off to record nothing"
        )


def _scheme(uri: str) -> str:
    return uri.partition(":")[0] if ":" in uri else ""


def _mistake(uri: str) -> str:
    """What is wrong with an address, or nothing."""
    if is_database(uri):
        return _database_mistake(uri)
    if _scheme(uri) in SERVERS:
        return _server_mistake(uri)
    plugins = {plugin.name for plugin in entry_points(group="mlflow.tracking_store")}
    if uri in OTHERS or _scheme(uri) in {*OTHERS, *plugins}:
        return ""
    if _scheme(uri) in ("", "file"):
        allowed = os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1")
        return "" if allowed else "MLflow no longer keeps runs in folders"
    return f"unknown scheme {_scheme(uri)}"


def _database_mistake(uri: str) -> str:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(uri)
    except (ArgumentError, ValueError):
        return "malformed"
    if url.database in (None, "", ":memory:"):
        return "it names no file" if uri.startswith("sqlite") else "it names no database"
    return ""


def _server_mistake(uri: str) -> str:
    try:
        parts = urlsplit(uri)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        return str(error)
    return "" if named else "it names no server"
