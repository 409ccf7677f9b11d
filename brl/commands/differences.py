"""Differences between two parameter files, in words."""

from collections.abc import Iterator
from typing import Any

import yaml

from brl.support.addresses import without_passwords


def differences(name: str, old: Any, new: Any) -> Iterator[str]:
    """Yields the differences between two values in words; sections are compared key by key.

    old, new: `...` stands for a missing value. name: the key in the file; empty for whole files.
    """
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            key_name = f"{name}.{key}" if name else str(key)
            yield from differences(key_name, old.get(key, ...), new.get(key, ...))
    elif old is ... or new is ...:
        yield f"{name}: {'new' if old is ... else 'removed'}"
    else:
        yield f"{name}: {_as_yaml(old)} became {_as_yaml(new)}"


def _as_yaml(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
    return without_passwords(text)
