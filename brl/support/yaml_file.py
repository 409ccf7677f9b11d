"""Reads YAML files that users write, and validates them; each mistake is a one-line error."""

import re
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from brl.support.errors import UserError
from brl.support.text import shortened, shown

Schema = TypeVar("Schema", bound=BaseModel)
LONGEST = 200_000  # characters; PyYAML takes seconds for them
MOST_NODES = 200_000
LONGEST_NUMBER = 100  # characters


class _Loader(yaml.SafeLoader):
    """A loader that refuses duplicate keys, of which PyYAML would silently take the last one.

    It reads numbers as DVC does: 1e-05 is one, as `dvc exp run -S` writes it. It refuses numbers of
    more than 100 characters, and aliases that repeat values without end.
    """

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None and _size_of(node, {}) > MOST_NODES:
            raise yaml.MarkedYAMLError(
                problem=f"its aliases repeat more than {MOST_NODES} values",
                problem_mark=node.start_mark,
            )
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        is_number = node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
        if is_number and len(node.value) > LONGEST_NUMBER:
            raise yaml.MarkedYAMLError(
                problem=f"a number of {len(node.value)} characters", problem_mark=node.start_mark
            )
        return super().construct_object(node, deep)

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


def _size_of(node: yaml.Node, known: dict[int, int]) -> int:
    """The number of values in a node; known: those of nodes that were counted already."""
    if id(node) not in known:
        known[id(node)] = MOST_NODES + 1  # of a node that holds itself
        inner = [node.value] if isinstance(node, yaml.SequenceNode) else []
        inner = [*zip(*node.value, strict=True)] if isinstance(node, yaml.MappingNode) else inner
        known[id(node)] = 1 + sum(_size_of(each, known) for nodes in inner for each in nodes)
    return known[id(node)]


def load_yaml(text: str, name: str) -> Any:
    """The content of YAML text. Raises UserError, which begins with `name`, where it is wrong."""
    try:
        if len(text) > LONGEST:
            raise UserError(f"{name}: {len(text)} characters; must be {LONGEST} or fewer")
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}:" if mark else ""
        raise UserError(f"{name}:{line} not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise UserError(f"{name}: not valid YAML: nested too deeply") from error
    except UserError:
        raise
    except Exception as error:  # PyYAML's own for values such as `!!int ''`, or an impossible date
        reason = str(error) if isinstance(error, ValueError) else type(error).__name__
        raise UserError(f"{name}: not valid YAML: {shown(reason)}") from error


def read_yaml(path: Path, schema: type[Schema], name: str) -> Schema:
    """Reads a YAML file and validates it against a schema.

    name: how error messages call the file.

    Raises UserError that names the first wrong place and says what would be right.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not a UTF-8 text file") from error
    content = load_yaml(text, name)
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
    key = ".".join(str(part) for part in problem["loc"] if not _is_ours(part))
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
        return f"{key}: YAML reads this as {given!r:.200}; put it in quotes to make it text{tail}"
    if kind == "model_type":
        return f"{key}: must be a block of `key: value` lines, not {given!r:.200}{tail}"
    wanted = problem["msg"].removeprefix("Input should be ")
    return f"{key}: must be {wanted}, not {given!r:.200}{tail}"


def _is_ours(part: int | str) -> bool:
    """Whether a part of a location is no key of the user's, but a word in brackets."""
    return isinstance(part, str) and part.startswith("[")


def _known_keys(location: tuple[int | str, ...], schema: type[BaseModel]) -> str:
    """The keys that the section around `location` may have."""
    annotation: Any = schema
    for part in location[:-1]:
        if _is_ours(part):  # which of several kinds of section it is
            kinds = [get_args(kind) for kind in get_args(get_args(annotation)[0])]
            annotation = next(kind for kind, tag in kinds if tag.tag == part)
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = annotation.model_fields[str(part)].annotation
        else:  # a dictionary of sections, such as the streams, or a list of them
            annotation = get_args(annotation)[-1]
        if isinstance(annotation, UnionType):  # a section or null
            annotation = get_args(annotation)[0]
    return ", ".join(annotation.model_fields)
