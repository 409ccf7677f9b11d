"""JSON as other programs can read it."""

import json
import math
from typing import Any


def json_text(content: Any, *, indent: int | None = 2, sort_keys: bool = False) -> str:
    """The content as JSON, without a line break at the end.

    Numbers that JSON does not have, NaN and infinities, are null. Letters stand as they are, unless
    UTF-8 cannot write them (undecodable bytes of a file's name): then all are escaped.
    """
    content = _finite(content)
    text = json.dumps(
        content, indent=indent, sort_keys=sort_keys, ensure_ascii=False, allow_nan=False
    )
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(content, indent=indent, sort_keys=sort_keys, allow_nan=False)
    return text


def _finite(content: Any) -> Any:
    """The content with null in place of numbers that are not finite."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
