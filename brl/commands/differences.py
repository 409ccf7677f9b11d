"""What differs between two settings, in words."""

from collections.abc import Iterator
from typing import Any

import yaml


def differences(name: str, old: Any, new: Any) -> Iterator[str]:
    """In words, what differs between two values, `...` where there is none; of two sections only
    what differs in them. An empty name: the sections are the whole."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            place = f"{name}.{key}" if name else str(key)
            yield from differences(place, old.get(key, ...), new.get(key, ...))
    elif old is ... or new is ...:
        yield f"{name}: {'new' if old is ... else 'taken out'}"
    else:
        yield f"{name}: {_as_yaml(old)} became {_as_yaml(new)}"


def _as_yaml(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
