"""Packages that only some users need."""

from importlib import import_module
from typing import Any

from brl.support.errors import UserError


def optional_package(name: str, where: str) -> Any:
    """A package of an extra of pyproject.toml, imported when it is needed.

    where: what needs it. Raises UserError with the command that installs the package, where it is
    missing.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(
            f"{where}: needs the package {name}, which is not installed: pip install {name}"
        ) from error
