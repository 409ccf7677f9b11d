"""Reads YAML files that users write, and validates them; each mistake is a one-line error."""

import re
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from brl.support.errors import UserError
from brl.support.text import shortened

Schema = TypeVar("Schema", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """A loader that refuses duplicate keys, of which PyYAML would silently take the last one.

    It reads numbers as DVC does: 1e-05 is one, as `dvc exp run -S` writes it.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(
                    problem="a key must be a word", problem_mark=key.start_mark
                )
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value!r} occurs twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?e[-+]?[0-9]+$", re.I),
    [*"-+0123456789"],
)


def read_yaml(path: Path, schema: type[Schema], name: str) -> Schema:
    """Reads a YAML file and validates it against a schema.

    name: how error messages call the file.

    Raises UserError that names the first wrong place and says what would be right.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Loader)
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not a UTF-8 text file") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}:" if mark else ""
        raise UserError(f"{name}:{line} not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from error
    except ValueError as error:  # such as a date that does not exist
        raise UserError(f"{name}: not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{name}: must hold `key: value` lines")
    return validated(content, schema, name)


def validated(content: dict[str, Any], schema: type[Schema], name: str) -> Schema:
    """Validates content against a schema; `name` begins the error message.

    Raises UserError that names the first wrong place and says what would be right.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{name}: {_first_problem(error, schema)}") from error


def _first_problem(error: ValidationError, schema: type[BaseModel]) -> str:
    """The first error of a validation as `key: what is wrong; what would be right`."""
    # A misspelt key is also a missing one: report the misspelt key.
    problem = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    kind, given, context = problem["type"], problem["input"], problem.get("ctx", {})
    is_key = "[key]" in problem["loc"]
    key = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    more = error.error_count() - 1
    tail = f" (and {more} more)" if more else ""
    if kind == "extra_forbidden":
        return f"{key}: unknown key; known here: {_known_keys(problem['loc'], schema)}{tail}"
    if kind == "missing":
        return f"{key}: missing; this key is required{tail}"
    if kind == "string_pattern_mismatch" and is_key:
        return f"{shortened(key, 80)}: must be lower case letters, digits and _, 60 at most{tail}"
    if kind == "value_error":
        prefix = f"{key}: " if key else ""
        return f"{prefix}{context['error']}{tail}"
    if kind == "too_short":
        return f"{key}: needs {context['min_length']} or more, has {context['actual_length']}{tail}"
    if kind == "too_long":
        return (
            f"{key}: must be {context['max_length']} at most, is {context['actual_length']}{tail}"
        )
    if kind == "string_type" and isinstance(given, bool | int | float):
        return f"{key}: YAML reads this as {given!r}; put it in quotes to make it text{tail}"
    if kind == "model_type":
        return f"{key}: must be a block of `key: value` lines, not {given!r}{tail}"
    wanted = problem["msg"].removeprefix("Input should be ")
    return f"{key}: must be {wanted}, not {given!r}{tail}"


def _known_keys(location: tuple[int | str, ...], schema: type[BaseModel]) -> str:
    """The keys that the section around `location` may have."""
    annotation: Any = schema
    for part in location[:-1]:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = annotation.model_fields[str(part)].annotation
        else:  # a dictionary of sections, such as the streams
            annotation = get_args(annotation)[1]
        if isinstance(annotation, UnionType):  # a section or null
            annotation = get_args(annotation)[0]
    return ", ".join(annotation.model_fields)
