"""Whether a worker has the same versions of Python and of the libraries that results depend on."""

import platform
from importlib.metadata import version

from brl.support.errors import UserError
from brl.support.files import project_root

LIBRARIES = ("torch", "numpy", "pandas", "scipy")


def versions() -> dict[str, str]:
    """The versions of this process."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {name: version(name) for name in LIBRARIES} | {"python": python}


def prove_versions(expected: dict[str, str]) -> None:
    """Raises UserError, with the remedy, if this process has other versions."""
    here = versions()
    for name, wanted in expected.items():
        if here[name] != wanted:
            raise UserError(
                f"{name} is {here[name]} and must be {wanted}: make setup in {project_root()}, "
                "then start the worker again"
            )
